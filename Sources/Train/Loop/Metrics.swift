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
  public var interval: ClosedRange<Double> { Accuracy.interval(of: value, count: count) }

  /// The 95 % interval of a share of `count` predictions (Wilson 1927), 0...1 without predictions.
  ///
  /// - Parameter share: 0...1; a mean over runs on the same examples need not be a multiple of
  ///   1 / `count`.
  public static func interval(of share: Double, count: Int) -> ClosedRange<Double> {
    guard count > 0 else { return 0...1 }
    let z = 1.959_963_984_540_054  // the 97.5 % point of the normal distribution
    let n = Double(count)
    let middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    let half =
      z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)).squareRoot()
    return max(0, middle - half)...min(1, middle + half)
  }

  /// Counts the right ones among predicted and true classes.
  public init(predicted: [Int32], labels: [Int32]) {
    count = min(predicted.count, labels.count)
    correct = zip(predicted, labels).reduce(0) { $0 + ($1.0 == $1.1 ? 1 : 0) }
  }
}
