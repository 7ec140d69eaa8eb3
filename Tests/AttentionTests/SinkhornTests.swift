import Foundation
import Tensors
import Testing

@testable import Attention

@Suite struct SinkhornTests {
  private func sinkhorn(
    _ block: Int, causal: Bool = false, maxLength: Int = 40,
    change: (inout Sinkhorn.Configuration) -> Void = { _ in }
  ) throws -> Sinkhorn {
    var model = ModelConfiguration()
    (model.embDim, model.qkvDim, model.numHeads, model.causal) = (8, 8, 2, causal)
    model.maxLength = maxLength
    var configuration = Sinkhorn.Configuration()
    configuration.blockSize = block
    change(&configuration)
    return try Sinkhorn(configuration, model, key: RandomKey(seed: 0))
  }

  /// One row of one head: block r attends to Σ S_rc K_c and to itself, token by token.
  private func reference(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, sorting: Tensor, block: Int, causal: Bool,
    isToken: (Int) -> Bool
  ) throws -> Tensor {
    let (length, e) = (q.size(2), q.size(3))
    let n = (length + block - 1) / block
    var rows: [Tensor] = []
    for i in 0..<length {
      let r = i / block
      var keys: [Tensor] = []
      var values: [Tensor] = []
      // Blocks that the sorted one is made of.
      let sources = 0..<(causal ? r : n)
      for p in 0..<block where sources.contains(where: { isToken($0 * block + p) }) {
        var (key, value) = (
          try Tensor.zeros([1, e], .float64), try Tensor.zeros([1, e], .float64)
        )
        for c in 0..<n where isToken(c * block + p) {
          let share = try sorting.slice(r..<(r + 1), 2).slice(c..<(c + 1), 3).reshaped([1, 1])
          let t = c * block + p
          key = try key + share * k.slice(t..<(t + 1), 2).reshaped([1, e])
          value = try value + share * v.slice(t..<(t + 1), 2).reshaped([1, e])
        }
        keys.append(key)
        values.append(value)
      }
      for t in (r * block)..<((r + 1) * block) where isToken(t) && (!causal || t <= i) {
        keys.append(try k.slice(t..<(t + 1), 2).reshaped([1, e]))
        values.append(try v.slice(t..<(t + 1), 2).reshaped([1, e]))
      }
      if keys.isEmpty {
        rows.append(try .zeros([1, e], .float64))
        continue
      }
      let logits =
        try q.slice(i..<(i + 1), 2).reshaped([1, e])
        .matmul(Tensor.concatenated(keys, 0).transposed(0, 1)) * (1 / Double(e).squareRoot())
      rows.append(try logits.softmax(1).matmul(.concatenated(values, 0)))
    }
    return try Tensor.concatenated(rows, 0).reshaped([1, 1, length, e])
  }

  @Test(
    "with given weights, outputs and gradients equal the definition token by token",
    arguments: [1, 7, 12, 17], [3, 5, 20])
  func dense(length: Int, block: Int) throws {
    for (real, causal) in [(length, false), ((length + 1) / 2, false), (length, true)] {
      for hides in [false, true] {
        let n = (length + block - 1) / block
        let mixer = try sinkhorn(block, causal: causal)
        let isToken = { (t: Int) in t < real && !(hides && (t == 0 || t % 5 > 2) && real > 1) }
        let context = try Context(
          lengths: [real], length: length, examples: [0], key: RandomKey(seed: 3), training: false,
          hidden: hides ? .from((0..<length).map { !isToken($0) }, [1, length]) : nil)
        let x = try Inputs.queriesKeysValues([1, 1, length, 4])
        let flags = try Tensor.from(
          (0..<length).map { isToken($0) ? 1.0 : 0 }, [1, 1, length, 1])
        var shares = try Inputs.fill([1, 1, n, n], 1.9, 0.6).softmax(-1)
        if causal { shares = try shares.filled(where: mask(n, n, on: .cpu) { $1 >= $0 }, 0) }
        try expectSame(
          [x[2], x[0], x[1], shares], lengths: [real], "real \(real) hides \(hides)",
          {
            try mixer.attend(
              $0[1], $0[2] * flags, $0[0] * flags, sorting: $0[3], context, layer: 0) * flags
          },
          {
            try reference(
              $0[1], $0[2] * flags, $0[0] * flags, sorting: $0[3], block: block,
              causal: causal, isToken: isToken) * flags
          })
      }
    }
  }

