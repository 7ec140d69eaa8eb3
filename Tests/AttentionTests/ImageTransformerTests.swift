import Tensors
import Testing

@testable import Attention

@Suite struct ImageTransformerTests {
  private func image(
    _ form: ImageTransformer.Form, side: Int, block: (Int, Int), flange: (Int, Int),
    causal: Bool = false, maxLength: Int? = nil
  ) throws -> ImageTransformer {
    var model = ModelConfiguration()
    (model.embDim, model.qkvDim, model.numHeads, model.causal) = (8, 8, 2, causal)
    model.maxLength = maxLength ?? side * side
    return try ImageTransformer(
      .init(
        form: form, blockHeight: block.0, blockWidth: block.1, flangeHeight: flange.0,
        flangeWidth: flange.1), model, key: RandomKey(seed: 0))
  }

  /// Whether pixel i sees pixel j of an image with `side` columns: the definition, pixel by pixel.
  private static func allowed(
    _ i: Int, _ j: Int, side: Int, block: (Int, Int), flange: (Int, Int), causal: Bool
  ) -> Bool {
    let (row, column, otherRow, otherColumn) = (i / side, i % side, j / side, j % side)
    let (top, left) = (row / block.0 * block.0, column / block.1 * block.1)
    let rows = (top - flange.0)..<(top + block.0 + (causal ? 0 : flange.0))
    let columns = (left - flange.1)..<(left + block.1 + flange.1)
    guard rows.contains(otherRow) && columns.contains(otherColumn) else { return false }
    if !causal { return true }
    func place(_ r: Int, _ c: Int) -> (Int, Int, Int, Int) {
      (r / block.0, c / block.1, r % block.0, c % block.1)
    }
    return place(otherRow, otherColumn) <= place(row, column)
  }

  @Test(
    "2d: outputs and gradients equal dense attention with the window of every pixel",
    arguments: [false, true])
  func twoDimensional(causal: Bool) throws {
    for (side, block, flange) in [(8, (2, 4), (2, 2)), (7, (3, 2), (1, 2)), (5, (8, 8), (4, 4))] {
      let mixer = try image(
        .twoDimensional, side: side, block: block, flange: flange, causal: causal)
      for (length, real) in [(side * side, side * side), (side * side - 3, side * 2 + 1)] {
        let lengths = [length, real]
        let context = try Inputs.context(lengths, length)
        let fitted = (min(block.0, side), min(block.1, side))
        try expectSame(
          Inputs.queriesKeysValues([2, 2, length, 4]).reversed(), lengths: lengths, "\(side)",
          { try apart($0[2], $0[1], $0[0]) { try mixer.attend($0, context, layer: 0) } },
          {
            try denseAttention($0[2], $0[1], $0[0], lengths: lengths) { _, i, j in
              Self.allowed(i, j, side: side, block: fitted, flange: flange, causal: causal)
            }
          })
      }
    }
  }

  @Test(
    "1d: outputs and gradients equal dense attention with block and flange", arguments: [1, 9, 23],
    [(4, 4), (5, 3), (30, 2)])
  func oneDimensional(length: Int, form: (Int, Int)) throws {
    let (block, flange) = form
    for causal in [false, true] {
      let mixer = try image(
        .oneDimensional, side: 0, block: (1, block), flange: (flange, 0), causal: causal,
        maxLength: 25)
      let lengths = [length, (length + 1) / 2]
      let context = try Inputs.context(lengths, length)
      let width = min(block, 25)
      try expectSame(
        Inputs.queriesKeysValues([2, 2, length, 4]).reversed(), lengths: lengths,
        "causal \(causal)",
        { try apart($0[2], $0[1], $0[0]) { try mixer.attend($0, context, layer: 0) } },
        {
          try denseAttention($0[2], $0[1], $0[0], lengths: lengths) { _, i, j in
            let first = i / width * width
            if causal { return j >= first - flange && j <= i }
            return j >= first - flange && j < first + width + flange
          }
        })
    }
  }

  @Test("it agrees with golden group `image2d`: pairs of every row")
  func golden() throws {
    let golden = try Golden("image2d")
    let identity = try Tensor.from(
      (0..<(64 * 64)).map { $0 / 64 == $0 % 64 ? 1.0 : 0 }, [1, 1, 64, 64])
    let x = try Inputs.queriesKeysValues([1, 1, 64, 4])
    for (name, flange, causal) in [("nnz_causal", (2, 2), true), ("nnz_bidir", (1, 1), false)] {
      let weights = try apart(x[0], x[1], identity) {
        try image(
          .twoDimensional, side: 8, block: (2, 4), flange: flange, causal: causal
        ).attend($0, Inputs.context([64], 64), layer: 0)
      }.doubles()
      let counts = (0..<64).map { row in
        Double(weights[(row * 64)..<(row * 64 + 64)].filter { $0 != 0 }.count)
      }
      #expect(try counts == golden.values(name), "\(name)")
    }
  }

  @Test("the causal order is lower-triangular over blocks, and no row is empty")
  func order() throws {
    let layout = try image(.twoDimensional, side: 7, block: (3, 2), flange: (1, 2), causal: true)
      .layout
    #expect(Set(layout.order).count == 49)
    for pixel in 0..<49 {
      #expect(layout.keys[layout.order[pixel] / 6].contains(pixel))
    }
  }

  @Test("a length that is no square is laid out in the next larger one")
  func notSquare() throws {
    let mixer = try image(.twoDimensional, side: 0, block: (2, 2), flange: (1, 1), maxLength: 40)
    let x = try Inputs.queriesKeysValues([1, 2, 40, 4])
    let found = try apart(x[0], x[1], x[2]) {
      try mixer.attend($0, Inputs.context([40], 40), layer: 0)
    }
    let expected = try denseAttention(x[0], x[1], x[2], lengths: [40]) { _, i, j in
      Self.allowed(i, j, side: 7, block: (2, 2), flange: (1, 1), causal: false)
    }
    #expect(difference(try found.doubles(), try expected.doubles()) < 1e-12)
  }

  @Test("blocks of 0 are refused")
  func badConfiguration() {
    #expect(throws: AttentionError.self) {
      try image(.twoDimensional, side: 8, block: (0, 2), flange: (1, 1))
    }
  }
}
