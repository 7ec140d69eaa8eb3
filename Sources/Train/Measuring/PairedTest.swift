import Datasets
import Foundation

/// An exact comparison of two predictors on the same examples: McNemar's test.
///
/// Only examples that one of the two gets right count. If neither were better, each of these would be
/// as likely to be the one's as the other's: the two-sided p-value of a binomial distribution.
///
/// McNemar 1947, Psychometrika 12, 153-157; the exact form as in Dietterich 1998 and scipy's
/// `binomtest`.
public struct PairedTest: Codable, Sendable, Equatable {
  /// The other predictor: `first_token`, or the folder of a run.
  public var against: String
  /// Examples that the model alone gets right.
  public var onlyModel: Int
  /// Examples that the other alone gets right.
  public var onlyOther: Int
  /// The two-sided p-value, 0...1.
  public var p: Double

  /// Counts in which examples two predictors differ.
  ///
  /// - Precondition: as many examples of both.
  init(against: String, model: [Bool], other: [Bool]) {
    precondition(model.count == other.count, "both are asked about the same examples")
    let pairs = zip(model, other)
    self.init(
      against: against, onlyModel: pairs.count { $0 && !$1 }, onlyOther: pairs.count { !$0 && $1 })
  }

  /// The test of two counts.
  init(against: String, onlyModel: Int, onlyOther: Int) {
    self.against = against
    self.onlyModel = onlyModel
    self.onlyOther = onlyOther
    p = PairedTest.exact(onlyModel, onlyOther)
  }

  /// The rule that ListOps' accuracies stand beside, by its name in `against`.
  static let firstToken = "first_token"

  /// Twice the chance of at most min(a, b) heads in a + b throws of a fair coin, at most 1.
  ///
  /// The greatest term is a product of ratios beside a power of two, the others follow by their ratios: nothing
  /// overflows, and for 20,000 examples the result is rounded by some 1e-13 of it.
  static func exact(_ a: Int, _ b: Int) -> Double {
    let (n, k) = (a + b, min(a, b))
    var term = 1.0  // C(n, k) / 2^(n + exponent)
    var exponent = -n
    for i in stride(from: 1, through: k, by: 1) {
      term *= Double(n - k + i) / Double(i)
      if term > 0x1p500 {
        term *= 0x1p-500
        exponent += 500
      }
    }
    var ratio = 1.0
    var sum = 1.0
    for i in stride(from: k, to: 0, by: -1) {
      ratio *= Double(i) / Double(n - i + 1)
      sum += ratio
      if ratio < sum * 1e-18 { break }
    }
    return min(1, Double(sign: .plus, exponent: exponent + 1, significand: term * sum))
  }

  /// The p-value as it is printed: `p = 0.031`, `p = 2.1e-09`, `p < 1e-300`.
  public var text: String {
    if p < 1e-300 { return "p < 1e-300" }
    return "p = " + String(format: p < 0.001 ? "%.1e" : "%.3f", p)
  }
}

extension Baselines {
  /// Right predictions on a split against the first-token rule of ListOps; nil for other tasks.
  func pairedTest(_ right: RightPredictions, on split: SplitReader) throws -> PairedTest? {
    try rightPredictions(of: PairedTest.firstToken, on: split).map {
      PairedTest(against: PairedTest.firstToken, model: right.right, other: $0)
    }
  }
}
