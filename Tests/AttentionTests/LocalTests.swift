import Tensors
import Testing

@testable import Attention

@Suite struct LocalTests {
  private func local(
    _ block: Int, before: Int = 0, after: Int = 0, causal: Bool = false, strided: Bool = false
  ) throws -> Local {
    var model = ModelConfiguration()
    (model.embDim, model.qkvDim, model.numHeads, model.causal) = (8, 8, 2, causal)
    return try Local(
      .init(
        blockSize: block, blocksBefore: before, blocksAfter: after, stridedGroups: strided), model,
      key: RandomKey(seed: 0))
  }

  @Test(
    "outputs and gradients equal dense attention over the blocks",
    arguments: [1, 7, 12, 33], [(4, 0, 0), (5, 1, 0), (3, 2, 1), (50, 0, 0), (1, 1, 1)])
  func dense(length: Int, form: (Int, Int, Int)) throws {
    let (block, before, after) = form
    let lengths = [length, (length + 1) / 2]
    for causal in [false, true] {
      let mixer = try local(block, before: before, after: after, causal: causal)
      let context = try Inputs.context(lengths, length)
      try expectSame(
        Inputs.queriesKeysValues([2, 2, length, 4]), lengths: lengths, "causal \(causal)",
        { try apart($0[0], $0[1], $0[2]) { try mixer.attend($0, context, layer: 0) } },
        {
          try denseAttention($0[0], $0[1], $0[2], lengths: lengths) { _, i, j in
            let distance = j / block - i / block
            return distance >= -before && distance <= after && (!causal || j <= i)
          }
        })
    }
  }

  @Test("it agrees with golden group `local`")
  func golden() throws {
    let x = try Inputs.queriesKeysValues([1, 1, 12, 4])
    let golden = try Golden("local")
    let run = { (mixer: Local, real: Int) in
      try apart(x[0], x[1], x[2]) { try mixer.attend($0, Inputs.context([real], 12), layer: 0) }
    }
    // The golden scale is 1/2 = 1/sqrt(4), as heads of width 4 have it.
    try golden.expect("own", run(local(5), 12))
    try golden.expect("prev_causal", run(local(5, before: 1, causal: true), 12))
    try golden.expect("pad", run(local(5), 9), rows: 9)
  }

  @Test("as released, token t attends to its group t mod n, with a block of filling more")
  func strided() throws {
    let x = try Inputs.queriesKeysValues([1, 1, 12, 4])
    let context = try Inputs.context([12], 12)
    let mixer = try local(4, strided: true)
    let found = try apart(x[0], x[1], x[2]) { try mixer.attendStrided($0, context, layer: 0) }
    // 12 tokens and a whole block of 4 zeros: n = 4 groups {t, t + 4, t + 8, t + 12}.
    let filled = try x.map { try $0.padded(after: 4, 2) }
    let expected = try denseAttention(filled[0], filled[1], filled[2], lengths: [16]) { _, i, j in
      i % 4 == j % 4
    }
    #expect(
      difference(try found.doubles(), try expected.slice(0..<12, 2).doubles()) < 1e-12)
    let right = try apart(x[0], x[1], x[2]) { try local(4).attend($0, context, layer: 0) }
    #expect(difference(try found.doubles(), try right.doubles()) > 0.1)
  }

  @Test("as released, padding is masked as if groups were blocks of neighbours")
  func stridedPadding() throws {
    let x = try Inputs.queriesKeysValues([1, 1, 12, 4])
    let found = try apart(x[0], x[1], x[2]) {
      try local(4, strided: true).attendStrided($0, Inputs.context([9], 12), layer: 0)
    }
    // Pairs (g + 4 a, g + 4 c) are masked by the realness of (4 g + a, 4 g + c); 9...11 are padding.
    // Group 2 (tokens 2, 6, 10, 14) reads the flags of 8...11: only a = c = 0 is allowed.
    let values = try x[2].doubles()
    let row = try found.select(2, 2).doubles()
    #expect(difference(row, Array(values[8..<12])) < 1e-12)
    // Its other members attend to nothing allowed, so to all alike, the zero filling included.
    let mean = (0..<4).map { (c: Int) -> Double in
      [8, 24, 40].map { values[$0 + c] }.reduce(0, +) / 4
    }
    #expect(difference(try found.select(6, 2).doubles(), mean) < 1e-7)
  }

  @Test("sizes that make no sense are refused")
  func badConfiguration() {
    #expect(throws: AttentionError.self) { try local(0) }
    #expect(throws: AttentionError.self) { try local(4, before: -1) }
    #expect(throws: AttentionError.self) { try local(4, causal: true, strided: true) }
  }
}