  @Test("it agrees with golden group `sinkhorn`")
  func golden() throws {
    let golden = try Golden("sinkhorn")
    let x = try Inputs.queriesKeysValues([1, 1, 12, 4])
    let scores = try Inputs.fill([1, 1, 4, 4], 1.9, 0.6) * (1 / 0.75)
    let sorting = try Sinkhorn.sinkhorn(scores, iterations: 8, blocked: nil)
    try golden.expect("R", sorting)
    let context = try Inputs.context([12], 12)
    try golden.expect(
      "out", sinkhorn(3).attend(x[0], x[1], x[2], sorting: sorting, context, layer: 0))
  }

  @Test("the net's weights equal their definition, and rows without blocks have none")
  func net() throws {
    for (hides, ofPlace) in [(false, false), (true, false), (false, true), (true, true)] {
      try net(ofPlace) { row, t in
        t < [14, 6][row] && !(hides && (t == 1 || (4..<8).contains(t)))
      }
    }
  }

  private func net(_ ofPlace: Bool, _ isToken: (_ row: Int, _ t: Int) -> Bool) throws {
    let mixer = try sinkhorn(4) { $0.scoresOfPlace = ofPlace }
    try mixer.net.convert(to: .float64)
    let flags = (0..<28).map { isToken($0 / 14, $0 % 14) }
    let real = try Tensor.from(flags.map { $0 ? 1.0 : 0 }, [2, 1, 14, 1])
    let k = try Inputs.fill([2, 2, 14, 4], 1.3, 0.2) * real
    let context = try Context(
      lengths: [14, 6], length: 14, examples: [0, 1], key: RandomKey(seed: 3), training: false,
      hidden: .from(flags.map { !$0 }, [2, 14]))
    let found = try mixer.sortingWeights(k, context, layer: 0).doubles()
    let (keys, net) = (try k.doubles(), try mixer.net.value.doubles())
    for row in 0..<2 {
      for head in 0..<2 {
        let blocks = (0..<4).map { c in
          ((c * 4)..<min(14, c * 4 + 4)).filter { isToken(row, $0) }
        }
        let valid = (0..<4).filter { !blocks[$0].isEmpty }
        let scores = valid.map { r in
          valid.map { s -> Double in
            let (c, place) = ofPlace ? (r, s) : (s, r)
            let tokens = blocks[c]
            return (0..<4).reduce(0.0) { sum, e in
              let mean = tokens.map { keys[((row * 2 + head) * 14 + $0) * 4 + e] }.reduce(0, +)
              return sum + mean / Double(tokens.count) * net[(head * 4 + e) * 10 + place] / 0.75
            }
          }
        }
        var s = scores.map { $0.map { exp($0) } }
        for _ in 0..<8 {
          s = s.map { line in line.map { $0 / line.reduce(0, +) } }
          let sums = valid.indices.map { c in s.map { $0[c] }.reduce(0, +) }
          s = s.map { zip($0, sums).map { $0 / $1 } }
        }
        let part = Array(found[((row * 2 + head) * 16)..<((row * 2 + head) * 16 + 16)])
        var expected = [Double](repeating: 0, count: 16)
        for (i, r) in valid.enumerated() {
          for (j, c) in valid.enumerated() { expected[r * 4 + c] = s[i][j] }
        }
        #expect(difference(part, expected) < 1e-10)
      }
    }
  }

