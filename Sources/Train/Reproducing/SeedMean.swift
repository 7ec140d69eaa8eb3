import Foundation

/// Test accuracies of several seeds on the same examples: their mean with an interval, and how far a
/// published value is from it.
///
/// A mean over seeds is uncertain for two reasons, which are independent. The test examples are a
/// sample: all seeds share them, so more seeds do not help; Wilson's interval [w, W] of the mean as a
/// share of n examples covers that. The seeds are a sample too: t s / √S, with s the deviation of a
/// run, S the number of seeds and t the 97.5 % point of Student's distribution with S - 1 degrees of
/// freedom. The distances to the bounds are combined as squares (the "method of variance estimates
/// recovery", Zou and Donner 2008):
///
///     m - √((m - w)² + (t s / √S)²) … m + √((W - m)² + (t s / √S)²)
///
/// With one seed s is unknown: the interval is Wilson's, and seeds are not covered. s holds a part of
/// the examples' noise already, so the interval is rather too wide than too narrow.
public struct SeedMean: Sendable, Equatable {
  /// Share of right predictions of each seed, at least one.
  public let accuracies: [Double]
  /// Test examples, the same for all.
  public let examples: Int

  /// A mean over at least one seed.
  public init(_ accuracies: [Double], examples: Int) {
    precondition(!accuracies.isEmpty, "a mean needs a value")
    self.accuracies = accuracies
    self.examples = examples
  }

  private var seeds: Double { Double(accuracies.count) }

  /// The mean, 0...1.
  public var mean: Double { accuracies.reduce(0, +) / seeds }

  /// The deviation of one run, with S - 1; nil with one seed.
  public var deviation: Double? {
    guard accuracies.count > 1 else { return nil }
    let squares = accuracies.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    return (squares / (seeds - 1)).squareRoot()
  }

  /// t s; 0 with one seed.
  private var seedBound: Double {
    deviation.map { $0 * studentT(freedom: accuracies.count - 1) } ?? 0
  }

  /// The 95 % interval of the mean, within 0...1.
  public var interval: ClosedRange<Double> {
    let test = Accuracy.interval(of: mean, count: examples)
    let seed = seedBound / seeds.squareRoot()
    let low = max(0, mean - hypot(mean - test.lowerBound, seed))
    return low...min(1, mean + hypot(test.upperBound - mean, seed))
  }

  /// How far the mean is above a published value, with the 95 % interval of that difference.
  ///
  /// Both are measurements. Theirs has Wilson's interval [v, V] of its own test examples; it is a mean
  /// of R runs whose deviation nobody published, so ours stands for it: t s √(1/S + 1/R). For the
  /// difference d of ours m and theirs p:
  ///
  ///     d - √((m - w)² + (V - p)² + (t s)² (1/S + 1/R)) … d + √((W - m)² + (p - v)² + the same)
  ///
  /// and within what is possible, -p … 1 - p. The two test sets count as independent, which is too wide
  /// where they are the same images or reviews. With one seed of ours only the test examples are
  /// covered.
  ///
  /// - Parameters:
  ///   - published: the published share, 0...1.
  ///   - examples: its test examples, at least 1.
  ///   - runs: the runs R that it is the mean of, at least 1.
  public func difference(
    from published: Double, examples: Int, runs: Int
  ) -> (value: Double, interval: ClosedRange<Double>) {
    let ours = Accuracy.interval(of: mean, count: self.examples)
    let theirs = Accuracy.interval(of: published, count: examples)
    let seed = seedBound * (1 / seeds + 1 / Double(runs)).squareRoot()
    let value = mean - published
    let down = hypot(hypot(mean - ours.lowerBound, theirs.upperBound - published), seed)
    let up = hypot(hypot(ours.upperBound - mean, published - theirs.lowerBound), seed)
    return (value, max(-published, value - down)...min(1 - published, value + up))
  }
}

/// The 97.5 % point of Student's distribution: 12.706 with one degree of freedom, 4.303 with two.
///
/// - Parameter freedom: degrees of freedom, at least 1.
func studentT(freedom: Int) -> Double {
  var (low, high) = (1.0, 13.0)
  for _ in 0..<60 {
    let middle = (low + high) / 2
    if studentShare(within: middle, freedom: freedom) < 0.95 { low = middle } else { high = middle }
  }
  return (low + high) / 2
}

/// The probability of |T| < t, by the finite sums of Abramowitz and Stegun, 26.7.3 and 26.7.4.
private func studentShare(within t: Double, freedom: Int) -> Double {
  let angle = atan(t / Double(freedom).squareRoot())
  let square = cos(angle) * cos(angle)
  let isOdd = freedom % 2 == 1
  var term = isOdd ? cos(angle) : 1
  var sum = freedom == 1 ? 0 : term
  for power in stride(from: isOdd ? 3 : 2, to: freedom, by: 2) {
    let step = Double(power)
    term *= (step - 1) / step * square
    sum += term
  }
  return isOdd ? 2 / Double.pi * (angle + sin(angle) * sum) : sin(angle) * sum
}
