import Foundation
import Tensors
import Testing

@testable import Attention

@Suite struct LinformerTests {
  private func model(maxLength: Int) -> ModelConfiguration {
    var model = ModelConfiguration()
    (model.embDim, model.qkvDim, model.numHeads) = (16, 16, 2)
    model.maxLength = maxLength
    model.mixer = ["low_rank_features": .integer(maxLength)]
    return model
  }

  @Test(
    "with k = L and the identity as projection it is full attention", arguments: [1, 7, 64, 129])
  func identityProjection(length: Int) throws {
    let key = RandomKey(seed: 1)
    let linformer = try Linformer(
      .init(lowRankFeatures: length), model(maxLength: length), key: key)
    let full = try Softmax(.init(), model(maxLength: length), key: key)
    let identity = (0..<(length * length)).map { Float($0 / length == $0 % length ? 1 : 0) }
    try linformer.projection.value.copy(from: .from(identity, [length, length]))
    let values = (0..<(2 * length * 16)).map { Float(sin(0.7 * Double($0 + 1) + 0.1)) }
    let x = try Tensor.from(values, [2, length, 16])
    let context = try Context(
      lengths: [length, length], length: length, examples: [0, 1], key: key, training: false)
    let found = try linformer(x, context, layer: 0).doubles()
    let expected = try full(x, context, layer: 0).doubles()
    #expect(zip(found, expected).allSatisfy { abs($0 - $1) < 1e-5 })
  }

  @Test(
    "outputs and gradients equal the definition, the projection one token after the other",
    arguments: [1, 6, 17])
  func definition(length: Int) throws {
    let mixer = try Linformer(
      .init(lowRankFeatures: 5), model(maxLength: 20), key: RandomKey(seed: 1))
    for named in mixer.parameters { try named.parameter.convert(to: .float64) }
    let lengths = [length, (length + 1) / 2]
    let split = { (linear: Linear, x: Tensor) in
      try linear(x).reshaped([2, length, 2, 8]).transposed(1, 2)
    }
    try expectSame(
      [Inputs.fill([2, length, 16], 0.7, 0.1)], lengths: lengths, "",
      { try mixer($0[0], Inputs.context(lengths, length), layer: 0).unsqueezed(1) },
      { x in
        let q = try split(mixer.heads.query, x[0])
        let slots = { (linear: Linear) throws -> Tensor in
          let all = try split(linear, x[0])  // [2, 2, L, 8]
          let rows = try lengths.enumerated().map { row, n -> Tensor in
            var sum = try Tensor.zeros([1, 2, 5, 8], .float64)
            for t in 0..<n {
              let weights = try mixer.projection.value.slice(t..<(t + 1), 1)  // [5, 1]
              let token = try all.slice(row..<(row + 1), 0).slice(t..<(t + 1), 2)
              sum = try sum + weights * token
            }
            return sum
          }
          return try .concatenated(rows, 0)
        }
        let (k, v) = (try slots(mixer.heads.key), try slots(mixer.heads.value))
        let weights = try (q.matmul(k.transposed(2, 3)) * (1 / 8.0.squareRoot())).softmax(-1)
        return try mixer.heads.out(
          weights.matmul(v).transposed(1, 2).reshaped([2, length, 16])
        ).unsqueezed(1)
      })
  }

  @Test("a permutation as projection is full attention too: it puts keys in another order")
  func permutation() throws {
    let key = RandomKey(seed: 1)
    let linformer = try Linformer(.init(lowRankFeatures: 13), model(maxLength: 13), key: key)
    let full = try Softmax(.init(), model(maxLength: 13), key: key)
    let places = (0..<13).map { ($0 * 5 + 3) % 13 }
    let rows = places.flatMap { place in (0..<13).map { Float($0 == place ? 1 : 0) } }
    try linformer.projection.value.copy(from: .from(rows, [13, 13]))
    let x = try Inputs.fill([2, 13, 16], 0.7, 0.1).to(.float32)
    let context = try Inputs.context([13, 13], 13)
    let expected = try full(x, context, layer: 0).doubles()
    #expect(difference(try linformer(x, context, layer: 0).doubles(), expected) < 1e-5)
  }

