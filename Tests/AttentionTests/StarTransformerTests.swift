import Foundation
import Tensors
import Testing

@testable import Attention

@Suite struct StarTransformerTests {
  private func star(steps: Int, layerNorm: Bool = false, heads: Int = 1) throws -> StarTransformer {
    var model = ModelConfiguration()
    (model.embDim, model.qkvDim, model.numHeads, model.numLayers) = (4, 4, heads, steps)
    (model.qkvBias, model.maxLength) = (false, 20)
    let star = try StarTransformer(.init(layerNorm: layerNorm), model, key: RandomKey(seed: 0))
    for named in star.parameters { try named.parameter.convert(to: .float64) }
    return star
  }

  /// One head in plain numbers: a query over a list of vectors.
  private func attend(_ heads: Heads, _ query: [Double], _ keys: [[Double]]) throws -> [Double] {
    let weight = { (linear: Linear, x: [Double]) in
      let w = try linear.weight.value.doubles()
      return (0..<4).map { o in (0..<4).map { w[o * 4 + $0] * x[$0] }.reduce(0, +) }
    }
    let q = try weight(heads.query, query)
    let scores = try keys.map { key in
      exp(zip(q, try weight(heads.key, key)).map { $0 * $1 }.reduce(0, +) / 2)
    }
    var sum = [Double](repeating: 0, count: 4)
    for (score, key) in zip(scores, keys) {
      let value = try weight(heads.value, key)
      for c in 0..<4 { sum[c] += score / scores.reduce(0, +) * value[c] }
    }
    return try weight(heads.out, sum).map { $0 > 0 ? $0 : 0.01 * $0 }
  }

  @Test("tokens and relay equal the algorithm in plain numbers", arguments: [1, 2, 7])
  func definition(length: Int) throws {
    let mixer = try star(steps: 2)
    let half = (length + 2) / 2
    let some = (0..<length).filter { $0 % 3 != 1 }
    for shown in [Array(0..<length), Array(0..<min(half, length)), some] {
      let x = try Inputs.fill([1, length, 4], 0.7, 0.1)
      let flags = (0..<length).map { !shown.contains($0) }
      let context = try Context(
        lengths: [length], length: length, examples: [0], key: RandomKey(seed: 3),
        training: false, hidden: .from(flags, [1, length]))
      let (nodes, relay) = try mixer.run(x, context)
      let flat = try x.doubles()
      let zero = [Double](repeating: 0, count: 4)
      let embedded = (0..<length).map { flags[$0] ? zero : Array(flat[($0 * 4)..<($0 * 4 + 4)]) }
      var h = embedded
      var s = (0..<4).map { c in embedded.map { $0[c] }.reduce(0, +) / Double(shown.count) }
      for step in mixer.steps {
        let old = [zero] + h + [zero]
        for i in shown {
          h[i] = try attend(
            step.satellite, old[i + 1], [old[i], old[i + 1], old[i + 2], embedded[i], s])
        }
        s = try attend(step.relay, s, [s] + shown.map { h[$0] })
      }
      #expect(difference(try nodes.doubles() + relay.doubles(), h.flatMap { $0 } + s) < 1e-10)
    }
  }

  @Test("it agrees with golden group `star`")
  func golden() throws {
    let mixer = try star(steps: 2)
    let identity = try Tensor.from((0..<16).map { $0 / 4 == $0 % 4 ? 1.0 : 0 }, [4, 4])
    for step in mixer.steps {
      for (heads, weight) in [
        (step.satellite, try Inputs.fill([4, 4], 0.31, 0.1)),
        (step.relay, try Inputs.fill([4, 4], 0.41, 0.2)),
      ] {
        for linear in [heads.query, heads.key, heads.value] {
          // The file multiplies from the right.
          try withoutGradient { try linear.weight.value.copy(from: weight.transposed(0, 1)) }
        }
        try withoutGradient { try heads.out.weight.value.copy(from: identity) }
      }
    }
    let x = try Inputs.fill([1, 6, 4], 0.7, 0.1)
    let (nodes, relay) = try mixer.run(x, Inputs.context([4], 6))
    let golden = try Golden("star")
    try golden.expect("nodes", nodes)
    try golden.expect("relay", relay)
  }

  @Test("in one step a token reaches far ones only through the relay")
  func reach() throws {
    let mixer = try star(steps: 1)
    let x = try Inputs.fill([1, 9, 4], 0.7, 0.1)
    let before = try mixer.run(x, Inputs.context([9], 9)).0.doubles()
    let other = try Tensor.concatenated([x.slice(0..<1, 1) * 3, x.slice(1..<9, 1)], 1)
    let after = try mixer.run(other, Inputs.context([9], 9)).0.doubles()
    // The first relay is the mean, so far tokens move, by less than neighbours.
    let moved = (0..<9).map { (t: Int) -> Double in
      let range = (t * 4)..<(t * 4 + 4)
      return difference(Array(after[range]), Array(before[range]))
    }
    #expect(moved[1] > 0 && moved[6] > 0 && moved[6] < moved[0])
  }
}
