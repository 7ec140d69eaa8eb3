import Foundation
import Tensors
import Testing

@testable import Attention

@Suite struct ReformerTests {
  private func reformer(
    chunk: Int, hashes: Int = 1, buckets: Int = 4, causal: Bool = false, once: Bool = true,
    unmasked: Bool = false, maxLength: Int = 40
  ) throws -> Reformer {
    var model = ModelConfiguration()
    (model.embDim, model.qkvDim, model.numHeads, model.causal) = (8, 8, 2, causal)
    model.maxLength = maxLength
    return try Reformer(
      .init(
        chunkLength: chunk, numHashes: hashes, numBuckets: buckets, countPairsOnce: once,
        unmasked: unmasked), model, key: RandomKey(seed: 0))
  }

  @Test(
    "padding's bucket comes after all others, of which two factors make more than was asked for")
  func manyBuckets() throws {
    let reformer = try reformer(chunk: 4, hashes: 2, buckets: 70)
    let most = Reformer.most(reformer.configuration, reformer.model)
    #expect(most == 80)
    #expect(reformer.rotations.map { 2 * $0.value.size(3) }.reduce(1, *) == most)
    let q = try Tensor.normal([1, 2, 4000, 4], key: RandomKey(seed: 3))
    let buckets = try Reformer.buckets(q, reformer.rotations.map(\.value)).integers()
    #expect(buckets.contains { $0 >= 70 } && buckets.allSatisfy { $0 < most })
  }

  /// In how many rounds i and j meet: same bucket, same chunk of the sorted real tokens or j's before.
  private static func meetings(_ buckets: [[Int]], _ n: Int, chunk: Int, _ i: Int, _ j: Int) -> Int
  {
    buckets.filter { bucket in
      let order = (0..<n).sorted { (bucket[$0], $0) < (bucket[$1], $1) }
      guard let a = order.firstIndex(of: i), let b = order.firstIndex(of: j) else { return false }
      let own = a / chunk
      let before = own == 0 ? (n - 1) / chunk : own - 1
      return bucket[i] == bucket[j] && (b / chunk == own || b / chunk == before)
    }.count
  }

  /// Dense attention over all pairs that meet, each with the logarithm of its weight added.
  private func reference(
    _ q: Tensor, _ v: Tensor, lengths: [Int], causal: Bool,
    weight: (_ row: Int, _ head: Int, _ i: Int, _ j: Int) -> Double
  ) throws -> Tensor {
    let (h, length) = (q.size(1), q.size(2))
    var weights: [Double] = []
    for (row, n) in lengths.enumerated() {
      for head in 0..<h {
        for i in 0..<length {
          for j in 0..<length {
            let allowed = i < n && j < n && (!causal || j <= i)
            weights.append(allowed ? weight(row, head, i, j) : 0)
          }
        }
      }
    }
    let shape = [lengths.count, h, length, length]
    let blocked = try Tensor.from(weights.map { $0 == 0 }, shape)
    let diagonal = (0..<(length * length)).map { $0 / length == $0 % length }
    let keys = try q / (q * q).sum([3], keep: true).squareRoot()
    let dots = try q.matmul(keys.transposed(2, 3)) * (1 / Double(q.size(3)).squareRoot())
    let logits = try dots + Tensor.from(weights.map { log(max($0, 1e-300)) }, shape)
    let filled = try logits.filled(where: .from(diagonal, [length, length]), -5e4)
      .filled(where: blocked, -1e30)
    return try filled.softmax(-1).matmul(v)
  }

  @Test(
    "outputs and gradients equal dense attention over the pairs that meet",
    arguments: [1, 7, 12, 33], [(3, 1), (4, 2), (5, 3), (40, 2)])
  func dense(length: Int, form: (Int, Int)) throws {
    let (chunk, hashes) = form
    let lengths = [length, (length + 1) / 2]
    let context = try Inputs.context(lengths, length)
    let table = (0..<2).map { row in
      (0..<2).map { head in
        (0..<hashes).map { r in (0..<length).map { ($0 * (3 + r) + row + 2 * head) % 7 % 4 } }
      }
    }  // [B][H][R][L]
    let flat = table.joined().joined().joined().map { Int64($0) }
    let buckets = try Tensor.from(Array(flat), [2, 2, hashes, length])
    for (once, causal) in [(true, false), (false, false), (true, true), (false, true)] {
      let mixer = try reformer(chunk: chunk, hashes: hashes, causal: causal, once: once)
      try expectSame(
        Array(Inputs.queriesKeysValues([2, 2, length, 4])[1...].reversed()), lengths: lengths,
        within: 1e-9, "once \(once), causal \(causal)",
        { try mixer.attend($0[1], $0[0], context, buckets: buckets, layer: 0) },
        {
          try reference($0[1], $0[0], lengths: lengths, causal: causal) { row, head, i, j in
            let count = Self.meetings(table[row][head], lengths[row], chunk: chunk, i, j)
            return once ? Double(min(count, 1)) : Double(count)
          }
        })
    }
  }