  @Test("as released, padding is projected like tokens")
  func attendedPadding() throws {
    let mixers = try [true, false].map {
      try Linformer(
        .init(lowRankFeatures: 3, attendedPadding: $0), model(maxLength: 9), key: RandomKey(seed: 1)
      )
    }
    let x = try Inputs.fill([1, 9, 16], 0.7, 0.1).to(.float32)
    let (part, all) = (try Inputs.context([5], 9), try Inputs.context([9], 9))
    let found = try mixers[0](x, part, layer: 0).floats()
    #expect(try found == mixers[0](x, all, layer: 0).floats())
    #expect(try found == mixers[1](x, all, layer: 0).floats())
    #expect(try found != mixers[1](x, part, layer: 0).floats())
  }

  @Test("layers that share a projection have one in the checkpoint and add up its gradient")
  func shared() throws {
    var configuration = model(maxLength: 9)
    (configuration.modelType, configuration.embDim) = ("linformer", 16)
    let build = { (shared: Bool, recompute: Bool) in
      configuration.recompute = recompute
      configuration.mixer = [
        "low_rank_features": .integer(4), "per_head": .bool(true),
        "shared_by_layers": .bool(shared),
      ]
      return try StandardEncoder(configuration, key: RandomKey(seed: 1))
    }
    let named = { (encoder: StandardEncoder) in
      encoder.parameters.filter { $0.name.hasSuffix("linformer.projection") }
    }
    let ids = try Tensor.from([3, 1, 4, 1, 5, 9, 2, 0, 0].map { Int64($0) }, [1, 9])
    for recompute in [false, true] {
      let (one, two) = (try build(true, recompute), try build(false, recompute))
      #expect(named(one).map(\.name) == ["blocks.0.attn.linformer.projection"])
      #expect(named(one)[0].parameter.value.shape == [2, 4, 9])
      #expect(named(two).count == 2)
      try withoutGradient {
        try named(two)[1].parameter.value.copy(from: named(two)[0].parameter.value)
      }
      var results: [[Double]] = []
      for encoder in [one, two] {
        let out = try encoder(ids, Inputs.context([7], 9, training: recompute)).0.slice(0..<7, 1)
        try (out * Inputs.fill([1, 7, 16], 1.3, 0.4).to(.float32)).sum().backward()
        let gradients = try named(encoder).map { try #require($0.parameter.value.gradient) }
        let sum = try gradients.dropFirst().reduce(gradients[0]) { try $0 + $1 }
        results.append(try out.doubles() + sum.doubles())
      }
      #expect(difference(results[0], results[1]) < 1e-5)
      #expect(results[0].suffix(72).contains { abs($0) > 1e-3 })
    }
  }

  @Test("a projection begins with 1/k or 0.02², and stays as it is where it is not trained")
  func beginnings() throws {
    let mixer = { (keys: Linformer.Configuration) in
      try Linformer(keys, self.model(maxLength: 400), key: RandomKey(seed: 1))
    }
    let variance = { (linformer: Linformer) in
      let values = try linformer.projection.value.doubles()
      return values.reduce(0) { $0 + $1 * $1 } / Double(values.count)
    }
    let usual = try mixer(.init(lowRankFeatures: 50))
    #expect(abs(try variance(usual) * 50 - 1) < 0.05)
    let small = try mixer(.init(lowRankFeatures: 50, smallInit: true, untrained: true))
    #expect(abs(try variance(small) / 4e-4 - 1) < 0.05)
    #expect(usual.projection.role == .weight && small.projection.role == .buffer)
  }

  @Test("k below 1 and an unknown key are refused")
  func badConfiguration() {
    var configuration = model(maxLength: 8)
    configuration.modelType = "linformer"
    configuration.mixer = ["low_rank_features": .integer(0)]
    #expect(throws: AttentionError.self) {
      try Classifier(configuration, key: RandomKey(seed: 0))
    }
    configuration.mixer = ["k": .integer(4)]
    #expect(throws: AttentionError.self) { try Classifier.check(configuration) }
    configuration.mixer = [:]
    configuration.causal = true
    #expect(throws: AttentionError.self) { try Classifier.check(configuration) }
  }
}
