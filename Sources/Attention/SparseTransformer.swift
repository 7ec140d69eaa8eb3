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
///
/// Tensors under `blocks.{i}.attn`:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `{q,k,v}` | [H E, D] + [H E] | projections to heads |
/// | `out` | [D, H E] + [D] | projection back |
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
    /// The first token attends to all, and all to it, as LRA's code does for its CLS vector; blocks
    /// and strides begin behind it.
    public var openFirstToken = false
    /// The first token of a block belongs to its summary too, as in LRA's code; `fixed` only.
    public var summaryOfFirst = false
    /// Queries at padding attend to all positions alike, as in LRA's code, which masks them too.
    public var uniformPaddedQueries = false

    enum CodingKeys: String, CodingKey {
      case pattern, heads
      case blockSize = "block_size"
      case summarySize = "summary_size"
      case causalPattern = "causal_pattern"
      case openFirstToken = "open_first_token"
      case summaryOfFirst = "summary_of_first"
      case uniformPaddedQueries = "uniform_padded_queries"
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
    let qkv = try heads.packed(x)  // [B, L, 3, H, E]
    let run = { (range: Range<Int>, reach: Reach) in
      try attend(qkv.slice(range, 3), context, reach, layer: layer)
    }
    let all = 0..<heads.numHeads
    let half = heads.numHeads / 2
    var attended: Tensor =
      switch configuration.heads {
      case .union: try attend(qkv, context, .both, layer: layer)
      case .alternate: try attend(qkv, context, layer % 2 == 0 ? .near : .far, layer: layer)
      case .split:
        try .concatenated([run(0..<half, .near), run(half..<all.upperBound, .far)], 2)
      }
    if configuration.uniformPaddedQueries {
      attended = try context.uniformAtPadding(
        attended.transposed(1, 2), qkv.widened().select(2, 2).transposed(1, 2)
      ).transposed(1, 2)
    }
    return try heads.merged(attended)  // [B, L, D]
  }

  /// The projections.
  public var parameters: [NamedParameter] { heads.parameters }

  /// Queries, keys and values [B, L, 3, H, E] to [B, L, H, E].
  func attend(_ qkv: Tensor, _ context: Context, _ reach: Reach, layer: Int) throws -> Tensor {
    if configuration.pattern == .fixed {
      return try context.attended(
        qkv, by: fixedPlan(context, reach, length: qkv.size(1)), scale: heads.scale,
        dropout: dropoutRate, layer: layer)
    }
    let part = { (index: Int) in try qkv.widened().select(index, 2).transposed(1, 2) }
    let (q, k, v) = (try part(0), try part(1), try part(2))  // [B, H, L, E]
    guard configuration.openFirstToken && q.size(2) > 1 else {
      return try attendStrided(q, k, v, context, reach, layer: layer, open: nil).transposed(1, 2)
    }
    let tail = { (x: Tensor) in try x.slice(1..<x.size(2), 2) }
    let rest = try attendStrided(
      tail(q), tail(k), tail(v), context.withoutFirstPosition(), reach, layer: layer,
      open: (k.slice(0..<1, 2), v.slice(0..<1, 2), context.blockedKeys(upTo: 1)))
    let first = try context.attendedOwn(
      q.slice(0..<1, 2), k, v, scale: heads.scale, dropout: dropoutRate, layer: layer)
    return try Tensor.concatenated([first, rest], 2).transposed(1, 2)
  }

  /// The fixed pattern: own block, summaries, or both; an open first token is no part of any block.
  private func fixedPlan(_ context: Context, _ reach: Reach, length: Int) throws -> AttentionPlan {
    let s = configuration.blockSize
    let open = configuration.openFirstToken && length > 1 ? 1 : 0
    var places = Array((s - configuration.summarySize)..<s)
    if configuration.summaryOfFirst && places[0] != 0 { places.insert(0, at: 0) }
    return try context.plan("\(configuration) \(reach) \(causal) \(length)") { groups, shown in
      if open == 1 {
        // It sees all, whatever its order.
        groups.add(
          queries: 0..<1, keys: (0..<length).map(shown), bounds: { _ in 0...length },
          code: { max(0, $1) })
      }
      let starts = Array(stride(from: open, to: length, by: s))
      for first in starts {
        let queries = first..<min(first + s, length)
        var keys = open == 1 ? [shown(0)] : []
        if reach != .far { keys += queries.map(shown) }
        if reach != .near {
          for other in starts where other != first || reach == .far {
            keys += places.map { other + $0 }.filter { $0 < length }.map(shown)
          }
        }
        groups.add(
          queries: queries, keys: keys, bounds: { 0...(causal ? $0 : length) },
          code: { max(0, $1) })
      }
    }
  }

  /// The strided pattern; an open token's key and value [B, H, 1, E] are for every query.
  ///
  /// [B, H, L, E] to [B, H, L, E].
  private func attendStrided(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ context: Context, _ reach: Reach, layer: Int,
    open: (key: Tensor, value: Tensor, blocked: Tensor?)?
  ) throws -> Tensor {
    let blocks = Blocks(size: configuration.blockSize, length: q.size(2))
    var sources: [KeySource] = []
    if reach != .far { sources.append(try window(q, k, v, blocks, context)) }
    if reach != .near {
      sources.append(try columns(q, k, v, blocks, context, withoutNear: reach == .both))
    }
    if let open {
      sources.append(
        try KeySource(
          blocks.cut(q), open.key.unsqueezed(2), open.value.unsqueezed(2), scale: heads.scale,
          blocked: open.blocked.map { try $0.reshaped([$0.size(0), 1, 1, 1, 1]) }))
    }
    return try blocks.joined(context.attended(sources, dropout: dropoutRate, layer: layer))
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
    let blocked = try blocks.blockedWindows(context, before: 1, after: after).or(outside)
    return try KeySource(
      blocks.cut(q), blocks.windows(k, before: 1, after: after),
      blocks.windows(v, before: 1, after: after), scale: heads.scale, blocked: blocked)
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
    return KeySource(logits: try between.transposed(2, 3), blocked: blocked) { weights in
      try weights.transposed(2, 3).matmul(values).transposed(2, 3)  // [B, H, n, s, E]
    }
  }
}
