import Foundation
import Tensors
import Testing

@testable import Attention

@Suite struct LinformerTests {
  private func model(maxLength: Int) -> ModelConfiguration {
    var model = ModelConfiguration()
    (model.embDim, model.qkvDim, model.numHeads) = (16, 16, 2)
    model.maxLength = maxLength
    model.attention = ["low_rank_features": .integer(maxLength)]
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

  @Test("k below 1 and an unknown key are refused")
  func badConfiguration() {
    var configuration = model(maxLength: 8)
    configuration.modelType = "linformer"
    configuration.attention = ["low_rank_features": .integer(0)]
    #expect(throws: AttentionError.self) {
      try Classifier(configuration, key: RandomKey(seed: 0))
    }
    configuration.attention = ["k": .integer(4)]
    #expect(throws: AttentionError.self) { try Classifier.check(configuration) }
    configuration.attention = [:]
    configuration.causal = true
    #expect(throws: AttentionError.self) { try Classifier.check(configuration) }
  }
}
