import Tensors

/// Sparse Transformer: each token attends to its neighbourhood and to a thin net over the sequence.
///
/// Near and far keys, with s the block size (about √L):
/// - `strided`: near is less than s away; far is a multiple of s away.
/// - `fixed`: near is the token's own block of s; far are the last c tokens of every block.
///
/// Two layers, near then far, reach every earlier token through the residual stream. With s ~ √L time
/// and memory are O(L·√L). The published form is causal; the bidirectional one looks both ways. Padded
/// keys are not attended; a token with no far key (`heads` other than `union`) gets zeros.
///
/// Child and others 2019, arXiv 1904.10509, section 4.
public struct SparseTransformer: Mixer {
  /// The keys of `model.attention`.
  public struct Configuration: Codable, Sendable {
    /// `fixed` or `strided`.
    public var pattern = Pattern.fixed
    /// Tokens of a block and of a stride, s, at least 1.
    public var blockSize = 64
    /// Tokens at a block's end that all may attend to, c, in 1...s; `fixed` only.
    public var summarySize = 8
    /// How near and far share the work.
    public var heads = Sharing.union
    /// Causal even in a bidirectional model, as in LRA's code.
    public var causalPattern = false
    /// The first token attends to all, and all to it, as LRA's code does for its CLS vector.
    public var openFirstToken = false
    /// The first token of a block belongs to its summary too, as in LRA's code; `fixed` only.
    public var summaryOfFirst = false

    enum CodingKeys: String, CodingKey {
      case pattern, heads
      case blockSize = "block_size"
      case summarySize = "summary_size"
      case causalPattern = "causal_pattern"
      case openFirstToken = "open_first_token"
      case summaryOfFirst = "summary_of_first"
    }
  }

  /// Which tokens are far keys.
  public enum Pattern: String, Codable, Sendable { case fixed, strided }

  /// How heads use near and far keys.
  public enum Sharing: String, Codable, Sendable {
    /// Every head attends to both.
    case union
    /// The first half of the heads attends to near keys, the second to far ones.
    case split
    /// Even layers attend to near keys, odd ones to far keys.
    case alternate
  }

