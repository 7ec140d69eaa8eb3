import Tensors

/// Sparse Transformer: each token attends to its neighbourhood and to a thin net over the sequence.
///
/// Near and far keys, with s the block size (about √L):
/// - `strided`: near is less than s away; far is a multiple of s away.
/// - `fixed`: near is the token's own block of s; far are the last c tokens of every block.
///
/// Two layers, near then far, reach every earlier token through the residual stream. With s ~ √L time
/// is O(L·√L·D), memory O(L·D). The published form is causal; the bidirectional one looks both ways. Padded
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
  /// The keys of `model.mixer`.
  public struct Configuration: ModelKeys {
    var pattern = Pattern.fixed
    var blockSize = 64
    var summarySize = 8
    var heads = Sharing.union
    var causalPattern = false
    var openFirstToken = false
    var summaryOfFirst = false
    var uniformPaddedQueries = false

    /// What each key is.
    public static let keys: [ModelKey<Configuration>] = [
      .init("pattern", \.pattern, "`fixed` or `strided`."),
      .init("block_size", \.blockSize, "Tokens of a block and of a stride, s, at least 1."),
      .init(
        "summary_size", \.summarySize,
        "Tokens at a block's end that all may attend to, c, in 1...s; `fixed` only."),
      .init("heads", \.heads, "How near and far share the work."),
      .init(
        "causal_pattern", \.causalPattern,
        "Causal even in a bidirectional model, as in LRA's code."),
      .init(
        "open_first_token", \.openFirstToken,
        """
        The first token attends to all, and all to it, as LRA's code does for its CLS vector; \
        blocks and strides begin behind it.
        """),
      .init(
        "summary_of_first", \.summaryOfFirst,
        "The first token of a block belongs to its summary too, as in LRA's code; `fixed` only."),
      .init(
        "uniform_padded_queries", \.uniformPaddedQueries,
        """
        Queries at padding attend to all positions alike, as in LRA's code, which masks them \
        too.
        """),
    ]

    /// What keys are that are not given.
    public static let defaults = Configuration()
  }

  /// Which tokens are far keys.
  public enum Pattern: String, CaseIterable, Sendable { case fixed, strided }

  /// How heads use near and far keys.
  public enum Sharing: String, CaseIterable, Sendable {
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
    time: "L^1.5 d", memory: "L d", directions: [.bidirectional, .causal],
    paper: "1904.10509")

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
    let qkv = try heads.packed(x, narrow: true)  // [B, L, 3, H, E]
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
    let plan = configuration.pattern == .fixed ? fixedPlan : stridedPlan
    return try context.attended(
      qkv, by: plan(context, reach, qkv.size(1)), scale: heads.scale, dropout: dropoutRate,
      layer: layer)
  }

  /// The fixed pattern: own block, summaries, or both; an open first token is no part of any block.
  private func fixedPlan(_ context: Context, _ reach: Reach, _ length: Int) throws -> AttentionPlan
  {
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

  /// The strided pattern: tokens less than s away, those a multiple of s away, or both.
  private func stridedPlan(_ context: Context, _ reach: Reach, _ length: Int) throws
    -> AttentionPlan
  {
    let s = configuration.blockSize
    let open = configuration.openFirstToken && length > 1 ? 1 : 0
    return try context.plan("\(configuration) \(reach) \(causal) \(length)") { groups, shown in
      let last = { (query: Int) in causal ? query : length }
      let code = { (_: Int, key: Int) in max(0, key) }
      // An open first token sees all, whatever its order, and all see it.
      let first = open == 1 ? [shown(0)] : []
      let isBoth = reach == .both
      // Of the groups of all examples, should each have its own.
      var itself = groups.avoidances.first ?? AttentionPlan.Avoidance()
      if open == 1 {
        groups.add(
          queries: 0..<1, keys: (0..<length).map(shown), bounds: { _ in 0...length }, code: code)
        itself.add(queries: [nil], codes: (0..<length).map(shown))
      }
      for start in stride(from: open, to: length, by: s) where reach != .far {
        let queries = start..<min(start + s, length)
        let end = causal ? queries.upperBound : min(queries.upperBound + s - 1, length)
        let keys = first + (max(open, start - s + 1)..<end).map(shown)
        groups.add(
          queries: queries, keys: keys, shared: open,
          bounds: { max(0, $0 - s + 1)...min(last($0), $0 + s - 1) }, code: code)
        itself.add(queries: queries.map { _ in nil }, codes: keys)
      }
      for start in open..<max(open, min(open + s, length)) where reach != .near {
        let queries = stride(from: start, to: length, by: s)
        let keys = (isBoth ? [] : first) + queries.map(shown)
        groups.add(
          round: isBoth ? 1 : 0, queries: queries, keys: keys, shared: isBoth ? 0 : open,
          bounds: { 0...last($0) }, code: code)
        itself.add(queries: queries.map { $0 }, codes: keys)
      }
      // A query is among the near keys already.
      if isBoth { groups.avoidances = [itself] }
    }
  }
}
