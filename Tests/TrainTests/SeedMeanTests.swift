import Foundation
import Testing

@testable import Train

@Suite("means over seeds")
struct SeedMeanTests {
  /// Wilson's bounds as the roots of (p - x)² = z² x (1 - x) / n, found by halving.
  private func wilson(_ p: Double, _ n: Double) -> (Double, Double) {
    let z = 1.959963984540054
    func outside(_ x: Double) -> Bool { (p - x) * (p - x) > z * z * x * (1 - x) / n }
    func root(_ far: Double) -> Double {
      var (out, inside) = (far, p)
      for _ in 0..<200 {
        let middle = (out + inside) / 2
        if outside(middle) { out = middle } else { inside = middle }
      }
      return (out + inside) / 2
    }
    return (root(0), root(1))
  }

  /// The 97.5 % point of Student's distribution, by adding up its density in small steps.
  private func student(_ freedom: Double) -> Double {
    let scale =
      exp(lgamma((freedom + 1) / 2) - lgamma(freedom / 2)) / (freedom * Double.pi).squareRoot()
    var (area, t) = (0.5, 0.0)
    let step = 1e-5
    while area < 0.975 {
      let middle = t + step / 2
      area += scale * pow(1 + middle * middle / freedom, -(freedom + 1) / 2) * step
      t += step
    }
    return t
  }

  @Test("Student's points are those of the density", arguments: [1, 2, 3, 4, 9, 29])
  func points(freedom: Int) {
    #expect(abs(studentT(freedom: freedom) - student(Double(freedom))) < 1e-4)
  }

  @Test("Student's points are those of the tables and go to the normal one")
  func table() {
    for (freedom, point) in [(1, 12.706), (2, 4.303), (4, 2.776), (999, 1.962)] {
      #expect(abs(studentT(freedom: freedom) - point) < 5e-4)
    }
  }

  @Test(
    "interval and difference are those of a computation by hand",
    arguments: [[0.371, 0.382, 0.365], [0.5, 0.52], [0.9, 0.91, 0.905, 0.899, 0.93]])
  func naive(accuracies: [Double]) {
    let s = Double(accuracies.count)
    let m = accuracies.reduce(0, +) / s
    let deviation = (accuracies.map { ($0 - m) * ($0 - m) }.reduce(0, +) / (s - 1)).squareRoot()
    let t = student(s - 1)
    let (low, high) = wilson(m, 2000)
    let mean = SeedMean(accuracies, examples: 2000)
    #expect(abs(mean.mean - m) < 1e-12 && abs((mean.deviation ?? 0) - deviation) < 1e-12)
    let seed = t * t * deviation * deviation / s
    let below = m - ((m - low) * (m - low) + seed).squareRoot()
    let above = m + ((high - m) * (high - m) + seed).squareRoot()
    #expect(abs(mean.interval.lowerBound - max(0, below)) < 1e-5)
    #expect(abs(mean.interval.upperBound - min(1, above)) < 1e-5)
    let (v, w) = wilson(0.4, 1984)
    let found = mean.difference(from: 0.4, examples: 1984, runs: 3)
    let both = t * t * deviation * deviation * (1 / s + 1 / 3.0)
    let down = ((m - low) * (m - low) + (w - 0.4) * (w - 0.4) + both).squareRoot()
    let up = ((high - m) * (high - m) + (0.4 - v) * (0.4 - v) + both).squareRoot()
    #expect(abs(found.value - (m - 0.4)) < 1e-12)
    #expect(abs(found.interval.lowerBound - (m - 0.4 - down)) < 1e-5)
    #expect(abs(found.interval.upperBound - (m - 0.4 + up)) < 1e-5)
  }

  @Test("one seed has Wilson's interval alone and no deviation")
  func oneSeed() {
    let mean = SeedMean([0.4], examples: 250)
    #expect(mean.deviation == nil)
    #expect(mean.interval == Accuracy(correct: 100, count: 250).interval)
  }

  @Test("equal accuracies of many seeds are no surer than one: they share the test examples")
  func sharedExamples() {
    let many = SeedMean([Double](repeating: 0.4, count: 10), examples: 250).interval
    let one = SeedMean([0.4], examples: 250).interval
    #expect(abs(many.lowerBound - one.lowerBound) < 1e-12)
    #expect(abs(many.upperBound - one.upperBound) < 1e-12)
  }

  @Test("no interval of a difference goes beyond what is possible")
  func possible() {
    let found = SeedMean([0.1, 0.9], examples: 100).difference(from: 0.4, examples: 100, runs: 1)
    #expect(found.interval == -0.4...0.6)
  }

  @Test("the interval covers the true accuracy about 95 times in 100")
  func coverage() {
    // True accuracies of seeds deviate by 0.01 around 0.6; 400 examples, three seeds that share them.
    var generator = SplitMix(state: 7)
    func normal() -> Double {
      (-2 * log(1 - generator.unit())).squareRoot() * cos(2 * .pi * generator.unit())
    }
    var covered = 0
    for _ in 0..<2000 {
      // The shared examples move all seeds together.
      let shared = normal() * (0.6 * 0.4 / 400).squareRoot()
      let accuracies = (0..<3).map { _ in 0.6 + shared + 0.01 * normal() }
      if SeedMean(accuracies, examples: 400).interval.contains(0.6) { covered += 1 }
    }
    #expect((1890...1990).contains(covered), "\(covered)")
  }
}

/// Numbers for a test that needs the same ones every time.
private struct SplitMix {
  var state: UInt64
  mutating func unit() -> Double {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return Double((z ^ (z >> 31)) >> 11) * 0x1p-53
  }
}