  @Test("it agrees with golden group `reformer`, the bucket of every token too")
  func golden() throws {
    let golden = try Golden("reformer")
    let q = try Inputs.fill([1, 1, 12, 4], 0.7, 0.1)
    let v = try Inputs.fill([1, 1, 12, 4], 2.1, 0.3)
    let rotation = try Inputs.fill([1, 1, 4, 2], 1.7, 0.5)
    let context = try Inputs.context([12], 12)
    let buckets = try Reformer.buckets(q, [rotation])
    #expect(try buckets.doubles() == golden.values("buckets"))
    // The file does not state the second rotation; fill([4, 2], 1.1, 0.1) is one that gives it.
    let second = try Reformer.buckets(q, [Inputs.fill([1, 1, 4, 2], 1.1, 0.1)])
    let two = try Tensor.concatenated([buckets, second], 2)
    let one = try Tensor.zeros([1, 1, 1, 12], .int64)
    let run = { (mixer: Reformer, buckets: Tensor) in
      try mixer.attend(q, v, context, buckets: buckets, layer: 0)
    }
    try golden.expect("out", run(reformer(chunk: 3), buckets))
    try golden.expect("causal", run(reformer(chunk: 3, causal: true), buckets))
    try golden.expect("two_rounds", run(reformer(chunk: 3, hashes: 2, once: false), two))
    for chunk in [12, 6] {
      try golden.expect("one", run(reformer(chunk: chunk, buckets: 1), one))
      try golden.expect("one_causal", run(reformer(chunk: chunk, buckets: 1, causal: true), one))
    }
  }

  @Test("rotations are even factors whose product is the number of buckets")
  func buckets() throws {
    for count in [2, 10, 64, 66, 256, 1024] {
      let factors = Reformer.factors(of: count)
      #expect(factors.allSatisfy { $0 % 2 == 0 && $0 <= 64 })
      #expect(factors.reduce(1, *) >= count && factors.reduce(1, *) <= count + count / 2)
    }
    let mixer = try reformer(chunk: 2, buckets: 0, maxLength: 400)
    #expect(mixer.rotations.count == 2)
    let q = try Inputs.queriesKeysValues([1, 2, 400, 4])[1].to(.float32)
    let found = try Reformer.buckets(q, mixer.rotations.map(\.value)).integers()
    let most = Reformer.factors(of: 200).reduce(1, *)
    #expect(found.allSatisfy { (0..<Int64(most)).contains($0) } && Set(found).count > 10)
  }

  @Test("with filled rows the number of buckets is that of transformers' code")
  func bucketsOfFilledRows() {
    let known = [(2000, [64]), (4000, [128]), (1024, [32]), (16384, [16, 32]), (64, [])]
    for (length, factors) in known {
      var model = ModelConfiguration()
      model.maxLength = length
      #expect(Reformer.factors(.init(filledRows: true), model) == factors, "\(length)")
    }
  }

  @Test("rotations are new in training, by the step's key, and fixed in evaluation")
  func rotations() throws {
    let mixer = try reformer(chunk: 4, buckets: 8)
    let x = try Inputs.fill([1, 40, 8], 0.7, 0.1).to(.float32)
    let run = { (step: Int?) in
      let key = RandomKey(seed: 3)["training"][step ?? 0]
      let context = try Context(
        lengths: [40], length: 40, examples: [0], key: key, training: step != nil)
      return try mixer(x, context, layer: 0).floats()
    }
    #expect(try run(nil) == run(nil))
    #expect(try run(1) == run(1))
    #expect(try run(1) != run(2))
  }

