import Tensors

/// Reformer: each token attends to tokens that hash to the same bucket, near it in hash order.
///
/// Queries are keys too (keys have unit length). In every round random rotations give each token a
/// bucket; tokens are sorted by (bucket, position) and cut into chunks of c; a token attends to those of
/// its bucket in its own and the previous chunk, to itself only when there is nothing else. All rounds
/// together are one softmax, in which a pair that meets in several rounds counts once (as when ln N is taken
/// off the logits of one that meets in N), so that more rounds tend to full attention. Time is
/// O(rounds·L·2c) beside the sort, memory O(L).
///
/// Padded tokens have a last bucket of their own and are not attended; chunk 0 looks back at the chunk
/// of a row's last token; the number of buckets comes from the longest length. So padding changes
/// nothing. Rotations are new in every training step (by its key); evaluation uses the checkpoint's.
/// The causal form sees earlier tokens only; which of those one to two chunks away it meets depends on the
/// hash order of all tokens, as published.
///
/// Kitaev and others 2020, arXiv 2001.04451, section 2; the count correction from its appendix A.
///
/// Tensors under `blocks.{i}.attn`:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `qk` | [H E, D] + [H E] | queries, which are keys too |
/// | `v` | [H E, D] + [H E] | values |
/// | `out` | [D, H E] + [D] | projection back |
/// | `reformer.rotations{i}` | [R, H, E, f{i}] | buffer: R rounds, 2 f buckets for each factor |
public struct Reformer: Mixer {
  /// The keys of `model.mixer`.
  public struct Configuration: ModelKeys {
    var chunkLength = 64
    var numHashes = 2
    var numBuckets = 0
    var countPairsOnce = true
    var unmasked = false
    var acrossBuckets = false
    var unitLogits = false
    var filledRows = false
    var unbiased = false

    /// What each key is.
    public static let keys: [ModelKey<Configuration>] = [
      .init("chunk_length", \.chunkLength, "Tokens of a chunk, c, at least 1."),
      .init("n_hashes", \.numHashes, "Rounds, at least 1; LRA has 1."),
      .init(
        "n_buckets", \.numBuckets,
        """
        Buckets, 1 or even; 0 for about as many as the longest sequence has chunks, with \
        `filled_rows` twice as many as a filled row has. More than 64 are rounded up to a \
        product of two even numbers.
        """),
      .init(
        "count_pairs_once", \.countPairsOnce,
        "Whether a pair that meets in N rounds counts once; else it counts N times."),
      .init(
        "unmasked", \.unmasked,
        """
        What LRA's code really does (lra_benchmarks/models/reformer/reformer_attention.py). Ten \
        buckets and ten chunks, the same rotation everywhere and always, logits times √E of \
        queries with themselves, no mask of bucket, self or padding, heads laid side by side \
        without transposing, no output projection; 1 to 10 zeros of filling take part.
        """),
      .init(
        "across_buckets", \.acrossBuckets,
        """
        A token attends to those of other buckets too that are in its chunk or the one before. \
        So in transformers' LSHSelfAttention (3.3.1, modeling_reformer.py), which \
        mlpen/Nystromformer's and Skyformer's code for LRA run: it sorts by bucket and masks \
        none. Rounds form a ring there, in which the first chunk of one looks back at the last \
        chunk of the round before.
        """),
      .init(
        "unit_logits", \.unitLogits,
        """
        Logits are q·k of a key of length 1 (its square plus E·1e-6), not divided by √E, as \
        there.
        """),
      .init(
        "filled_rows", \.filledRows,
        """
        Chunk 0 looks back at the last chunk of a row filled to the next power of two of \
        `max_length`, as there; in a row that leaves it empty chunk 0 sees itself alone.
        """),
      .init(
        "unbiased", \.unbiased,
        "Queries and values have no bias, as there, whatever `qkv_bias` says of `out`."),
    ]

    /// What keys are that are not given.
    public static let defaults = Configuration()
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "reformer", summary: "softmax within hash buckets", time: "L 2c d",
    memory: "L d", directions: [.bidirectional, .causal], paper: "2001.04451")

