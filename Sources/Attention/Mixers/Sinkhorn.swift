import Tensors

/// Sparse Sinkhorn attention: each block attends to itself and to one block that a sorting net chose.
///
/// A net scores, from the mean of each block's keys, where in the sequence the block belongs; Sinkhorn
/// iterations (rows and columns normalised in turn) make the scores a soft permutation S, and block r
/// attends to its own keys and to `Σ S_rc K_c`, in one softmax. Time is O(L·2b·D + n²), memory O(L·D + n²),
/// n = L/b blocks.
///
/// Deviation: in the paper (section 3) and in other code a block's scores say which blocks come to its own
/// place, R_rc = P(B_r)_c. Ours are the transpose, but in the causal form; `scores_of_place` has the paper's.
///
/// Keys and values at padding are zero before sorting, and blocks without tokens take no part, so padding
/// changes nothing. The causal form cannot use Sinkhorn (columns would tell of the future): row r is a
/// softmax over earlier blocks, scored from the mean of all keys up to its first token, and the first
/// block has only itself.
///
/// Tay and others 2020, arXiv 2002.11296, sections 3 and 4.
///
/// Tensors under `blocks.{i}.attn`:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `{q,k,v}` | [H E, D] + [H E] | projections to heads |
/// | `out` | [D, H E] + [D] | projection back |
/// | `sinkhorn.net` | [H, E, n] | scores of n places for a block's mean key |
public struct Sinkhorn: Mixer {
  /// The keys of `model.mixer`.
  public struct Configuration: ModelKeys {
    var blockSize = 64
    var iterations = 8
    var temperature = 0.75
    var gumbel = true
    var unsortedSum = false
    var scoresOfPlace = false

    /// What each key is.
    public static let keys: [ModelKey<Configuration>] = [
      .init(
        "block_size", \.blockSize,
        "Tokens of a block, b, at least 1; LRA has 50, and 64 for images."),
      .init("iterations", \.iterations, "Sinkhorn iterations, at least 1."),
      .init("temperature", \.temperature, "Temperature of the scores, above 0."),
      .init("gumbel", \.gumbel, "Gumbel noise on the scores in training."),
      .init(
        "unsorted_sum", \.unsortedSum,
        """
        What LRA's code really does \
        (lra_benchmarks/models/sinkhorn_transformer/sinkhorn_attention.py). Every n-th token \
        makes a group, the "sorted" block is the sum of all groups whatever the net says, and \
        the outputs of two softmaxes are added. Padded keys count, but for the mask of the own \
        block, which is laid out as if blocks were contiguous.
        """),
      .init(
        "scores_of_place", \.scoresOfPlace,
        """
        A block scores the blocks that come to its place, as in the paper, not the places that \
        it may go to; the causal form always does.
        """),
    ]

    /// What keys are that are not given.
    public static let defaults = Configuration()
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "sinkhorn", summary: "own block and a softly sorted one", time: "L 2b d",
    memory: "L d+n^2", directions: [.bidirectional, .causal], paper: "2002.11296")

  let heads: Heads
  let net: Parameter  // [H, E, n]
  let configuration: Configuration
  let causal: Bool
  let dropoutRate: Double

