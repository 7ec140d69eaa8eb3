import Tensors
import Testing

@testable import Attention

@Suite struct BigBirdTests {
  private func bigbird(
    _ block: Int, random: Int, change: (inout BigBird.Configuration) -> Void = { _ in }
  ) throws -> BigBird {
    var model = ModelConfiguration()
    (model.embDim, model.qkvDim, model.numHeads, model.maxLength) = (8, 8, 2, 40)
    var configuration = BigBird.Configuration()
    (configuration.blockSize, configuration.numRandBlocks) = (block, random)
    change(&configuration)
    return try BigBird(configuration, model, key: RandomKey(seed: 0))
  }

  /// The pattern from its description, with `orders[r]` the preferences of row block r.
  private static func allowed(
    _ n: Int, _ i: Int, _ j: Int, block: Int, random: Int, orders: [[Int]], last: Int? = nil
  ) -> Bool {
    let (row, column, last) = (i / block, j / block, last ?? (n - 1) / block)
    if [row, column].contains(0) || [row, column].contains(last) || abs(row - column) <= 1 {
      return true
    }
    let free = orders[row].filter { $0 > 0 && $0 < last && abs($0 - row) > 1 }
    return free.prefix(random).contains(column)
  }

  @Test(
    "outputs and gradients equal dense attention with the pattern",
    arguments: [1, 7, 24, 39], [(4, 1), (2, 3), (5, 0), (50, 3)])
  func dense(length: Int, form: (Int, Int)) throws {
    let (block, random) = form
    let lengths = [length, (length + 1) / 2, max(1, length - 3)]
    let mixer = try bigbird(block, random: random)
    let context = try Inputs.context(lengths, length)
    let n = (length + block - 1) / block
    let orders = (0..<n).map { row in (0..<n).map { ($0 * 7 + row * 3) % n } }
    let unique = orders.map { Array(Set($0)).sorted { ($0 * 5 + 1) % 11 < ($1 * 5 + 1) % 11 } }
    try expectSame(
      Inputs.queriesKeysValues([3, 2, length, 4]).reversed(), lengths: lengths, "",
      {
        try apart($0[2], $0[1], $0[0]) { try mixer.attend($0, context, orders: unique, layer: 0) }
      },
      {
        try denseAttention($0[2], $0[1], $0[0], lengths: lengths) {
          Self.allowed($0, $1, $2, block: block, random: random, orders: unique)
        }
      })
  }

  @Test("with filled rows the last block of a power of two is global, and few rows reach it")
  func filledRows() throws {
    // 40 tokens at most: rows of 64, 16 blocks.
    let mixer = try bigbird(4, random: 2) { $0.filledRows = true }
    #expect(mixer.plan.value.shape == [16, 16])
    let orders = (0..<16).map { row in
      (0..<16).sorted { ($0 * 7 + row * 3) % 16 < ($1 * 7 + row * 3) % 16 }
    }
    for lengths in [[39, 20, 4], [40, 40, 40]] {
      let length = lengths[0]
      let context = try Inputs.context(lengths, length)
      try expectSame(
        Inputs.queriesKeysValues([3, 2, length, 4]).reversed(), lengths: lengths, "",
        {
          try apart($0[2], $0[1], $0[0]) {
            try mixer.attend($0, context, orders: orders, layer: 0)
          }
        },
        {
          try denseAttention($0[2], $0[1], $0[0], lengths: lengths) {
            Self.allowed($0, $1, $2, block: 4, random: 2, orders: orders, last: 15)
          }
        })
    }
  }

  @Test("it agrees with golden group `bigbird`, block pairs counted")
  func golden() throws {
    let x = try Inputs.queriesKeysValues([1, 1, 12, 4])
    let mixer = try bigbird(2, random: 1)
    let orders = [[], [4], [5], [1], [2], []]
    let context = try Inputs.context([12], 12)
    let golden = try Golden("bigbird")
    try golden.expect(
      "out", apart(x[0], x[1], x[2]) { try mixer.attend($0, context, orders: orders, layer: 0) })
    let identity = try Tensor.from(
      (0..<144).map { $0 / 12 == $0 % 12 ? 1.0 : 0 }, [1, 1, 12, 12])
    let weights = try apart(x[0], x[1], identity) {
      try mixer.attend($0, context, orders: orders, layer: 0)
    }
    let pairs = try weights.doubles().filter { $0 != 0 }.count / 4
    #expect([Double(pairs)] == (try golden.values("nnz")))
  }