  let query: Linear
  let value: Linear
  let out: Linear?
  /// For each factor of the number of buckets [rounds, H, E, factor / 2].
  let rotations: [Parameter]
  let configuration: Configuration
  let model: ModelConfiguration

  /// Shared queries and keys, values, output, rotations.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    let (c, buckets) = (configuration.chunkLength, configuration.numBuckets)
    guard c >= 1 && configuration.numHashes >= 1 else {
      throw AttentionError.badValue(
        Self.mechanism.name, "chunk_length and n_hashes are at least 1")
    }
    guard buckets == 1 || (buckets >= 0 && buckets % 2 == 0) else {
      throw AttentionError.badValue(Self.mechanism.name, "n_buckets is 1 or even, not \(buckets)")
    }
    guard model.position != .rotary else {
      throw AttentionError.badValue(Self.mechanism.name, "it has no rotary positions")
    }
    guard !configuration.unmasked || (model.qkvDim == model.embDim && !model.causal) else {
      throw AttentionError.badValue(
        Self.mechanism.name, "unmasked needs qkv_dim = emb_dim and cannot be causal")
    }
    let once = configuration.countPairsOnce && configuration.numHashes > 1
    guard !configuration.acrossBuckets || !(configuration.unmasked || model.causal || once) else {
      throw AttentionError.badValue(
        Self.mechanism.name,
        "across_buckets cannot be causal, and excludes unmasked and count_pairs_once")
    }
    let bias = model.qkvBias && !configuration.unbiased
    query = try model.linear(model.embDim, model.qkvDim, bias: bias, key: key["qk"])
    value = try model.linear(model.embDim, model.qkvDim, bias: bias, key: key["v"])
    out =
      configuration.unmasked
      ? nil : try model.linear(model.qkvDim, model.embDim, bias: model.qkvBias, key: key["out"])
    self.configuration = configuration
    self.model = model
    rotations = try Self.draw(
      configuration, model, key: configuration.unmasked ? RandomKey(seed: 0) : key["rotations"]
    ).map { try .buffer($0) }
  }

  /// [B, L, D] to [B, L, D].
  public func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let h = model.numHeads
    let q = try query(x).apart(heads: h)  // [B, H, L, E]
    let v = try value(x, narrow: true).apart(heads: h)  // [B, H, L, E]
    guard let out else { return try attendUnmasked(q, v, context, layer: layer) }
    let wide = try q.widened()
    let drawn =
      try context.training
      ? Self.draw(configuration, model, key: context.key[layer]["rotations"])
        .map { try $0.to(wide.elementType).to(q.device) }
      : rotations.map(\.value)
    let attended = try attend(
      q, v, context, buckets: withoutGradient { try Self.buckets(wide, drawn) }, layer: layer)
    return try out(attended.transposed(1, 2).reshaped([x.size(0), x.size(1), model.qkvDim]))
  }

  /// `qk`, `v`, `out`; the buffers `reformer.rotations{i}` [rounds, H, E, factor / 2].
  public var parameters: [NamedParameter] {
    query.parameters.prefixed("qk") + value.parameters.prefixed("v")
      + (out?.parameters.prefixed("out") ?? [])
      + rotations.enumerated().map { NamedParameter("reformer.rotations\($0)", $1) }
  }

  /// Queries (keys too) and values [B, H, L, E] with buckets [B, H, R, L] (int64) to [B, H, L, E].
  func attend(_ q: Tensor, _ v: Tensor, _ context: Context, buckets: Tensor, layer: Int) throws
    -> Tensor
  {
    let wide = try q.widened()
    let e = Double(q.size(3))
    let least = configuration.unitLogits ? e * 1e-6 : 1e-12
    let norm = try ((wide * wide).sum([-1], keep: true) + least).squareRoot()
    let order = HashOrder(
      chunk: configuration.chunkLength, causal: model.causal,
      countsOnce: configuration.countPairsOnce, acrossBuckets: configuration.acrossBuckets,
      filledLength: configuration.filledRows ? model.filledLength : nil)
    let plan = try order.plan(
      buckets, most: Self.most(configuration, model), lengths: context.lengths,
      hidden: context.hidden)
    return try context.attended(
      q, (wide / norm).to(q.elementType), v, by: plan,
      scale: configuration.unitLogits ? 1 : 1 / e.squareRoot(),
      dropout: model.attentionDropoutRate, layer: layer)
  }

  /// The bucket of every token in every round: [B, H, L, E] to [B, H, R, L] int64.
  static func buckets(_ q: Tensor, _ rotations: [Tensor]) throws -> Tensor {
    var bucket: Tensor?
    var stride = 1
    for rotation in rotations {
      let half = rotation.size(3)
      let turned = try q.unsqueezed(2).matmul(rotation.permuted([1, 0, 2, 3]))  // [B, H, R, L, f/2]
      let part = try Tensor.concatenated([turned, turned * -1], -1).argmax(-1)
      let digit = try part * .full([], Double(stride), .int64, on: q.device)
      bucket = try bucket.map { try $0 + digit } ?? digit
      stride *= 2 * half
    }
    let shape = [q.size(0), q.size(1), rotations.first?.size(0) ?? 1, q.size(2)]
    return try bucket ?? .zeros(shape, .int64, on: q.device)
  }

  /// Rotations for every factor of the number of buckets.
  private static func draw(
    _ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey
  ) throws -> [Tensor] {
    if configuration.unmasked { return [try .normal([1, 1, model.headWidth, 5], key: key)] }
    return try factors(configuration, model).enumerated().map { index, factor in
      try .normal(
        [configuration.numHashes, model.numHeads, model.headWidth, factor / 2], key: key[index])
    }
  }

  /// Buckets; at least one, or even.
  static func most(_ configuration: Configuration, _ model: ModelConfiguration) -> Int {
    factors(configuration, model).reduce(1, *)
  }

  /// Even factors of the number of buckets.
  static func factors(_ configuration: Configuration, _ model: ModelConfiguration) -> [Int] {
    let c = configuration.chunkLength
    if configuration.numBuckets > 0 { return factors(of: configuration.numBuckets) }
    guard configuration.filledRows else {
      let chunks = (model.positions + c - 1) / c
      return factors(of: chunks == 1 ? 1 : (chunks + 1) / 2 * 2)
    }
    // LSHSelfAttention: a power of two, at most twice the chunks, in two factors above its limit.
    guard model.filledLength > c else { return [] }
    let chunks = model.filledLength / c
    let power = Int.bitWidth - 1 - (2 * chunks).leadingZeroBitCount
    let limit = 2 * max(Int(Double(chunks).squareRoot()), c)
    return 1 << power <= limit ? [1 << power] : [1 << (power / 2), 1 << (power - power / 2)]
  }

  /// Even factors of about equal size, each at most 64: the paper's two-part hash for many buckets.
  static func factors(of buckets: Int) -> [Int] {
    if buckets == 1 { return [] }
    if buckets <= 64 { return [buckets] }
    let root = Int(Double(buckets).squareRoot().rounded(.up))
    let first = (root + 1) / 2 * 2
    let second = ((buckets + first - 1) / first + 1) / 2 * 2
    return [first, second]
  }

  /// As released; see `Configuration.unmasked`.
  func attendUnmasked(_ q: Tensor, _ v: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let (b, h, length, e) = (q.size(0), q.size(1), q.size(2), q.size(3))
    let filled = { (x: Tensor) in try x.padded(after: 10 - length % 10, 2) }
    let all = length / 10 * 10 + 10
    let (queries, values) = (try filled(q.widened()), try filled(v.widened()))
    let order = HashOrder(chunk: all / 10, causal: false, countsOnce: false, unmasked: true)
    let plan = try order.plan(
      Self.buckets(queries, rotations.map(\.value)), most: 10,
      lengths: [Int](repeating: all, count: b), hidden: nil)
    return try context.attended(
      queries, queries, values, by: plan, scale: Double(e).squareRoot(), dropout: 0, layer: layer
    ).reshaped([b, all, h * e]).slice(0..<length, 1)
  }
}
