/// How many predictions of a split are right, with its 95 % interval.
public struct Accuracy: Codable, Sendable, Equatable {
  /// Right predictions.
  public var correct: Int
  /// All predictions.
  public var count: Int

  /// Makes a count.
  public init(correct: Int = 0, count: Int = 0) {
    self.correct = correct
    self.count = count
  }

  /// The share of right predictions, 0...1; 0 without predictions.
  public var value: Double { count > 0 ? Double(correct) / Double(count) : 0 }

  /// The 95 % interval of the share (Wilson 1927), 0...1 without predictions.
  public var interval: ClosedRange<Double> {
    guard count > 0 else { return 0...1 }
    let z = 1.959_963_984_540_054  // the 97.5 % point of the normal distribution
    let n = Double(count)
    let middle = (value + z * z / (2 * n)) / (1 + z * z / n)
    let half =
      z / (1 + z * z / n) * (value * (1 - value) / n + z * z / (4 * n * n)).squareRoot()
    return max(0, middle - half)...min(1, middle + half)
  }

  /// Counts the right ones among predicted and true classes.
  public init(predicted: [Int32], labels: [Int32]) {
    count = min(predicted.count, labels.count)
    correct = zip(predicted, labels).reduce(0) { $0 + ($1.0 == $1.1 ? 1 : 0) }
  }
}

/// What trivial rules, learned on the training split, reach on another split.
public struct Baselines: Codable, Sendable, Equatable {
  /// Always the most frequent class.
  public let majority: Accuracy
  /// The most frequent class of the first token (for ListOps the outermost operator); nil when no
  /// first tokens are given.
  public let firstToken: Accuracy?

  /// Counts labels and first tokens; ties go to the smaller class, unseen tokens to the majority.
  ///
  /// - Parameters:
  ///   - trainLabels: classes of the training split, -1 for none.
  ///   - trainFirst: first stored symbols of the training split, nil to leave the rule out.
  public init(
    trainLabels: [Int32], trainFirst: [UInt8]? = nil, labels: [Int32], first: [UInt8]? = nil
  ) {
    let common = Baselines.mostFrequent(trainLabels)
    majority = Accuracy(
      predicted: [Int32](repeating: common, count: labels.count), labels: labels)
    guard let trainFirst, let first else {
      firstToken = nil
      return
    }
    var byToken = [[Int32]](repeating: [], count: 256)
    for (token, label) in zip(trainFirst, trainLabels) { byToken[Int(token)].append(label) }
    let rule = byToken.map { $0.isEmpty ? common : Baselines.mostFrequent($0) }
    firstToken = Accuracy(predicted: first.map { rule[Int($0)] }, labels: labels)
  }

  /// Reads what the rules need from two splits.
  ///
  /// - Parameter firstTokens: whether to read the first tokens, which reads and checks every
  ///   example.
  /// - Throws: what the sources throw.
  public init(
    train: some ExampleSource, split: some ExampleSource, firstTokens: Bool
  ) throws {
    self.init(
      trainLabels: train.labels, trainFirst: firstTokens ? try Baselines.first(of: train) : nil,
      labels: split.labels, first: firstTokens ? try Baselines.first(of: split) : nil)
  }

  private static func first(of source: some ExampleSource) throws -> [UInt8] {
    try (0..<source.count).map { try source.withSymbols(at: $0) { $0.first ?? 0 } }
  }

  private static func mostFrequent(_ labels: [Int32]) -> Int32 {
    var counts: [Int32: Int] = [:]
    for label in labels where label >= 0 { counts[label, default: 0] += 1 }
    return counts.max { ($0.value, -$0.key) < ($1.value, -$1.key) }?.key ?? 0
  }
}
