import Foundation
import Tensors
import Testing

@testable import Attention

@Suite struct LunaTests {
  private func luna(_ p: Int, tied: Bool = false, layer: Int = 0, heads: Int = 2) throws -> Luna {
    var model = ModelConfiguration()
    (model.embDim, model.qkvDim, model.numHeads, model.layer) = (4 * heads, 4 * heads, heads, layer)
    return try Luna(
      .init(projectedLength: p, tieKeyValue: tied), model, key: RandomKey(seed: layer))
  }

  @Test("it agrees with golden group `luna`: packed memory and what tokens read")
  func golden() throws {
    let golden = try Golden("luna")
    let mixer = try luna(3, heads: 1)
    let (x, c) = (
      try Inputs.fill([1, 1, 12, 4], 0.7, 0.1), try Inputs.fill([1, 1, 12, 4], 1.3, 0.2)
    )
    let p = try Inputs.fill([1, 1, 3, 4], 0.6, 0.8)
    let context = try Inputs.context([12], 12)
    let packed = try mixer.attendPacked(p, c, c, context, layer: 0)
    try golden.expect("packed", packed)
    try golden.expect("y", mixer.attendUnpacked(x, packed, packed, context, layer: 0))
  }

  @Test(
    "packing and reading equal dense attention, in outputs and gradients", arguments: [1, 6, 17])
  func dense(length: Int) throws {
    let mixer = try luna(5)
    let lengths = [length, (length + 1) / 2]
    let context = try Inputs.context(lengths, length)
    let x = try Inputs.queriesKeysValues([2, 2, length, 4])
    let p = try Inputs.fill([2, 2, 5, 4], 0.6, 0.8)
    try expectSame(
      [x[2], x[1], p], lengths: [5, 5], "",
      { try mixer.attendPacked($0[2], $0[1], $0[0], context, layer: 0) },
      { try denseAttention($0[2], $0[1], $0[0], lengths: lengths) { _, _, _ in true } })
    try expectSame(
      [p, x[0]], lengths: lengths, "",
      { try mixer.attendUnpacked($0[1], $0[0], $0[0] * 2, context, layer: 0) },
      { try denseAttention($0[1], $0[0], $0[0] * 2, lengths: [5, 5]) { _, _, _ in true } })
  }

  @Test("the memory goes through the layers: P' = LayerNorm(P + Y_P)", arguments: [false, true])
  func carried(tied: Bool) throws {
    let layers = try [luna(5, tied: tied), luna(5, tied: tied, layer: 1)]
    #expect(layers[1].memory == nil)
    let lengths = [9, 5]
    let context = try Inputs.context(lengths, 9)
    let inputs = try [0.7, 1.9].map { try Inputs.fill([2, 9, 8], $0, 0.1).to(.float32) }
    var memory = try #require(layers[0].memory).value.unsqueezed(0).expanded([2, 5, 8])
    for (index, mixer) in layers.enumerated() {
      let found = try mixer(inputs[index], context, layer: index)
      let split = { (linear: Linear, x: Tensor) in
        try linear(x).reshaped([2, x.size(1), 2, 4]).transposed(1, 2).to(.float64)
      }
      let joined = { (x: Tensor, linear: Linear) in
        try linear(x.transposed(1, 2).reshaped([2, x.size(2), 8]).to(.float32))
      }
      let x = inputs[index]
      let packed = try joined(
        denseAttention(
          split(mixer.pack[0], memory), split(mixer.pack[1], x),
          split(mixer.pack[tied ? 1 : 2], x), lengths: lengths
        ) { _, _, _ in true },
        mixer.pack[tied ? 2 : 3])
      let expected = try joined(
        denseAttention(
          split(mixer.unpack[0], x), split(mixer.unpack[1], packed),
          split(mixer.unpack[2], packed), lengths: [5, 5]
        ) { _, _, _ in true }, mixer.unpack[3])
      #expect(difference(try found.doubles(), try expected.doubles()) < 1e-5, "layer \(index)")
      let sum = try memory + packed
      let mean = try sum.sum([2], keep: true) * (1 / 8.0)
      let off = try sum - mean
      memory = try off / ((off * off).sum([2], keep: true) * (1 / 8.0) + 1e-5).squareRoot()
    }
  }

  @Test("with one memory vector every token reads the same; packing does not know order")
  func identities() throws {
    let mixer = try luna(1)
    let x = try Inputs.queriesKeysValues([1, 2, 7, 4])
    let p = try Inputs.fill([1, 2, 1, 4], 0.6, 0.8)
    let context = try Inputs.context([7], 7)
    let packed = try mixer.attendPacked(p, x[1], x[2], context, layer: 0)
    let read = try mixer.attendUnpacked(x[0], packed, packed, context, layer: 0)
    #expect(difference(try read.doubles(), try packed.expanded([1, 2, 7, 4]).doubles()) < 1e-12)
    let turned = try mixer.attendPacked(p, x[1].flipped(2), x[2].flipped(2), context, layer: 0)
    #expect(difference(try turned.doubles(), try packed.doubles()) < 1e-12)
  }

  @Test("in a whole model only the first layer has a memory of its own, and every parameter learns")
  func model() throws {
    var model = ModelConfiguration()
    (model.modelType, model.embDim, model.qkvDim, model.maxLength) = ("luna", 16, 16, 30)
    model.mixer = ["projected_length": .integer(4)]
    let classifier = try Classifier(model, key: RandomKey(seed: 0))
    let names = classifier.parameters.map(\.name)
    #expect(names.filter { $0.hasSuffix("luna.memory") } == ["blocks.0.attn.luna.memory"])
    let ids = try Tensor.from((0..<30).map { Int64(1 + $0 % 15) }, [1, 30])
    try classifier(ids, Inputs.context([30], 30)).crossEntropySum(.from([Int64(3)], [1])).backward()
    for named in classifier.parameters {
      // The last layer's memory is read by nobody.
      if named.name.hasPrefix("blocks.1.attn.luna.norm") { continue }
      #expect(named.parameter.value.gradient != nil, "\(named.name)")
    }
  }

  @Test("sizes that make no sense are refused")
  func badConfiguration() {
    #expect(throws: AttentionError.self) { try luna(0) }
  }
}
