import Tensors
import Testing

@testable import Attention

@Suite struct SparseTransformerTests {
  private typealias Reach = SparseTransformer.Reach

  private func sparse(
    _ size: Int, _ pattern: SparseTransformer.Pattern, summary: Int = 1, causal: Bool = false,
    change: (inout SparseTransformer.Configuration) -> Void = { _ in }
  ) throws -> SparseTransformer {
    var model = ModelConfiguration()
    (model.embDim, model.qkvDim, model.numHeads, model.causal) = (8, 8, 2, causal)
    var configuration = SparseTransformer.Configuration()
    configuration.blockSize = size
    configuration.pattern = pattern
    configuration.summarySize = summary
    change(&configuration)
    return try SparseTransformer(configuration, model, key: RandomKey(seed: 0))
  }

  /// The paper's definition: near and far keys of query i.
  private static func allowed(
    _ pattern: SparseTransformer.Pattern, _ s: Int, _ c: Int, _ reach: SparseTransformer.Reach,
    causal: Bool, _ i: Int, _ j: Int
  ) -> Bool {
    if causal && j > i { return false }
    let strided = pattern == .strided
    let near = strided ? abs(i - j) < s : i / s == j / s
    let far = strided ? (i - j) % s == 0 : j % s >= s - c
    return reach == .near ? near : reach == .far ? far : near || far
  }

  @Test(
    "outputs and gradients equal dense attention with the paper's masks",
    arguments: [1, 5, 12, 29], [(4, 1), (5, 2), (3, 3), (40, 7)])
  func dense(length: Int, sizes: (Int, Int)) throws {
    let (s, c) = sizes
    let lengths = [length, (length + 1) / 2]
    let context = try Inputs.context(lengths, length)
    for pattern in [SparseTransformer.Pattern.fixed, .strided] {
      for reach in [Reach.near, .far, .both] {
        for causal in [false, true] {
          let mixer = try sparse(s, pattern, summary: c, causal: causal)
          // Far keys alone can be none at all, in a row or in every row: nothing to differentiate.
          let none = (0..<length).allSatisfy { i in
            (0..<length).allSatisfy { !Self.allowed(pattern, s, c, reach, causal: causal, i, $0) }
          }
          if none { continue }
          let some = try Inputs.queriesKeysValues([2, 2, length, 4])
          let found = try apart(some[0], some[1], some[2]) {
            try mixer.attend($0, context, reach, layer: 0)
          }
          #expect(found.shape == [2, 2, length, 4])
          try expectSame(
            [some[2], some[0], some[1]], lengths: lengths, "\(pattern) \(reach) causal \(causal)",
            { try apart($0[1], $0[2], $0[0]) { try mixer.attend($0, context, reach, layer: 0) } },
            {
              try denseAttention($0[1], $0[2], $0[0], lengths: lengths) { _, i, j in
                Self.allowed(pattern, s, c, reach, causal: causal, i, j)
              }
            })
        }
      }
    }
  }

  @Test("it agrees with golden groups `sparse_causal` and `sparse_bidir`, pairs counted")
  func golden() throws {
    let x = try Inputs.queriesKeysValues([1, 1, 12, 4])
    let identity = try Tensor.from(
      (0..<144).map { $0 / 12 == $0 % 12 ? 1.0 : 0 }, [1, 1, 12, 12])
    let forms: [(String, SparseTransformer.Pattern, Reach)] = [
      ("local", .strided, .near), ("strided", .strided, .far), ("union", .strided, .both),
      ("fixed_block", .fixed, .near), ("fixed_sum", .fixed, .far),
    ]
    for causal in [true, false] {
      let golden = try Golden(causal ? "sparse_causal" : "sparse_bidir")
      let counts = try golden.values("nnz")
      for (index, (name, pattern, reach)) in forms.enumerated() {
        let mixer = try sparse(4, pattern, causal: causal)
        let context = try Inputs.context([12], 12)
        try golden.expect(
          name, apart(x[0], x[1], x[2]) { try mixer.attend($0, context, reach, layer: 0) })
        let weights = try apart(x[0], x[1], identity) {
          try mixer.attend($0, context, reach, layer: 0)
        }.doubles()
        // The bidirectional summary mask is the same for every query: one row of it is counted.
        let rows = name == "fixed_sum" && !causal ? 12.0 : 1
        #expect(Double(weights.filter { $0 != 0 }.count) / rows == counts[index], "\(name)")
      }
    }
  }

  @Test("near then far, with the residual stream, reaches every earlier token")
  func twoHops() {
    for pattern in [SparseTransformer.Pattern.fixed, .strided] {
      for i in 0..<30 {
        for j in 0...i {
          let reached = (0..<30).contains { m in
            let far = m == i || Self.allowed(pattern, 5, 1, .far, causal: true, i, m)
            let near = j == m || Self.allowed(pattern, 5, 1, .near, causal: true, m, j)
            return far && near
          }
          #expect(reached, "\(pattern) \(i) \(j)")
        }
      }
    }
  }