  /// Four projections and the sorting net.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    guard
      configuration.blockSize >= 1 && configuration.iterations >= 1 && configuration.temperature > 0
    else {
      throw AttentionError.badValue(
        Self.mechanism.name, "block_size and iterations are at least 1, temperature is above 0")
    }
    guard !(configuration.unsortedSum && model.causal) else {
      throw AttentionError.badValue(Self.mechanism.name, "unsorted_sum cannot be causal")
    }
    heads = try Heads(model, key: key)
    let n = Blocks(size: configuration.blockSize, length: model.positions).count
    net = try .normal(
      [model.numHeads, model.headWidth, n],
      deviation: (2 / Double(model.headWidth + n)).squareRoot(), key: key["net"]
    ).tiedToLength()
    self.configuration = configuration
    causal = model.causal
    dropoutRate = model.attentionDropoutRate
  }

  /// [B, L, D] to [B, L, D].
  public func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let qkv = try heads.packed(x, narrow: !configuration.unsortedSum)  // [B, L, 3, H, E]
    if configuration.unsortedSum {
      let (q, k, v) = try heads.parts(qkv)  // [B, H, L, E] each
      return try heads.merged(attendSum(q, k, v, context, layer: layer).transposed(1, 2))
    }
    let (q, k, v) = try heads.apart(qkv)  // [B, H, L, E] each
    let real = try context.realPositions()?.to(qkv.elementType)  // [B, 1, L, 1]
    let keys = try real.map { try k * $0 } ?? k
    let values = try real.map { try v * $0 } ?? v
    let sorting = try sortingWeights(keys.widened(), context, layer: layer)  // [B, H, n, n]
    let attended = try attend(q, keys, values, sorting: sorting, context, layer: layer)
    return try heads.merged(attended.transposed(1, 2))  // [B, L, D]
  }

  /// The projections; `sinkhorn.net` [H, E, n].
  public var parameters: [NamedParameter] {
    heads.parameters + [NamedParameter("sinkhorn.net", net)]
  }

  /// S from keys that are zero at padding: [B, H, L, E] to [B, H, n, n].
  func sortingWeights(_ k: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let blocks = Blocks(size: configuration.blockSize, length: k.size(2))
    let n = blocks.count
    let columns = try net.value.slice(0..<n, 2)  // [H, E, n]
    let tau = 1 / configuration.temperature
    let tokens = blocks.tokens(context)  // [B][n]
    let flags = { (isBlocked: (_ tokens: [Int], _ row: Int, _ column: Int) -> Bool) in
      let all = tokens.flatMap { own in
        (0..<(n * n)).map { isBlocked(own, $0 / n, $0 % n) }
      }
      return try Tensor.from(all, [tokens.count, 1, n, n]).to(k.device)
    }
    let size = blocks.size
    if causal {
      // The mean of everything up to a block's first token.
      let seen = try context.realPositions()?.to(k.elementType).runningSum(2)
      let ones = try Tensor.full([1, 1, k.size(2), 1], 1, k.elementType, on: k.device)
      let counts = try (seen ?? ones.runningSum(2)).clamped(least: 1)  // [B, 1, L, 1]
      let first = try blocks.cut(k.runningSum(2) / counts).select(0, 3)  // [B, H, n, E]
      let scores = try first.matmul(columns) * tau  // [B, H, n, n]
      let blocked = try flags { tokens, row, column in column >= row || tokens[column] == 0 }
      let noisy = try withNoise(scores, context, layer: layer)
      return try noisy.filled(where: blocked, blockedLogit).softmax(-1).filled(where: blocked, 0)
    }
    let counts = tokens.flatMap { $0.map { Double(max(1, $0)) } }
    let means =
      try blocks.cut(k).sum([3])
      / Tensor.from(counts, [tokens.count, 1, n, 1]).to(k.elementType).to(k.device)
    let scored = try means.matmul(columns) * tau  // [B, H, n, n]
    let scores = try configuration.scoresOfPlace ? scored : scored.transposed(2, 3)  // place, block
    let iterations = configuration.iterations
    let noisy = try withNoise(scores, context, layer: layer).widened()
    if noisy.takesKernels && context.hidden == nil {
      let sizes = context.lengths.map { Int64(($0 + size - 1) / size) }
      return try noisy.sinkhornNormalized(
        sizes: .from(sizes, [sizes.count]), iterations: iterations)
    }
    let blocked = try flags { tokens, row, column in tokens[row] == 0 || tokens[column] == 0 }
    // The matrices of the iterations are made again in the backward pass.
    return try Tensor.recomputing([noisy]) { inputs, _ in
      [try Self.sinkhorn(inputs[0], iterations: iterations, blocked: blocked)]
    }[0]
  }

  /// Rows and columns of exp(scores) normalised in turn; 0 where blocked.
  static func sinkhorn(_ scores: Tensor, iterations: Int, blocked: Tensor?) throws -> Tensor {
    let only = { (x: Tensor) in try blocked.map { try x.filled(where: $0, blockedLogit) } ?? x }
    var log = try only(scores)
    for _ in 0..<iterations {
      log = try only(log - log.logSumExp(-1))
      log = try only(log - log.logSumExp(-2))
    }
    return try log.exp()
  }

  /// Queries, keys and values [B, H, L, E] with S [B, H, n, n] to [B, H, L, E].
  func attend(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, sorting: Tensor, _ context: Context, layer: Int
  ) throws -> Tensor {
    let blocks = Blocks(size: configuration.blockSize, length: q.size(2))
    let (b, h, n, size) = (q.size(0), q.size(1), blocks.count, blocks.size)
    let weights = try sorting.to(k.elementType)
    // The sequence's own keys and behind them the sorted ones.
    let both = { (x: Tensor) in
      let sorted = try weights.matmul(blocks.cut(x).reshaped([b, h, n, size * x.size(3)]))
        .reshaped([b, h, n * size, x.size(3)])
      return try Tensor.concatenated([x.transposed(1, 2), sorted.transposed(1, 2)], 1)
        .transposed(1, 2)  // [B, H, L + n b, E]
    }
    return try context.attended(
      q, both(k), both(v), by: plan(blocks, context), scale: heads.scale, dropout: dropoutRate,
      layer: layer)
  }

  /// A group for each block: the keys of its sorted block, then its own.
  private func plan(_ blocks: Blocks, _ context: Context) throws -> AttentionPlan {
    try context.plan("sinkhorn", ragged: true) { groups, shown in
      for block in 0..<blocks.count {
        let first = block * blocks.size
        let own = first..<min(first + blocks.size, blocks.length)
        let queries = own.filter { shown($0) >= 0 }
        if queries.isEmpty { continue }
        // Slot p of a sorted block holds a token if a block that it is made of does.
        let sorted = (0..<blocks.size).map { slot in
          let places = stride(from: slot, to: causal ? first : blocks.length, by: blocks.size)
          return places.contains { shown($0) >= 0 } ? blocks.length + first + slot : -1
        }
        guard causal else {
          groups.add(queries: queries, keys: sorted + own.map(shown))
          continue
        }
        let earlier = block == 0 ? [] : sorted
        groups.add(
          queries: queries, keys: earlier + own.map(shown), shared: earlier.count,
          bounds: { 0...$0 }, code: { _, key in key })
      }
    }
  }

  /// As released: two softmaxes, over the token's group and over the sum of all groups.
  func attendSum(_ q: Tensor, _ k: Tensor, _ v: Tensor, _ context: Context, layer: Int) throws
    -> Tensor
  {
    let blocks = Blocks(size: configuration.blockSize, length: q.size(2))
    let (size, n) = (blocks.size, blocks.count)
    let grouped = { (x: Tensor) in
      try x.padded(after: blocks.paddedLength - blocks.length, 2)
        .reshaped([x.size(0), x.size(1), size, n, x.size(3)]).transposed(2, 3)
    }  // [B, H, n, b, E]
    var blocked: Tensor?
    if let flags = try context.blockedKeys(upTo: blocks.paddedLength) {
      let padding = try flags.reshaped([flags.size(0), 1, n, size])
      blocked = try padding.unsqueezed(3).or(padding.unsqueezed(4))  // [B, 1, n, b, b]
    }
    let weighted = { (keys: Tensor, values: Tensor, blocked: Tensor?) in
      let logits = try grouped(q).matmul(keys.transposed(3, 4)) * heads.scale
      let masked = try blocked.map { try logits.filled(where: $0, -1e10) } ?? logits
      return try context.dropout(
        masked.softmax(-1), dropoutRate, layer: layer, site: "attention.probability"
      ).matmul(values)
    }
    let own = try weighted(grouped(k), grouped(v), blocked)
    let all = try weighted(
      grouped(k).sum([2], keep: true), grouped(v).sum([2], keep: true), nil)
    return try (own + all).transposed(2, 3)  // [B, H, b, n, E]
      .reshaped([q.size(0), q.size(1), blocks.paddedLength, q.size(3)])
      .slice(0..<blocks.length, 2)
  }

  /// Gumbel noise in training, by example: -ln(-ln u).
  private func withNoise(_ scores: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    guard configuration.gumbel && context.training else { return scores }
    let (h, n, longest) = (net.value.size(0), scores.size(2), net.value.size(2))
    let key = context.key[layer]["gumbel"]
    let noise = try context.examples.integers().map { example in
      // Drawn for the longest sequence, so that padding does not change it.
      try Tensor.uniform([h, longest, longest], key: key[Int(example)])
        .slice(0..<n, 1).slice(0..<n, 2).unsqueezed(0)
    }
    let u = try (Tensor.concatenated(noise, 0) + 1) * 0.5
    let gumbel = try (u.clamped(least: 1e-9).log() * -1).clamped(least: 1e-9).log() * -1
    return try scores + gumbel.to(scores.elementType).to(scores.device)
      * (1 / configuration.temperature)
  }
}