  @Test(
    "an interior row has at most 5 + R blocks, none twice, and as many random ones as there are")
  func slots() throws {
    let mixer = try bigbird(1, random: 3)
    let orders = (0..<40).map { row in
      (0..<40).sorted { ($0 * 17 + row) % 41 < ($1 * 17 + row) % 41 }
    }
    for count in [1, 2, 5, 8, 9, 40] {
      for row in 0..<count {
        let chosen = mixer.slots(of: row, among: count, orders: orders).filter { $0 >= 0 }
        #expect(Set(chosen).count == chosen.count)
        #expect(chosen.allSatisfy { $0 < count })
        let fixed = Set([0, row - 1, row, row + 1, count - 1]).filter { (0..<count).contains($0) }
        #expect(chosen.count == min(count, fixed.count + 3), "\(row) of \(count)")
      }
    }
  }

  @Test("the plan belongs to the layer and is a permutation in every row")
  func plan() throws {
    let plan = try bigbird(4, random: 3).plan.value
    #expect(plan.shape == [10, 10])
    for row in 0..<10 {
      #expect(Set(try plan.select(row, 0).integers()) == Set(0..<10))
    }
    var model = ModelConfiguration()
    (model.embDim, model.qkvDim, model.maxLength) = (8, 8, 40)
    let other = try BigBird(.init(blockSize: 4), model, key: RandomKey(seed: 1)).plan.value
    #expect(try other.integers() != plan.integers())
  }

  @Test("all blocks random is full attention")
  func full() throws {
    let x = try Inputs.queriesKeysValues([1, 2, 21, 4])
    let orders = (0..<11).map { _ in Array(0..<11) }
    let found = try apart(x[0], x[1], x[2]) {
      try bigbird(2, random: 11).attend($0, Inputs.context([21], 21), orders: orders, layer: 0)
    }
    let expected = try denseAttention(x[0], x[1], x[2], lengths: [21]) { _, _, _ in true }
    #expect(difference(try found.doubles(), try expected.doubles()) < 1e-12)
  }

  @Test(
    "as released: the filling is attended and is the last global block; random blocks only early")
  func released() throws {
    let x = try Inputs.queriesKeysValues([1, 1, 12, 4])
    let context = try Inputs.context([12], 12)
    let orders = (0..<7).map { _ in [5, 4, 3, 2, 1, 0, 6] }
    let run = { (change: @escaping (inout BigBird.Configuration) -> Void) in
      try apart(x[0], x[1], x[2]) {
        try bigbird(2, random: 1, change: change).attend($0, context, orders: orders, layer: 0)
      }
    }
    let filled = try x.map { try $0.padded(after: 2, 2) }
    let expected = try denseAttention(filled[0], filled[1], filled[2], lengths: [14]) {
      Self.allowed($0, $1, $2, block: 2, random: 1, orders: orders)
    }.slice(0..<12, 2)
    let found = try run { $0.attendedFilling = true }
    #expect(difference(try found.doubles(), try expected.doubles()) < 1e-12)
    let right = try run { _ in }
    #expect(difference(try found.doubles(), try right.doubles()) > 1e-3)
    let early = try run { $0.randomWithin = 6 }
    let mask = try denseAttention(x[0], x[1], x[2], lengths: [12]) {
      Self.allowed($0, $1, $2, block: 2, random: 1, orders: orders.map { $0.filter { $0 < 3 } })
    }
    #expect(difference(try early.doubles(), try mask.doubles()) < 1e-12)
    #expect(difference(try early.doubles(), try right.doubles()) > 1e-3)
  }

  @Test("sizes that make no sense are refused")
  func badConfiguration() {
    #expect(throws: AttentionError.self) { try bigbird(0, random: 3) }
    #expect(throws: AttentionError.self) { try bigbird(4, random: -1) }
  }
}
