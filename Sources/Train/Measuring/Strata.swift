import Datasets
import Foundation
import Tensors

/// The accuracy on some examples of a split: those of one depth, some lengths, or touching targets.
public struct Stratum: Codable, Sendable, Equatable {
  /// What the examples have in common: `depth`, `length` or `touching`.
  public var by: String
  /// Its smallest value.
  public var from: Int
  /// Its greatest value.
  public var through: Int
  /// Examples.
  public var n: Int
  /// Share of right predictions.
  public var accuracy: Double
  /// Its 95 % interval (Wilson 1927): low, high.
  public var ci95: [Double]
}

/// Which examples of a split were predicted right, gathered batch by batch.
struct RightPredictions {
  private let split: SplitReader
  private(set) var right: [Bool]

  init(_ split: SplitReader) {
    self.split = split
    right = [Bool](repeating: false, count: split.count)
  }

  /// Adds the logits [B * C] of examples at some positions; of equal logits the first one counts.
  mutating func add(_ positions: [Int], _ logits: [Float]) {
    let classes = logits.count / max(1, positions.count)
    for (row, position) in positions.enumerated() {
      let values = logits[(row * classes)..<((row + 1) * classes)]
      var best = values.startIndex
      for index in values.indices where values[index] > values[best] { best = index }
      right[position] = best - values.startIndex == Int(split.labels[position])
    }
  }

  /// Says of one example whether it was right.
  mutating func set(_ position: Int, _ isRight: Bool) { right[position] = isRight }

  /// Adds what other processes found of their examples.
  mutating func join(_ group: ProcessGroup) throws {
    guard group.world > 1 else { return }
    right = try group.sum(right.map { $0 ? 1 : 0 }).map { $0 > 0 }
  }

  /// The accuracy by what the task tells apart, and by length where lengths differ; nil when the split
  /// has none of these.
  ///
  /// - Throws: `checksumMismatch` when an example is damaged.
  func strata() throws -> [Stratum]? {
    var groups: [(by: String, values: [Int?], width: Int)] = try split.task.strata.map { rule in
      (rule.name, try (0..<split.count).map { try rule.value(split, $0) }, 1)
    }
    groups.removeAll { $0.values.allSatisfy { $0 == nil } }
    if let least = split.lengths.min(), let most = split.lengths.max(), least < most {
      let width = RightPredictions.roundWidth(Int(most) / 4)
      groups.append(("length", split.lengths.map { Int($0) }, width))
    }
    let all = groups.flatMap { strata(by: $0.by, $0.values, width: $0.width) }
    return all.isEmpty ? nil : all
  }

  /// Counts in ranges of a width: 1...width, width + 1...2 width and so on.
  private func strata(by name: String, _ values: [Int?], width: Int) -> [Stratum] {
    var counts: [Int: Accuracy] = [:]
    for (position, value) in values.enumerated() {
      guard let value else { continue }
      let bin = width == 1 ? value : (value + width - 1) / width
      counts[bin, default: Accuracy()].count += 1
      if right[position] { counts[bin, default: Accuracy()].correct += 1 }
    }
    return counts.sorted { $0.key < $1.key }.map { bin, accuracy in
      let interval = accuracy.interval
      return Stratum(
        by: name, from: width == 1 ? bin : (bin - 1) * width + 1, through: bin * width,
        n: accuracy.count, accuracy: accuracy.value,
        ci95: [interval.lowerBound, interval.upperBound])
    }
  }

  /// The next of 1, 2, 5, 10, 20, 50...
  static func roundWidth(_ least: Int) -> Int {
    var power = 1
    while true {
      for digit in [1, 2, 5] where digit * power >= least { return digit * power }
      power *= 10
    }
  }
}
