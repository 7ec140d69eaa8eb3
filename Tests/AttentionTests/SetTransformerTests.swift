import Tensors
import Testing

@testable import Attention

@Suite struct SetTransformerTests {
  private typealias AttentionBlock = SetTransformer.AttentionBlock

  private func block(heads: Int = 2, layerNorm: Bool = false) throws -> AttentionBlock {
    var model = ModelConfiguration()
    (model.embDim, model.numHeads) = (4, heads)
    let block = try AttentionBlock(model, layerNorm: layerNorm, key: RandomKey(seed: 0))
    for named in block.parameters { try named.parameter.convert(to: .float64) }
    return block
  }

  /// A block with golden weights number s; the file multiplies from the right, we from the left.
  private func golden(_ s: Double) throws -> AttentionBlock {
    let block = try block()
    let weights: [(Linear, Double, Double, Double, Double)] = [
      (block.query, 0.31, 0.1, 0.2, 0.1), (block.key, 0.41, 0.2, 0, 0),
      (block.value, 0.51, 0.3, 0, 0), (block.out, 0.61, 0.4, 0.3, 0.2),
    ]
    for (linear, a, b, biasA, biasB) in weights {
      try withoutGradient {
        try linear.weight.value.copy(from: Inputs.fill([4, 4], a + s, b).transposed(0, 1))
        let bias = biasA == 0 ? try Tensor.zeros([4]) : try Inputs.fill([4], biasA + s, biasB)
        try linear.bias?.value.copy(from: bias)
      }
    }
    return block
  }

  @Test("it agrees with golden group `set`: a block, a layer through points, a pooling")
  func golden() throws {
    let golden = try Golden("set")
    let x = try Inputs.fill([1, 6, 4], 0.7, 0.1)
    let context = try Inputs.context([6], 6)
    let blocks = try [self.golden(0), self.golden(1), self.golden(2)]
    try golden.expect("mab", blocks[0](x, x, tokens: false, context, layer: 0))
    let points = try Inputs.fill([1, 2, 4], 1.3, 0.2)
    let gathered = try blocks[0](points, x, tokens: false, context, layer: 0)
    let spread = try blocks[1](x, gathered, tokens: false, context, layer: 0)
    try golden.expect("isab", spread)
    let seed = try Inputs.fill([1, 1, 4], 0.9, 0.5)
    try golden.expect("pma", blocks[2](seed, spread, tokens: false, context, layer: 0))
  }

  @Test(
    "a block equals its definition, in outputs and gradients", arguments: [1, 2], [false, true])
  func definition(heads: Int, layerNorm: Bool) throws {
    let block = try block(heads: heads, layerNorm: layerNorm)
    let lengths = [7, 4]
    let context = try Inputs.context(lengths, 7)
    let split = { (x: Tensor) in
      try x.reshaped([2, x.size(1), heads, 4 / heads]).transposed(1, 2)
    }
    let normed = { (x: Tensor) -> Tensor in
      if !layerNorm { return x }
      let off = try x - x.sum([2], keep: true) * 0.25
      return try off / ((off * off).sum([2], keep: true) * 0.25 + 1e-5).squareRoot()
    }
    try expectSame(
      [Inputs.fill([2, 3, 4], 0.7, 0.1), Inputs.fill([2, 7, 4], 1.3, 0.2)], lengths: [3, 3],
      within: 1e-9, "",
      { try block($0[0], $0[1], tokens: true, context, layer: 0).unsqueezed(1) },
      {
        let q = try block.query($0[0])
        // The scale is that of the full width, 1/2.
        let attended = try denseAttention(
          split(q), split(block.key($0[1])), split(block.value($0[1])), lengths: lengths,
          scale: 0.5
        ) { _, _, _ in true }
        let h = try normed(q + attended.transposed(1, 2).reshaped([2, 3, 4]))
        return try normed(h + block.out(h).relu()).unsqueezed(1)
      })
  }

  @Test("without positions the result does not know order, nor whether everything comes twice")
  func invariance() throws {
    var model = ModelConfiguration()
    (model.embDim, model.position, model.maxLength) = (8, .none, 40)
    model.modelType = "set_transformer"
    model.mixer = ["num_inducing": .integer(3)]
    let encoder = try EncoderChoice("set_transformer").build(model, RandomKey(seed: 0))
    for named in encoder.parameters { try named.parameter.convert(to: .float64) }
    let row = (0..<9).map { Int64(1 + $0 * 4 % 15) }
    let results = try [row, row.reversed(), row + row].map { ids in
      let n = ids.count
      return try encoder.callAsFunction(.from(ids, [1, n]), Inputs.context([n], n)).0.doubles()
    }
    #expect(difference(results[0], results[1]) < 1e-10)
    #expect(difference(results[0], results[2]) < 1e-10)
    #expect(results[0].contains { abs($0) > 1e-2 })
  }
}