  @Test("the causal weights see only earlier blocks and what stands up to a block's first token")
  func causalNet() throws {
    let mixer = try sinkhorn(4, causal: true)
    try mixer.net.convert(to: .float64)
    let k = try Inputs.fill([1, 2, 14, 4], 1.3, 0.2)
    let found = try mixer.sortingWeights(k, Inputs.context([14], 14), layer: 0).doubles()
    let (keys, net) = (try k.doubles(), try mixer.net.value.doubles())
    for head in 0..<2 {
      for r in 0..<4 {
        let scores = (0..<r).map { c -> Double in
          (0..<4).reduce(0.0) { sum, e in
            let total = (0...(r * 4)).map { keys[(head * 14 + $0) * 4 + e] }.reduce(0, +)
            return sum + total / Double(r * 4 + 1) * net[(head * 4 + e) * 10 + c] / 0.75
          }
        }
        let weights = scores.map { exp($0) }
        let expected = (0..<4).map { $0 < r ? weights[$0] / weights.reduce(0, +) : 0 }
        #expect(
          difference(Array(found[(head * 16 + r * 4)..<(head * 16 + r * 4 + 4)]), expected) < 1e-10)
      }
    }
  }

  @Test("identity weights are local attention; a permutation adds the picked block")
  func permutations() throws {
    let x = try Inputs.queriesKeysValues([1, 2, 12, 4])
    let context = try Inputs.context([12], 12)
    for order in [[0, 1, 2, 3], [2, 0, 3, 1]] {
      let flags = (0..<16).map { order[$0 / 4] == $0 % 4 ? 1.0 : 0 }
      let sorting = try Tensor.from(flags + flags, [1, 2, 4, 4])
      let found = try sinkhorn(3).attend(x[0], x[1], x[2], sorting: sorting, context, layer: 0)
      let expected = try denseAttention(x[0], x[1], x[2], lengths: [12]) { _, i, j in
        j / 3 == i / 3 || j / 3 == order[i / 3]
      }
      #expect(difference(try found.doubles(), try expected.doubles()) < 1e-12)
    }
  }

  @Test("rows sum to 1 after enough iterations, and a low temperature finds the best assignment")
  func convergence() throws {
    let scores = try Tensor.normal([1, 1, 16, 16], key: RandomKey(seed: 4)).to(.float64)
    let error = { (iterations: Int) in
      let sums = try Sinkhorn.sinkhorn(scores, iterations: iterations, blocked: nil).sum([3])
      return try sums.doubles().map { abs($0 - 1) }.max() ?? 1
    }
    let errors = try [1, 5, 20].map { try error($0) }
    #expect(errors[0] > 1e-3 && errors[1] < 1e-3 && errors[2] < 1e-9, "\(errors)")
    let small = try scores.slice(0..<5, 2).slice(0..<5, 3)
    let sharp = try Sinkhorn.sinkhorn(small * 20, iterations: 200, blocked: nil)
    let found = try sharp.argmax(3).integers().map(Int.init)
    let values = try small.doubles()
    var best: ([Int], Double) = ([], -.infinity)
    func search(_ chosen: [Int], _ sum: Double) {
      if chosen.count == 5 {
        if sum > best.1 { best = (chosen, sum) }
        return
      }
      for next in 0..<5 where !chosen.contains(next) {
        search(chosen + [next], sum + values[chosen.count * 5 + next])
      }
    }
    search([], 0)
    #expect(found == best.0)
  }

  @Test("Gumbel noise is on in training only, by example")
  func noise() throws {
    let k = try Inputs.fill([2, 2, 16, 4], 1.3, 0.2).to(.float32)
    let mixer = try sinkhorn(4)
    let run = { (training: Bool, examples: [Int]) in
      try mixer.sortingWeights(
        k, Inputs.context([16, 16], 16, training: training, examples: examples), layer: 0
      ).floats()
    }
    #expect(try run(true, [3, 5]) != run(false, [3, 5]))
    let (one, other) = (try run(true, [3, 5]), try run(true, [3, 6]))
    #expect(one[..<32] == other[..<32] && one[32...] != other[32...])
    let off = try sinkhorn(4) { $0.gumbel = false }
    let context = try Inputs.context([16, 16], 16, training: true)
    #expect(try off.sortingWeights(k, context, layer: 0).floats() == run(false, [0, 1]))
  }

  @Test("as released: own strided group plus the sum of all groups, in two softmaxes")
  func released() throws {
    let x = try Inputs.queriesKeysValues([1, 1, 12, 4])
    let context = try Inputs.context([12], 12)
    let mixer = try sinkhorn(4) { $0.unsortedSum = true }
    let found = try mixer.attendSum(x[0], x[1], x[2], context, layer: 0)
    let own = try denseAttention(x[0], x[1], x[2], lengths: [12]) { _, i, j in i % 3 == j % 3 }
    let sums = try x[1...].map { t in
      try t.reshaped([1, 1, 4, 3, 4]).sum([3])  // [1, 1, 4, E]: over groups, slot by slot
    }
    let all = try (x[0].matmul(sums[0].transposed(2, 3)) * 0.5).softmax(-1).matmul(sums[1])
    #expect(difference(try found.doubles(), try (own + all).doubles()) < 1e-12)
    let y = try Inputs.fill([1, 12, 8], 0.7, 0.1).to(.float32)
    let right = try sinkhorn(4)(y, context, layer: 0).doubles()
    #expect(difference(try mixer(y, context, layer: 0).doubles(), right) > 1e-2)
  }

  @Test("sizes that make no sense are refused")
  func badConfiguration() {
    #expect(throws: AttentionError.self) { try sinkhorn(0) }
    #expect(throws: AttentionError.self) { try sinkhorn(4) { $0.iterations = 0 } }
    #expect(throws: AttentionError.self) { try sinkhorn(4) { $0.temperature = 0 } }
    #expect(throws: AttentionError.self) { try sinkhorn(4, causal: true) { $0.unsortedSum = true } }
  }
}