  @Test("more rounds come nearer to full attention when a pair counts once")
  func rounds() throws {
    let q = try Tensor.normal([1, 1, 64, 16], key: RandomKey(seed: 1)).to(.float64)
    let v = try Tensor.normal([1, 1, 64, 16], key: RandomKey(seed: 2)).to(.float64)
    let context = try Inputs.context([64], 64)
    let full = try reference(q, v, lengths: [64], causal: false) { _, _, _, _ in 1 }
    let error = { (rounds: Int, once: Bool) in
      let rotation = try Tensor.normal([rounds, 1, 16, 2], key: RandomKey(seed: 3)).to(.float64)
      let mixer = try reformer(chunk: 16, hashes: rounds, once: once)
      let out = try mixer.attend(
        q, v, context, buckets: Reformer.buckets(q, [rotation]), layer: 0)
      let off = try out - full
      return try ((off * off).sum().item() / 1024).squareRoot()
    }
    let once = try [1, 4, 16, 64].map { try error($0, true) }
    #expect(once[1] < once[0] && once[2] < once[1] && once[3] < 0.2 * once[0], "\(once)")
    #expect(try error(64, false) > 3 * once[3])
  }

  @Test("as released: ten unmasked chunks of the sorted sequence, logits times the root of E")
  func released() throws {
    let mixer = try reformer(chunk: 4, unmasked: true)
    let (q, v) = (
      try Inputs.fill([1, 2, 23, 4], 0.7, 0.1), try Inputs.fill([1, 2, 23, 4], 2.1, 0.3)
    )
    for rotation in mixer.rotations { try rotation.convert(to: .float64) }
    let found = try mixer.attendUnmasked(q, v, Inputs.context([15], 23), layer: 0).doubles()
    let queries = try q.doubles()
    let values = try v.doubles()
    let rotation = try mixer.rotations[0].value.doubles()  // [4, 5]
    var heads: [[Double]] = []  // [H][L' E]
    for head in 0..<2 {
      let at = { (all: [Double], t: Int, c: Int) in t < 23 ? all[(head * 23 + t) * 4 + c] : 0 }
      let bucket = (0..<30).map { t -> Int in
        let turned = (0..<5).map { f in
          (0..<4).reduce(0.0) { $0 + at(queries, t, $1) * rotation[$1 * 5 + f] }
        }
        let both = turned + turned.map { -$0 }
        return both.firstIndex(of: both.max() ?? 0) ?? 0
      }
      let order = (0..<30).sorted { (bucket[$0], $0) < (bucket[$1], $1) }
      var out = [Double](repeating: 0, count: 30 * 4)
      for rank in 0..<30 {
        let chunk = rank / 3
        let keys =
          order[(chunk * 3)..<(chunk * 3 + 3)]
          + order[((chunk + 9) % 10 * 3)..<((chunk + 9) % 10 * 3 + 3)]
        let weights = keys.map { key in
          exp(2 * (0..<4).reduce(0.0) { $0 + at(queries, order[rank], $1) * at(queries, key, $1) })
        }
        for (weight, key) in zip(weights, keys) {
          for c in 0..<4 {
            out[order[rank] * 4 + c] += weight / weights.reduce(0, +) * at(values, key, c)
          }
        }
      }
      heads.append(out)
    }
    // Heads side by side, then read as rows of 8 features.
    #expect(difference(found, Array((heads[0] + heads[1])[..<(23 * 8)])) < 1e-10)
    #expect(!mixer.parameters.contains { $0.name.hasPrefix("out") })
    let right = try reformer(chunk: 3, buckets: 10)
    let buckets = try Reformer.buckets(
      q, right.rotations.map { try $0.value.to(.float64) })
    let proper = try right.attend(q, v, Inputs.context([15], 23), buckets: buckets, layer: 0)
    let rows = try proper.transposed(1, 2).reshaped([1, 23, 8]).doubles()
    #expect(difference(found, rows) > 0.1)
  }

  @Test("sizes that make no sense are refused")
  func badConfiguration() {
    #expect(throws: AttentionError.self) { try reformer(chunk: 0) }
    #expect(throws: AttentionError.self) { try reformer(chunk: 4, hashes: 0) }
    #expect(throws: AttentionError.self) { try reformer(chunk: 4, buckets: 3) }
    #expect(throws: AttentionError.self) { try reformer(chunk: 4, causal: true, unmasked: true) }
    let model = ModelConfiguration()
    for once in [false, true] {
      var causal = model
      causal.causal = !once
      let keys = Reformer.Configuration(countPairsOnce: once, acrossBuckets: true)
      #expect(throws: AttentionError.self) {
        try Reformer(keys, causal, key: RandomKey(seed: 0))
      }
    }
  }
}
