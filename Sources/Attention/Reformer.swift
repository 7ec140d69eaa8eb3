import Tensors

/// Reformer: each token attends to tokens that hash to the same bucket, near it in hash order.
///
/// Queries are keys too (keys have unit length). In every round random rotations give each token a
/// bucket; tokens are sorted by (bucket, position) and cut into chunks of c; a token attends to those of
/// its bucket in its own and the previous chunk, to itself only when there is nothing else. Rounds are
/// combined by their log-sum-exp. A pair that meets in N rounds has ln N taken from its logits, so that
/// several rounds tend to the softmax over the union. Time and memory are O(rounds·L·2c) beside the sort.
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
  /// The keys of `model.attention`.
  public struct Configuration: Codable, Sendable {
    /// Tokens of a chunk, c, at least 1.
    public var chunkLength = 64
    /// Rounds, at least 1; LRA has 1.
    public var numHashes = 2
    /// Buckets, 1 or even; 0 for about as many as the longest sequence has chunks.
    ///
    /// More than 64 are rounded up to a product of two even numbers.
    public var numBuckets = 0
    /// Takes ln N off pairs that meet in N rounds; without it a pair counts N times.
    public var countPairsOnce = true
    /// What LRA's code really does (spec/models.md 8 d).
    ///
    /// Ten buckets and ten chunks, the same rotation everywhere and always, logits times √E of queries
    /// with themselves, no mask of bucket, self or padding, heads laid side by side without transposing,
    /// no output projection; 1 to 10 zeros of filling take part.
    public var unmasked = false

    enum CodingKeys: String, CodingKey {
      case unmasked
      case chunkLength = "chunk_length"
      case numHashes = "n_hashes"
      case numBuckets = "n_buckets"
      case countPairsOnce = "count_pairs_once"
    }
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "reformer", summary: "softmax within hash buckets", time: "L 2c d",
    memory: "L 2c", directions: [.bidirectional, .causal], paper: "2001.04451")
  /// Chunks of 64, two rounds.
  public static let defaults = Configuration()

  /// The logit of a token with itself, where every other one that is allowed wins.
  static let selfLogit = -5e4

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
    query = try Linear(model.embDim, model.qkvDim, bias: model.qkvBias, key: key["qk"])
    value = try Linear(model.embDim, model.qkvDim, bias: model.qkvBias, key: key["v"])
    out =
      configuration.unmasked
      ? nil : try Linear(model.qkvDim, model.embDim, bias: model.qkvBias, key: key["out"])
    self.configuration = configuration
    self.model = model
    rotations = try Self.draw(
      configuration, model, key: configuration.unmasked ? RandomKey(seed: 0) : key["rotations"]
    ).map { try .buffer($0) }
  }

  /// [B, L, D] to [B, L, D].
  public func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let (q, v) = (try split(query, x), try split(value, x))  // [B, H, L, E]
    guard let out else { return try attendUnmasked(q, v, context, layer: layer) }
    let drawn =
      try context.training
      ? Self.draw(configuration, model, key: context.key[layer]["rotations"])
        .map { try $0.to(q.elementType).to(q.device) }
      : rotations.map(\.value)
    let attended = try attend(
      q, v, context, buckets: withoutGradient { try Self.buckets(q, drawn) }, layer: layer)
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
    let rounds = try Rounds(
      buckets, context, chunk: configuration.chunkLength, most: Self.most(configuration, model))
    let filled = { (x: Tensor) in try x.padded(after: rounds.length - x.size(2), 2) }
    let norm = try ((q * q).sum([-1], keep: true) + 1e-12).squareRoot()
    let queries = try rounds.gathered(filled(q), rounds.order)  // [B, H, R, n, c, E]
    let keys = try rounds.gathered(filled(q / norm), rounds.keyOrder)  // [B, H, R, n, 2c, E]
    let values = try rounds.gathered(filled(v), rounds.keyOrder)
    var logits = try queries.matmul(keys.transposed(-2, -1)) * (1 / Double(q.size(3)).squareRoot())
    if buckets.size(2) > 1 && configuration.countPairsOnce {
      logits = try logits - rounds.meetings().to(logits.elementType).log()
    }
    let t = try rounds.order.unsqueezed(-1)  // [B, H, R, n, c, 1]
    let s = try rounds.keyOrder.unsqueezed(-2)  // [B, H, R, n, 1, 2c]
    logits = try logits.filled(where: t.equal(s), Self.selfLogit)
    var blocked = try rounds.strangers()
    if model.causal { blocked = try blocked.or(t.less(than: s)) }
    logits = try logits.filled(where: blocked, blockedLogit)
    let total = try logits.logSumExp(-1)  // [B, H, R, n, c, 1]
    let weights = try context.dropout(
      (logits - total).exp(), model.attentionDropoutRate, layer: layer,
      site: "attention.probability")
    let outputs = try rounds.restored(weights.matmul(values))  // [B, H, R, L, E]
    let shares = try rounds.restored(total).softmax(2)  // [B, H, R, L, 1]
    return try (outputs * shares).sum([2]).slice(0..<q.size(2), 2)  // [B, H, L, E]
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
    return try factors(of: most(configuration, model)).enumerated().map { index, factor in
      try .normal(
        [configuration.numHashes, model.numHeads, model.headWidth, factor / 2], key: key[index])
    }
  }

  /// Buckets; at least one, or even.
  static func most(_ configuration: Configuration, _ model: ModelConfiguration) -> Int {
    let chunks = (model.positions + configuration.chunkLength - 1) / configuration.chunkLength
    let usual = chunks == 1 ? 1 : (chunks + 1) / 2 * 2
    let wanted = configuration.numBuckets > 0 ? configuration.numBuckets : usual
    return factors(of: wanted).reduce(1, *)
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

  private func split(_ linear: Linear, _ x: Tensor) throws -> Tensor {
    try linear(x).widened()
      .reshaped([x.size(0), x.size(1), model.numHeads, model.headWidth]).transposed(1, 2)
  }

  /// As released; see `Configuration.unmasked`.
  func attendUnmasked(_ q: Tensor, _ v: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let (b, h, length, e) = (q.size(0), q.size(1), q.size(2), q.size(3))
    let filled = { (x: Tensor) in try x.padded(after: 10 - length % 10, 2) }
    let all = length / 10 * 10 + 10
    let one = try Self.buckets(filled(q), rotations.map(\.value))
    let whole = try Context(
      lengths: [Int](repeating: all, count: b), length: all,
      examples: context.examples.integers().map(Int.init), key: context.key,
      training: context.training, device: q.device)
    let rounds = try Rounds(one, whole, chunk: all / 10, most: 10)
    let keys = try rounds.gathered(filled(q), rounds.keyOrder)
    let logits =
      try rounds.gathered(filled(q), rounds.order).matmul(keys.transposed(-2, -1))
      * Double(e).squareRoot()
    let mixed = try logits.softmax(-1).matmul(rounds.gathered(filled(v), rounds.keyOrder))
    return try rounds.restored(mixed).select(0, 2)  // [B, H, L', E]
      .reshaped([b, all, h * e]).slice(0..<length, 1)
  }
}

