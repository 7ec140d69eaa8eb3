/// A rule that looks at one whole number of an example, such as its ink.
///
/// With two classes: a threshold. Of all cuts between neighbouring values, and of both directions, the one
/// that gets most training examples right; the lowest cut of several, the smaller class below it first.
/// With more classes: the class whose mean is nearest; the smallest class of several.
struct ScalarRule: Sendable {
  private enum Rule: Sendable {
    /// The class of values up to the limit, and that of greater ones.
    case threshold(limit: Int, below: Int32, above: Int32)
    case nearest([(label: Int32, mean: Double)])
  }

  private let rule: Rule

  /// Fits the rule.
  ///
  /// - Parameter examples: value and class of every training example.
  init(_ examples: [(value: Int, label: Int32)]) {
    let labels = Set(examples.map(\.label)).sorted()
    if labels.count == 2 {
      rule = ScalarRule.threshold(examples, labels[0], labels[1])
    } else {
      rule = .nearest(
        labels.map { label in
          let values = examples.filter { $0.label == label }.map(\.value)
          return (label, Double(values.reduce(0, +)) / Double(values.count))
        })
    }
  }

  private static func threshold(
    _ examples: [(value: Int, label: Int32)], _ small: Int32, _ large: Int32
  ) -> Rule {
    let sorted = examples.sorted { $0.value < $1.value }
    let smalls = sorted.count { $0.label == small }
    var seen = (small: 0, large: 0)
    var best = (right: -1, rule: Rule.threshold(limit: 0, below: small, above: large))
    for (index, example) in sorted.enumerated() {
      if example.label == small { seen.small += 1 } else { seen.large += 1 }
      if index + 1 < sorted.count && sorted[index + 1].value == example.value { continue }
      // Values up to this one are of one class, greater ones of the other.
      let right = seen.small + (sorted.count - smalls - seen.large)
      if right > best.right {
        best = (right, .threshold(limit: example.value, below: small, above: large))
      }
      if sorted.count - right > best.right {
        best = (
          sorted.count - right, .threshold(limit: example.value, below: large, above: small)
        )
      }
    }
    return best.rule
  }

  /// The class that it gives; -1 when it has seen none.
  func label(of value: Int) -> Int32 {
    switch rule {
    case .threshold(let limit, let below, let above): return value <= limit ? below : above
    case .nearest(let means):
      var best: (label: Int32, distance: Double) = (-1, .infinity)
      for (label, mean) in means where abs(Double(value) - mean) < best.distance {
        best = (label, abs(Double(value) - mean))
      }
      return best.label
    }
  }
}
