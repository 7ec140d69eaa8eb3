import Foundation
import Tensors
import Testing

@testable import Attention

@Suite struct InformerTests {
  private func informer(_ factor: Int, maxLength: Int = 40) throws -> Informer {
    var model = ModelConfiguration()
    (model.embDim, model.qkvDim, model.numHeads, model.maxLength) = (8, 8, 2, maxLength)
    return try Informer(.init(factor: factor), model, key: RandomKey(seed: 0))
  }

  /// One head of one row in plain numbers: [n, E].
  private func reference(
    _ q: [Double], _ k: [Double], _ v: [Double], sampled: [[Int]], most: Int
  ) -> [Double] {
    let n = q.count / 4
    func dot(_ i: Int, _ j: Int) -> Double {
      (0..<4).map { q[i * 4 + $0] * k[j * 4 + $0] }.reduce(0, +)
    }
    let sharp = (0..<n).map { i -> Double in
      let logits = sampled[i].map { dot(i, $0) }
      return (logits.max() ?? 0) - logits.reduce(0, +) / Double(logits.count)
    }
    let chosen = Set((0..<n).sorted { sharp[$0] > sharp[$1] }.prefix(most))
    return (0..<n).flatMap { i -> [Double] in
      let weights = (0..<n).map { chosen.contains(i) ? exp(dot(i, $0) / 2) : 1 }
      let total = weights.reduce(0, +)
      return (0..<4).map { c in
        (0..<n).map { weights[$0] * v[$0 * 4 + c] }.reduce(0, +) / total
      }
    }
  }

  @Test("it equals its definition in plain numbers", arguments: [1, 3, 17, 40])
  func definition(length: Int) throws {
    let mixer = try informer(2)  // 2 ceil(ln 40) = 8 queries
    #expect(mixer.count == 8)
    let lengths = [length, (length + 1) / 2]
    let x = try (0..<3).map {
      try Tensor.normal([2, 2, length, 4], key: RandomKey(seed: $0)).to(.float64)
    }
    let table = lengths.map { n in (0..<length).map { t in (0..<8).map { (t * 3 + $0 * 5) % n } } }
    let flat = table.joined().joined().map { Int64($0) }
    let found = try mixer.attend(
      x[0], x[1], x[2], Inputs.context(lengths, length),
      sampled: .from(Array(flat), [2, length, 8]), layer: 0)
    for row in 0..<2 {
      for head in 0..<2 {
        let part = { (t: Tensor) in
          try t.select(row, 0).select(head, 0).slice(0..<lengths[row], 0).doubles()
        }
        let expected = try reference(
          part(x[0]), part(x[1]), part(x[2]), sampled: table[row], most: 8)
        #expect(difference(try part(found), expected) < 1e-10)
      }
    }
  }

  @Test("hidden positions are not sampled, not chosen, not attended and not in the mean")
  func hidden() throws {
    let mixer = try informer(1)  // 4 queries
    let shown = [1, 2, 5, 6, 7, 9, 12]
    let flags = (0..<13).map { !shown.contains($0) }
    let context = try Context(
      lengths: [13], length: 13, examples: [0], key: RandomKey(seed: 3), training: false,
      hidden: .from(flags, [1, 13]))
    let x = try Tensor.normal([1, 13, 8], key: RandomKey(seed: 4))
    let found = try mixer(x, context, layer: 0)
    let numbers = try mixer.samples.value.floats()  // [40, U]
    let sampled = shown.map { t in
      (0..<mixer.count).map { min(6, Int(numbers[t * mixer.count + $0] * 7)) }
    }
    let (q, k, v) = try mixer.heads.split(x)
    let places = try Tensor.from(shown.map(Int64.init), [shown.count])
    let heads = try (0..<2).map { head in
      let part = { (t: Tensor) in try t.select(0, 0).select(head, 0).picked(places, 0).doubles() }
      return try reference(part(q), part(k), part(v), sampled: sampled, most: mixer.count)
    }  // [7, 4] each
    let rows = (0..<7).flatMap { t in heads.flatMap { $0[(t * 4)..<(t * 4 + 4)] } }
    let out = try Tensor.from(rows, [1, 7, 8]).to(.float32)
      .linear(mixer.heads.out.weight.value, mixer.heads.out.bias?.value)
    #expect(difference(try found.picked(places, 1).doubles(), try out.doubles()) < 1e-5)
  }

  @Test("with as many queries as tokens it is full attention, in outputs and gradients")
  func full() throws {
    let mixer = try informer(8)
    let lengths = [13, 8]
    let context = try Inputs.context(lengths, 13)
    let sampled = try Tensor.zeros([2, 13, 4], .int64)
    try expectSame(
      Inputs.queriesKeysValues([2, 2, 13, 4]).reversed(), lengths: lengths, "",
      { try mixer.attend($0[2], $0[1], $0[0], context, sampled: sampled, layer: 0) },
      { try denseAttention($0[2], $0[1], $0[0], lengths: lengths) { _, _, _ in true } })
  }

  @Test("sampled keys are real, new in training by step and example, fixed in evaluation")
  func sampling() throws {
    let mixer = try informer(1)
    let x = try Tensor.normal([2, 40, 8], key: RandomKey(seed: 5))
    let run = { (training: Bool, examples: [Int]) in
      try mixer(x, Inputs.context([40, 40], 40, training: training, examples: examples), layer: 0)
        .floats()
    }
    #expect(try run(false, [0, 1]) == run(false, [7, 8]))
    let (one, other) = (try run(true, [3, 5]), try run(true, [3, 6]))
    #expect(one[..<320] == other[..<320] && one[320...] != other[320...])
  }

  @Test("a factor of 0 is refused")
  func badConfiguration() {
    #expect(throws: AttentionError.self) { try informer(0) }
  }
}