/// Tokens in hash order: which chunk each is in, and whom it meets there.
private struct Rounds {
  /// Tokens, filled up to whole chunks.
  let length: Int
  /// Positions in hash order [B, H, R, n, c].
  let order: Tensor
  /// Positions of the keys of each chunk, its own and those of the chunk before [B, H, R, n, 2c].
  let keyOrder: Tensor
  private let buckets: Tensor  // [B, H, R, L], padding in a last bucket
  private let sorted: Tensor  // [B, H, R, L], positions in hash order
  private let before: Tensor  // [B, n], the chunk before
  private let blockedKeys: Tensor?  // [B or 1, L]

  init(_ given: Tensor, _ context: Context, chunk: Int, most: Int) throws {
    let (b, h, r) = (given.size(0), given.size(1), given.size(2))
    let n = (given.size(3) + chunk - 1) / chunk
    length = n * chunk
    blockedKeys = try context.blockedKeys(upTo: length)
    let device = given.device
    var buckets = try given.padded(after: n * chunk - given.size(3), 3)
    if let blockedKeys {
      buckets = try buckets.filled(
        where: blockedKeys.reshaped([blockedKeys.size(0), 1, 1, n * chunk]), Double(most))
    }
    self.buckets = buckets
    let places = try Tensor.integers(0..<(n * chunk), on: device)
    let key = try buckets * .full([], Double(n * chunk), .int64, on: device) + places
    sorted = try key.sortingOrder(-1)  // [B, H, R, L]
    order = try sorted.reshaped([b, h, r, n, chunk])
    let previous = context.lengths.map { real in
      (0..<n).map { $0 == 0 ? Int64(max(0, real - 1) / chunk) : Int64($0 - 1) }
    }
    before = try .from(Array(previous.joined()), [b, n]).to(device)
    let back = try order.gathered(
      before.reshaped([b, 1, 1, n, 1]).expanded([b, h, r, n, chunk]), 3)
    keyOrder = try .concatenated([order, back], -1)
  }

