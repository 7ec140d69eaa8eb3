import Tensors
import Testing

@testable import Attention

@Suite struct LongformerTests {
  private func longformer(
    _ window: Int, globals: Int = 0, dilation: Int = 1, causal: Bool = false, uneven: Bool = false
  ) throws -> Longformer {
    var model = ModelConfiguration()
    (model.embDim, model.qkvDim, model.numHeads, model.causal) = (8, 8, 2, causal)
    return try Longformer(
      .init(window: window, globalTokens: globals, dilation: dilation, unevenWindow: uneven), model,
      key: RandomKey(seed: 0))
  }

  /// Whether query i, itself not global, sees key j.
  private static func allowed(
    _ i: Int, _ j: Int, _ window: Int, _ globals: Int, _ dilation: Int, causal: Bool
  ) -> Bool {
    if causal && j > i { return false }
    let near = (i - j) % dilation == 0 && abs(i - j) / dilation <= window / 2
    return near || j < globals
  }

  @Test(
    "window and global keys equal dense attention, in outputs and gradients",
    arguments: [1, 6, 13, 32], [(4, 0, 1), (6, 2, 1), (4, 1, 3), (2, 3, 2), (512, 1, 1)])
  func dense(length: Int, form: (Int, Int, Int)) throws {
    let (window, globals, dilation) = form
    let lengths = [length, (length + 1) / 2]
    let context = try Inputs.context(lengths, length)
    for causal in [false, true] {
      let mixer = try longformer(window, globals: globals, dilation: dilation, causal: causal)
      try expectSame(
        Inputs.queriesKeysValues([2, 2, length, 4]).reversed(), lengths: lengths,
        "causal \(causal)",
        { try apart($0[2], $0[1], $0[0]) { try mixer.attendWindow($0, context, layer: 0) } },
        {
          try denseAttention($0[2], $0[1], $0[0], lengths: lengths) { _, i, j in
            Self.allowed(i, j, window, globals, dilation, causal: causal)
          }
        })
    }
  }

  @Test("it agrees with golden group `longformer`")
  func golden() throws {
    let x = try Inputs.queriesKeysValues([1, 1, 12, 4])
    let golden = try Golden("longformer")
    let context = try Inputs.context([12], 12)
    let run = { (mixer: Longformer) in
      try apart(x[0], x[1], x[2]) { try mixer.attendWindow($0, context, layer: 0) }
    }
    try golden.expect("win", run(longformer(4)))
    try golden.expect("causal", run(longformer(4, causal: true)))
    let mixer = try longformer(4, globals: 1)
    let first = try context.attendedOwn(
      x[0].slice(0..<1, 2), x[1], x[2], scale: mixer.heads.scale, dropout: 0, layer: 0)
    try golden.expect("glob", .concatenated([first, run(mixer).slice(1..<12, 2)], 2))
  }

  @Test(
    "the whole layer: global tokens use their own projections, the others the common ones",
    arguments: [false, true])
  func layer(causal: Bool) throws {
    let (lengths, length, globals) = ([11, 7], 11, 2)
    let mixer = try longformer(4, globals: globals, causal: causal)
    let x = try Inputs.fill([2, length, 8], 0.7, 0.1).to(.float32)
    for (index, linear) in mixer.globals.enumerated() {
      let noise = try Inputs.fill([8, 8], 3, Double(index)).to(.float32)
      try withoutGradient { try linear.weight.value.copy(from: noise) }
    }
    let found = try mixer(x, Inputs.context(lengths, length), layer: 0)
    let project = { (linear: Linear) in
      try linear(x).reshaped([2, length, 2, 4]).transposed(1, 2)  // [B, H, L, E]
    }
    let (q, k, v) = try mixer.heads.split(x)
    let local = try denseAttention(q, k, v, lengths: lengths) { _, i, j in
      Self.allowed(i, j, 4, globals, 1, causal: causal)
    }
    let global = try denseAttention(
      project(mixer.globals[0]), project(mixer.globals[1]), project(mixer.globals[2]),
      lengths: lengths
    ) { _, i, j in !causal || j <= i }
    let both = try Tensor.concatenated([global.slice(0..<2, 2), local.slice(2..<11, 2)], 2)
    let expected = try mixer.heads.merged(both.to(.float32).transposed(1, 2))
    let cut = { (t: Tensor) in
      try t.select(0, 0).doubles() + t.select(1, 0).slice(0..<7, 0).doubles()
    }
    #expect(difference(try cut(found), try cut(expected)) < 1e-5)
  }

  @Test("a window over everything, and all tokens global, are full attention")
  func full() throws {
    let x = try Inputs.fill([1, 19, 8], 0.7, 0.1).to(.float32)
    let context = try Inputs.context([19], 19)
    var model = ModelConfiguration()
    (model.embDim, model.qkvDim, model.numHeads) = (8, 8, 2)
    let expected = try Softmax(.init(), model, key: RandomKey(seed: 0))(x, context, layer: 0)
    for mixer in [try longformer(36), try longformer(2, globals: 19)] {
      let found = try mixer(x, context, layer: 0)
      #expect(difference(try found.doubles(), try expected.doubles()) < 1e-5)
    }
  }

  @Test("LRA's window of w reaches w/2 - 1 back and w/2 ahead")
  func uneven() throws {
    let x = try Inputs.queriesKeysValues([1, 1, 15, 4])
    let context = try Inputs.context([15], 15)
    let found = try apart(x[0], x[1], x[2]) {
      try longformer(6, uneven: true).attendWindow($0, context, layer: 0)
    }
    let expected = try denseAttention(x[0], x[1], x[2], lengths: [15]) { _, i, j in
      j - i >= -2 && j - i <= 3
    }
    #expect(difference(try found.doubles(), try expected.doubles()) < 1e-12)
    let even = try apart(x[0], x[1], x[2]) { try longformer(6).attendWindow($0, context, layer: 0) }
    #expect(difference(try found.doubles(), try even.doubles()) > 1e-2)
  }

  @Test("sizes that make no sense are refused")
  func badConfiguration() {
    #expect(throws: AttentionError.self) { try longformer(1) }
    #expect(throws: AttentionError.self) { try longformer(4, globals: -1) }
    #expect(throws: AttentionError.self) { try longformer(4, dilation: 0) }
  }
}