  @Test("heads are shared as the key says: halves, or layers in turn")
  func sharing() throws {
    let x = try Inputs.fill([1, 13, 8], 0.7, 0.1).to(.float32)
    let context = try Inputs.context([13], 13)
    let split = try sparse(4, .strided) { $0.heads = .split }
    let (q, k, v) = try split.heads.split(x)
    let part = { (head: Int, reach: SparseTransformer.Reach) in
      let one = { (x: Tensor) in try x.slice(head..<(head + 1), 1) }
      return try apart(one(q), one(k), one(v)) {
        try split.attend($0, context, reach, layer: 0)
      }
    }
    let expected = try split.heads.merged(
      Tensor.concatenated([part(0, .near), part(1, .far)], 1).transposed(1, 2))
    let found = try split(x, context, layer: 0)
    #expect(difference(try found.doubles(), try expected.doubles()) < 1e-6)
    let turns = try sparse(4, .strided) { $0.heads = .alternate }
    let (even, odd) = (try turns(x, context, layer: 0), try turns(x, context, layer: 1))
    let near = try split.heads.merged(
      apart(q, k, v) { try split.attend($0, context, .near, layer: 0) }.transposed(1, 2))
    #expect(difference(try even.doubles(), try near.doubles()) < 1e-6)
    #expect(difference(try odd.doubles(), try near.doubles()) > 1e-2)
  }

  @Test("as released: causal, the first token open and in front of the blocks, summaries of c + 1")
  func released() throws {
    let (s, c) = (4, 1)
    for length in [1, 4, 13, 22] {
      let lengths = [length, (length + 1) / 2]
      let context = try Inputs.context(lengths, length)
      for pattern in [SparseTransformer.Pattern.fixed, .strided] {
        let mixer = try sparse(s, pattern, summary: c) {
          ($0.causalPattern, $0.openFirstToken, $0.summaryOfFirst) = (true, true, true)
        }
        try expectSame(
          Inputs.queriesKeysValues([2, 2, length, 4]).reversed(), lengths: lengths,
          "\(pattern) \(length)",
          { try apart($0[2], $0[1], $0[0]) { try mixer.attend($0, context, .both, layer: 0) } },
          {
            try denseAttention($0[2], $0[1], $0[0], lengths: lengths) { _, i, j in
              i == 0 || j == 0 || (pattern == .fixed && (j - 1) % s == 0 && j <= i)
                || Self.allowed(pattern, s, c, .both, causal: true, i - 1, j - 1)
            }
          })
      }
    }
    let x = try Inputs.queriesKeysValues([1, 1, 12, 4])
    let context = try Inputs.context([12], 12)
    let right = try apart(x[0], x[1], x[2]) {
      try sparse(s, .fixed).attend($0, context, .both, layer: 0)
    }
    for key in 0..<3 {
      let other = try sparse(s, .fixed) {
        if key == 0 { $0.causalPattern = true }
        if key == 1 { $0.openFirstToken = true }
        if key == 2 { $0.summaryOfFirst = true }
      }
      let out = try apart(x[0], x[1], x[2]) { try other.attend($0, context, .both, layer: 0) }
      #expect(difference(try out.doubles(), try right.doubles()) > 1e-3, "key \(key)")
    }
  }

  @Test(
    "rows with hidden positions of their own: outputs and gradients equal dense attention",
    arguments: [SparseTransformer.Pattern.fixed, .strided], [false, true])
  func hidden(pattern: SparseTransformer.Pattern, causal: Bool) throws {
    let mixer = try sparse(4, pattern, causal: causal)
    let isHidden = { (row: Int, t: Int) -> Bool in (t * 5 + row * 3) % 7 < 2 }
    let flags: [[Bool]] = (0..<3).map { row in (0..<17).map { isHidden(row, $0) } }
    let context = try Context(
      lengths: [17, 17, 17], length: 17, examples: [0, 1, 2], key: RandomKey(seed: 3),
      training: false, hidden: .from(Array(flags.joined()), [3, 17]))
    for reach in [Reach.near, .far, .both] {
      var blocked: [Bool] = []
      var answered: [Double] = []
      for row in 0..<3 {
        for i in 0..<17 {
          let own = (0..<17).map { j -> Bool in
            flags[row][j] || !Self.allowed(pattern, 4, 1, reach, causal: causal, i, j)
          }
          blocked += own
          // A query behind the last token is padding; one without keys gives zeros.
          answered.append(i < context.lengths[row] && own.contains(false) ? 1 : 0)
        }
      }
      let real = try Tensor.from(answered, [3, 1, 17, 1])
      let mask = try Tensor.from(blocked, [3, 1, 17, 17])
      try expectSame(
        Inputs.queriesKeysValues([3, 2, 17, 4]).reversed(), lengths: [17, 17, 17], within: 1e-9,
        "\(reach)",
        { x in
          try apart(x[2], x[1], x[0]) { try mixer.attend($0, context, reach, layer: 0) } * real
        },
        { x in
          let logits = try x[2].matmul(x[1].transposed(2, 3)) * 0.5
          return try logits.filled(where: mask, -1e30).softmax(-1).matmul(x[0]) * real
        })
    }
  }

  @Test("sizes that make no sense are refused")
  func badConfiguration() {
    #expect(throws: AttentionError.self) { try sparse(0, .fixed) }
    #expect(throws: AttentionError.self) { try sparse(4, .fixed, summary: 5) }
    #expect(throws: AttentionError.self) {
      try sparse(4, .fixed, causal: true) { $0.openFirstToken = true }
    }
  }
}