  /// Rows of x [B, H, L, E] at positions [B, H, R, n, m]: [B, H, R, n, m, E].
  func gathered(_ x: Tensor, _ positions: Tensor) throws -> Tensor {
    let (b, h) = (x.size(0), x.size(1))
    let bases = try Tensor.from((0..<(b * h)).map { Int64($0 * length) }, [b, h, 1, 1, 1])
      .to(x.device)
    return try x.reshaped([b * h * length, x.size(3)])
      .picked((positions + bases).reshaped([-1]), 0).reshaped(positions.shape + [x.size(3)])
  }

  /// From hash order back to positions: [B, H, R, n, c, F] to [B, H, R, L, F].
  func restored(_ x: Tensor) throws -> Tensor {
    let (b, h, r, width) = (x.size(0), x.size(1), x.size(2), x.size(5))
    let bases = try Tensor.from((0..<(b * h * r)).map { Int64($0 * length) }, [b, h, r, 1])
      .to(x.device)
    let places = try sorted.sortingOrder(-1) + bases  // [B, H, R, L]
    return try x.reshaped([b * h * r * length, width])
      .picked(places.reshaped([-1]), 0).reshaped([b, h, r, length, width])
  }

  /// Keys of another bucket, padding, and what the look back repeats: [B, H, R, n, c, 2c].
  func strangers() throws -> Tensor {
    let own = try codes(buckets, order).unsqueezed(-1)
    let theirs = try codes(buckets, keyOrder).unsqueezed(-2)
    var blocked = try own.equal(theirs).not()
    if let blockedKeys {
      let flags = try blockedKeys.to(.int64).reshaped([blockedKeys.size(0), 1, 1, length])
        .expanded(buckets.shape)
      blocked = try blocked.or(codes(flags, keyOrder).unsqueezed(-2).to(.bool))
    }
    // A chunk that would look back at itself does not.
    let (b, n, c) = (before.size(0), before.size(1), order.size(4))
    let same = try before.equal(.integers(0..<n, on: before.device)).reshaped([b, 1, 1, n, 1, 1])
    return try blocked.or(same.and(mask(1, 2 * c, on: before.device) { $1 >= c }))
  }

  /// In how many rounds query and key meet, at least 1: [B, H, R, n, c, 2c].
  func meetings() throws -> Tensor {
    let (b, h, r, n, c) = (
      order.size(0), order.size(1), order.size(2), order.size(3), order.size(4)
    )
    let chunk = try sorted.sortingOrder(-1).quotient(by: c)  // [B, H, R, L]
    let previous = try before.reshaped([b, 1, 1, n]).expanded([b, h, r, n]).gathered(chunk, 3)
    var count: Tensor?
    for round in 0..<r {
      let look = { (table: Tensor, positions: Tensor) in
        try codes(table.slice(round..<(round + 1), 2).expanded(table.shape), positions)
      }
      let bucket = try look(buckets, order).unsqueezed(-1)
        .equal(look(buckets, keyOrder).unsqueezed(-2))
      let place = try look(chunk, keyOrder).unsqueezed(-2)
      let near = try look(chunk, order).unsqueezed(-1).equal(place)
        .or(look(previous, order).unsqueezed(-1).equal(place))
      let meet = try bucket.and(near).to(.int64)
      count = try count.map { try $0 + meet } ?? meet
    }
    let total = try count ?? .full([], 1, .int64, on: order.device)
    return try total.clamped(least: 1)
  }

  /// Values of a table [B, H, R, L] at positions [B, H, R, n, m].
  private func codes(_ table: Tensor, _ positions: Tensor) throws -> Tensor {
    let (b, h, r) = (positions.size(0), positions.size(1), positions.size(2))
    return try table.gathered(positions.reshaped([b, h, r, -1]), 3).reshaped(positions.shape)
  }
}
