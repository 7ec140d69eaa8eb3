import Foundation
import Tensors
import Testing

@testable import Attention

@Suite("the required attention span")
struct AttentionSpanTests {
  /// The span of queries and keys [1, H, L, E] of rows of these lengths.
  private func span(
    _ q: Tensor, _ k: Tensor, lengths: [Int], scale: Double = 1, causal: Bool = false
  ) throws -> AttentionSpan {
    let span = AttentionSpan()
    try span.add(
      q, k, scale: scale, causal: causal, Inputs.context(lengths, q.size(2)), layer: 0)
    return span
  }

  @Test("equal logits look as far as uniform attention does", arguments: [1, 2, 7, 300, 2500])
  func uniform(length: Int) throws {
    let zeros = try Tensor.zeros([1, 2, length, 4], .float64)
    let both = try span(zeros, zeros, lengths: [length])
    let n = Double(length)
    let expected = (n * n - 1) / (3 * n)
    #expect(both.layers[0].allSatisfy { abs($0 - expected) <= 1e-12 * n })
    #expect(abs(both.uniform - expected) <= 1e-12 * n)
    let left = try span(zeros, zeros, lengths: [length], causal: true)
    #expect(left.layers[0].allSatisfy { abs($0 - (n - 1) / 4) <= 1e-12 * n })
    #expect(left.uniform == (n - 1) / 4)
  }

  @Test(
    "a head that looks s tokens away has the span s, away from the edges", arguments: [0, 1, 5])
  func shift(by s: Int) throws {
    let (length, far) = (40, 60.0)
    // Query i meets key j with -far (i - j - s)², from [2 i', 1] . [j, -j²] and terms of i alone.
    let places = (0..<length).map(Double.init)
    let q = try Tensor.from(
      places.flatMap { [2 * ($0 - Double(s)), 1] }, [1, 1, length, 2])
    let k = try Tensor.from(places.flatMap { [$0, -$0 * $0] }, [1, 1, length, 2])
    let found = try span(q, k, lengths: [length], scale: far)
    // The first s queries find no key at i - s and look at key 0.
    let edge = (0..<s).reduce(0, +)
    #expect(
      abs(found.layers[0][0] - Double(edge + (length - s) * s) / Double(length)) < 1e-9)
  }

  @Test("dense weights give the same, rows of unequal length and tiles included")
  func dense() throws {
    let (length, lengths) = (300, [300, 1, 173])
    let q = try Inputs.fill([3, 2, length, 8], 0.7, 0.1)
    let k = try Inputs.fill([3, 2, length, 8], 1.3, 0.2)
    let (qs, ks) = (try q.doubles(), try k.doubles())
    for causal in [false, true] {
      var expected = [0.0, 0.0]
      for (row, n) in lengths.enumerated() {
        for head in 0..<2 {
          func at(_ x: [Double], _ i: Int, _ e: Int) -> Double {
            x[((row * 2 + head) * length + i) * 8 + e]
          }
          var sum = 0.0
          for i in 0..<n {
            let keys = 0..<(causal ? i + 1 : n)
            let weights = keys.map { j in
              exp((0..<8).reduce(0.0) { $0 + at(qs, i, $1) * at(ks, j, $1) } * 0.35)
            }
            let total = weights.reduce(0, +)
            sum += keys.reduce(0.0) { $0 + weights[$1] / total * Double(abs(i - $1)) }
          }
          expected[head] += sum / Double(n) / Double(lengths.count)
        }
      }
      let found = try span(q, k, lengths: lengths, scale: 0.35, causal: causal)
      #expect(found.sequences == 3)
      for head in 0..<2 { #expect(abs(found.layers[0][head] - expected[head]) < 1e-10) }
    }
  }

  @Test("a pass measures every layer and changes no output")
  func pass() throws {
    var model = ModelConfiguration()
    model.vocabularySize = 16
    model.numClasses = 10
    model.maxLength = 12
    (model.embDim, model.qkvDim, model.mlpDim, model.numHeads, model.numLayers) = (8, 8, 8, 2, 3)
    let classifier = try Classifier(model, key: RandomKey(seed: 1))
    let ids = try Tensor.from((0..<24).map { Int64($0 % 15 + 1) }, [2, 12])
    let context = try Inputs.context([12, 7], 12)
    let plain = try classifier(ids, context).floats()
    let measured = try Inputs.context([12, 7], 12)
    let span = AttentionSpan()
    measured.span = span
    #expect(try classifier(ids, measured).floats() == plain)
    #expect(span.layers.map(\.count) == [2, 2, 2] && span.sequences == 2)
    #expect(span.layers.joined().allSatisfy { $0 > 0 && $0 < 11 })
    #expect(abs(span.uniform - (143.0 / 36 + 48.0 / 21) / 2) < 1e-12)
  }
}
