import Tensors
import Testing

@testable import Attention

@Suite struct LoopedTransformerTests {
  private func model(_ loops: Int, layers: Int = 2) -> ModelConfiguration {
    var model = ModelConfiguration()
    (model.modelType, model.embDim, model.qkvDim, model.mlpDim) = ("looped", 16, 16, 24)
    (model.numLayers, model.maxLength) = (layers, 30)
    model.mixer = ["loops": .integer(loops)]
    return model
  }

  private let ids = (0..<13).map { Int64(1 + $0 * 4 % 15) }

  @Test("one loop is the standard encoder, bit for bit")
  func oneLoop() throws {
    var standard = model(1)
    (standard.modelType, standard.mixer) = ("transformer", [:])
    let context = try Inputs.context([13], 13)
    let found = try Classifier(model(1), key: RandomKey(seed: 0))(.from(ids, [1, 13]), context)
    let expected = try Classifier(standard, key: RandomKey(seed: 0))(.from(ids, [1, 13]), context)
    #expect(try found.floats() == expected.floats())
  }

  @Test("T loops are T tied layers with the input added before each, bit for bit")
  func tied() throws {
    let encoder = try LoopedTransformer(
      .init(loops: 3), model(3, layers: 1), key: RandomKey(seed: 0))
    let context = try Inputs.context([13], 13)
    let found = try encoder(.from(ids, [1, 13]), context).0
    let x = try encoder.embedding(.from(ids, [1, 13]), context).0
    var z = try encoder.blocks[0](x, context, layer: 0)
    z = try encoder.blocks[0](z + x, context, layer: 1)
    z = try encoder.blocks[0](z + x, context, layer: 2)
    let norm = try #require(encoder.norm)
    #expect(try found.floats() == norm(z, context).floats())
  }

  @Test("the number of parameters does not depend on the number of loops")
  func count() throws {
    let counts = try [1, 7].map {
      try Classifier(model($0), key: RandomKey(seed: 0)).parameters.valueCount
    }
    #expect(counts[0] == counts[1])
  }

  @Test("no loop, an unknown mechanism, and one that cannot be causal are refused")
  func badConfiguration() {
    #expect(throws: AttentionError.self) { try Classifier(model(0), key: RandomKey(seed: 0)) }
    var other = model(2)
    other.mixer["mixer"] = .string("nothing")
    #expect(throws: AttentionError.self) { try Classifier(other, key: RandomKey(seed: 0)) }
    other.mixer["mixer"] = .string("linformer")
    other.causal = true
    #expect(throws: AttentionError.self) { try Classifier(other, key: RandomKey(seed: 0)) }
  }
}