  /// Near keys, far keys, or both.
  enum Reach { case near, far, both }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "sparse_transformer", summary: "blocks and summaries, or strides",
    time: "L^1.5 d", memory: "L^1.5", directions: [.bidirectional, .causal],
    paper: "1904.10509")
  /// Fixed pattern, blocks of 64, summaries of 8.
  public static let defaults = Configuration()

  let heads: Heads
  let configuration: Configuration
  let causal: Bool
  let dropoutRate: Double

  /// Four projections and nothing else.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    let s = configuration.blockSize
    guard s >= 1 else {
      throw AttentionError.badValue(Self.mechanism.name, "block_size is at least 1, not \(s)")
    }
    guard configuration.pattern == .strided || (1...s).contains(configuration.summarySize) else {
      throw AttentionError.badValue(Self.mechanism.name, "summary_size is in 1...block_size")
    }
    guard !(configuration.openFirstToken && model.causal) else {
      throw AttentionError.badValue(Self.mechanism.name, "open_first_token cannot be causal")
    }
    guard configuration.heads != .split || model.numHeads % 2 == 0 else {
      throw AttentionError.badValue(Self.mechanism.name, "split needs an even num_heads")
    }
    heads = try Heads(model, key: key)
    self.configuration = configuration
    causal = model.causal || configuration.causalPattern
    dropoutRate = model.attentionDropoutRate
  }

  /// [B, L, D] to [B, L, D].
  public func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let (q, k, v) = try heads.split(x)  // [B, H, L, E] each
    let run = { (range: Range<Int>, reach: Reach) in
      try attend(
        q.slice(range, 1), k.slice(range, 1), v.slice(range, 1), context, reach, layer: layer)
    }
    let all = 0..<heads.numHeads
    let half = heads.numHeads / 2
    let attended: Tensor =
      switch configuration.heads {
      case .union: try run(all, .both)
      case .alternate: try run(all, layer % 2 == 0 ? .near : .far)
      case .split:
        try .concatenated([run(0..<half, .near), run(half..<heads.numHeads, .far)], 1)
      }
    return try heads.merged(attended.transposed(1, 2))  // [B, L, D]
  }

  /// The projections.
  public var parameters: [NamedParameter] { heads.parameters }

  /// Queries, keys and values [B, H, L, E] to [B, H, L, E].
  func attend(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ context: Context, _ reach: Reach, layer: Int
  ) throws -> Tensor {
    let blocks = Blocks(size: configuration.blockSize, length: q.size(2))
    let strided = configuration.pattern == .strided
    var sources: [KeySource] = []
    if reach != .far {
      sources.append(try strided ? window(q, k, v, blocks, context) : own(q, k, v, blocks, context))
    }
    if reach != .near {
      let both = reach == .both
      sources.append(
        try strided
          ? columns(q, k, v, blocks, context, withoutNear: both)
          : summaries(q, k, v, blocks, context, withoutNear: both))
    }
    if configuration.openFirstToken {
      sources.append(
        try KeySource(
          blocks.cut(q), k.slice(0..<1, 2).unsqueezed(2), v.slice(0..<1, 2).unsqueezed(2),
          scale: heads.scale, blocked: context.blockedKeys(upTo: 1).map { try open($0) }))
    }
    let out = try blocks.joined(context.attended(sources, dropout: dropoutRate, layer: layer))
    if !configuration.openFirstToken { return out }
    let all = try KeySource(
      q.slice(0..<1, 2), k, v, scale: heads.scale,
      blocked: context.blockedKeys(upTo: q.size(2)).map { try $0.reshaped([$0.size(0), 1, 1, -1]) })
    let first = try context.attended([all], dropout: dropoutRate, layer: layer)  // [B, H, 1, E]
    return try .concatenated([first, out.slice(1..<q.size(2), 2)], 2)
  }

  /// The token's own block of s.
  private func own(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ blocks: Blocks, _ context: Context
  ) throws -> KeySource {
    var blocked = try blocks.blockedWindows(context, before: 0, after: 0)  // [B, 1, n, 1, s]
    if causal {
      blocked = try blocked.or(mask(blocks.size, blocks.size, on: q.device) { $1 > $0 })
    }
    blocked = try blocked.or(firstToken(in: blocks, window: blocks.size, before: 0, q.device))
    return try KeySource(
      blocks.cut(q), blocks.cut(k), blocks.cut(v), scale: heads.scale, blocked: blocked)
  }

  /// Tokens less than s away: this block and its neighbours, cut to the window.
  private func window(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ blocks: Blocks, _ context: Context
  ) throws -> KeySource {
    let (s, after) = (blocks.size, causal ? 0 : 1)
    let outside = try mask(s, (2 + after) * s, on: q.device) { row, slot in
      let distance = slot - s - row  // key minus query
      return distance <= -s || distance >= (causal ? 1 : s)
    }
    var blocked = try blocks.blockedWindows(context, before: 1, after: after).or(outside)
    blocked = try blocked.or(firstToken(in: blocks, window: (2 + after) * s, before: 1, q.device))
    return try KeySource(
      blocks.cut(q), blocks.windows(k, before: 1, after: after),
      blocks.windows(v, before: 1, after: after), scale: heads.scale, blocked: blocked)
  }

  /// The last c tokens of every block; without near keys, of every other block.
  private func summaries(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ blocks: Blocks, _ context: Context, withoutNear: Bool
  ) throws -> KeySource {
    let (s, n) = (blocks.size, blocks.count)
    var places = Array((s - configuration.summarySize)..<s)
    if configuration.summaryOfFirst && places[0] != 0 { places.insert(0, at: 0) }
    let positions = (0..<n).flatMap { block in places.map { block * s + $0 } }
      .filter { !(configuration.openFirstToken && $0 == 0) }
    let count = positions.count
    let index = try Tensor.from(positions.map(Int64.init), [count]).to(q.device)
    let far = { (x: Tensor) in
      try x.padded(after: blocks.paddedLength - blocks.length, 2).picked(index, 2).unsqueezed(2)
    }  // [B, H, 1, n c, E]
    let keyBlock = try index.quotient(by: s).reshaped([1, 1, count])
    let queryBlock = try Tensor.integers(0..<n, on: q.device).reshaped([n, 1, 1])
    var blocked = try context.blockedKeys(upTo: blocks.paddedLength)
      .map { try $0.picked(index, 1).reshaped([$0.size(0), 1, 1, 1, count]) }
    if withoutNear { blocked = try blocked.or(keyBlock.equal(queryBlock)) }  // [n, 1, n c]
    if causal {
      let queries = try Tensor.integers(0..<(n * s), on: q.device).reshaped([n, s, 1])
      blocked = try blocked.or(queries.less(than: index.reshaped([1, 1, count])))  // [n, s, n c]
    }
    return try KeySource(blocks.cut(q), far(k), far(v), scale: heads.scale, blocked: blocked)
  }

  /// Tokens a multiple of s away: the same place of every block; without near keys, of every other.
  private func columns(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ blocks: Blocks, _ context: Context, withoutNear: Bool
  ) throws -> KeySource {
    let (s, n) = (blocks.size, blocks.count)
    let turned = { (x: Tensor) in try blocks.cut(x).transposed(2, 3) }  // [B, H, s, n, E]
    let between = try turned(q).matmul(turned(k).transposed(3, 4)) * heads.scale  // [B, H, s, n, n]
    let values = try turned(v)
    var blocked = try context.blockedKeys(upTo: blocks.paddedLength)
      .map { try $0.reshaped([$0.size(0), 1, 1, n, s]).transposed(3, 4) }  // [B, 1, 1, s, n]
    if causal || withoutNear {
      let rows = try mask(n, n, on: q.device) { query, key in
        (causal && key > query) || (withoutNear && key == query)
      }
      blocked = try blocked.or(rows.reshaped([n, 1, n]))
    }
    if configuration.openFirstToken {
      let first = try mask(s, n, on: q.device) { $0 == 0 && $1 == 0 }
      blocked = try blocked.or(first.unsqueezed(0))
    }
    return KeySource(logits: try between.transposed(2, 3), blocked: blocked) { weights in
      try weights.transposed(2, 3).matmul(values).transposed(2, 3)  // [B, H, n, s, E]
    }
  }

  /// Where near keys hold the open first token, which has a source of its own; nil without one.
  private func firstToken(in blocks: Blocks, window: Int, before: Int, _ device: Device) throws
    -> Tensor?
  {
    guard configuration.openFirstToken else { return nil }
    let s = blocks.size
    return try mask(blocks.count, window, on: device) { ($0 - before) * s + $1 == 0 }
      .unsqueezed(1)  // [n, 1, w]
  }

  /// [B, 1] to [B, 1, 1, 1, 1].
  private func open(_ flags: Tensor) throws -> Tensor {
    try flags.reshaped([flags.size(0), 1, 1, 1, 1])
  }
}
