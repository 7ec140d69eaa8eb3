/// The rules that need no model, fitted on one split.
///
/// Most published ListOps accuracies are those of the majority class or of the first token, so every
/// accuracy stands beside these.
public struct Baselines: Sendable {
  private let keys: [BaselineRule]
  private let tables: [[Int: Int32]]
  private let majority: Int32

  /// Fits the rules on the examples of a split.
  ///
  /// - Throws: `checksumMismatch` when an example is damaged.
  public init(_ reader: SplitReader) throws {
    let keys = [BaselineRule("majority") { _ in 0 }] + reader.task.rules
    var counts = [[Int: [Int32: Int]]](repeating: [:], count: keys.count)
    try Baselines.forEach(reader, needsSymbols: keys.count > 1) { label, symbols in
      guard label >= 0 else { return }  // unlabelled
      for (number, rule) in keys.enumerated() {
        counts[number][rule.key(symbols), default: [:]][label, default: 0] += 1
      }
    }
    self.keys = keys
    tables = counts.map { $0.mapValues(Baselines.mostFrequent) }
    majority = tables.first?[0] ?? -1
  }

  /// The share of a split's examples that each rule gets right; the simplest rule first.
  ///
  /// - Parameter positions: the examples that count; nil for all.
  /// - Throws: `checksumMismatch` when an example is damaged.
  public func measure(
    on reader: SplitReader, at positions: [Int]? = nil
  ) throws -> [DatasetStatistics.Baseline] {
    var right = [Int](repeating: 0, count: keys.count)
    let count = positions?.count ?? reader.count
    try Baselines.forEach(reader, at: positions, needsSymbols: keys.count > 1) { label, symbols in
      for number in keys.indices where isRight(number, label, symbols) { right[number] += 1 }
    }
    return zip(keys, right).map { rule, right in
      .init(name: rule.name, accuracy: Double(right) / Double(max(1, count)))
    }
  }

  /// Which of a split's examples a rule gets right; nil for a rule that the task does not have.
  ///
  /// - Parameter name: `majority`, or one of the task's rules.
  /// - Throws: `checksumMismatch` when an example is damaged.
  public func rightPredictions(of name: String, on reader: SplitReader) throws -> [Bool]? {
    guard let number = keys.firstIndex(where: { $0.name == name }) else { return nil }
    var right: [Bool] = []
    right.reserveCapacity(reader.count)
    try Baselines.forEach(reader, needsSymbols: keys.count > 1) { label, symbols in
      right.append(isRight(number, label, symbols))
    }
    return right
  }

  private func isRight(_ number: Int, _ label: Int32, _ symbols: UnsafeBufferPointer<UInt8>)
    -> Bool
  {
    (tables[number][keys[number].key(symbols)] ?? majority) == label
  }

  /// Gives every label, with its symbols when a rule looks at them: images are costly to decode.
  private static func forEach(
    _ reader: SplitReader, at positions: [Int]? = nil, needsSymbols: Bool,
    _ body: (Int32, UnsafeBufferPointer<UInt8>) -> Void
  ) throws {
    for position in positions ?? Array(0..<reader.count) {
      let label = reader.labels[position]
      if needsSymbols {
        try reader.withSymbols(at: position) { body(label, $0) }
      } else {
        body(label, UnsafeBufferPointer(start: nil, count: 0))
      }
    }
  }

  /// The most frequent class; the smallest one of several.
  private static func mostFrequent(_ counts: [Int32: Int]) -> Int32 {
    counts.max { ($0.value, -$0.key) < ($1.value, -$1.key) }?.key ?? -1
  }
}
