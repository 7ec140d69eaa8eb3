import Tensors

/// Longformer: a sliding window for every token, and a few global tokens that see and are seen by all.
///
/// A token attends to the w/2 tokens on each side (of every d-th with dilation d) and to the global
/// tokens; a global token attends to all tokens through queries, keys and values of its own, which begin
/// as copies of the others. Time is O(L·w·D + L·g·D), memory O(L·w): windows are cut from three
/// neighbouring blocks. Padded keys are not attended. The causal form looks back only, at global tokens
/// too.
///
/// Beltagy and others 2020, arXiv 2004.05150, section 3.
///
/// Tensors under `blocks.{i}.attn`:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `{q,k,v}` | [H E, D] + [H E] | projections to heads |
/// | `out` | [D, H E] + [D] | projection back |
/// | `longformer.{q,k,v}_global` | [H E, D] + [H E] | of global tokens; not used without any |
public struct Longformer: Mixer {
  /// The keys of `model.attention`.
  public struct Configuration: Codable, Sendable {
    /// Width w of the window, both sides together, at least 2.
    public var window = 512
    /// How many tokens at the beginning are global, g; LRA's code has none.
    public var globalTokens = 1
    /// Every how many tokens one belongs to the window, d, at least 1.
    public var dilation = 1
    /// LRA's uneven window: w/2 - 1 tokens before and w/2 after (its code counts the token itself).
    public var unevenWindow = false
    /// Queries at padding attend to all positions alike, as in LRA's code, which masks them too.
    public var uniformPaddedQueries = false

    enum CodingKeys: String, CodingKey {
      case window, dilation
      case globalTokens = "global_tokens"
      case unevenWindow = "uneven_window"
      case uniformPaddedQueries = "uniform_padded_queries"
    }
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "longformer", summary: "sliding window and global tokens", time: "L (w+g) d",
    memory: "L w", directions: [.bidirectional, .causal], paper: "2004.05150")
  /// A window of 512, the first token global.
  public static let defaults = Configuration()

  let heads: Heads
  /// Projections of global tokens: query, key, value.
  let globals: [Linear]
  let configuration: Configuration
  let causal: Bool
  let dropoutRate: Double

  /// Four projections, and three more for global tokens.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    guard
      configuration.window >= 2 && configuration.globalTokens >= 0 && configuration.dilation >= 1
    else {
      throw AttentionError.badValue(
        Self.mechanism.name, "window is at least 2, global_tokens at least 0, dilation at least 1")
    }
    heads = try Heads(model, key: key)
    // The same keys as in `Heads`: equal at the beginning.
    globals = try ["q", "k", "v"].map {
      try Linear(model.embDim, model.qkvDim, bias: model.qkvBias, key: key[$0])
    }
    self.configuration = configuration
    causal = model.causal
    dropoutRate = model.attentionDropoutRate
  }

  /// [B, L, D] to [B, L, D].
  public func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let (q, k, v) = try heads.split(x)  // [B, H, L, E] each
    var attended = try attendWindow(q, k, v, context, layer: layer)  // [B, H, L, E]
    let g = min(configuration.globalTokens, x.size(1))
    if g > 0 {
      let project = { (index: Int, x: Tensor) in
        let one = try globals[index](x).widened()
          .reshaped([x.size(0), x.size(1), 1, heads.numHeads, heads.width])
        let placed = heads.rotary && index < 2 ? try rotated(one) : one
        return try placed.select(0, 2).transposed(1, 2)
      }  // [B, H, L, E]
      let first = try attendGlobally(
        project(0, x.slice(0..<g, 1)), project(1, x), project(2, x), context, layer: layer)
      attended = try .concatenated([first, attended.slice(g..<x.size(1), 2)], 2)
    }
    if configuration.uniformPaddedQueries { attended = try context.uniformAtPadding(attended, v) }
    return try heads.merged(attended.transposed(1, 2))  // [B, L, D]
  }

  /// The projections; `longformer.{q,k,v}_global`.
  public var parameters: [NamedParameter] {
    heads.parameters
      + zip(["q", "k", "v"], globals).flatMap { $1.parameters.prefixed("longformer.\($0)_global") }
  }

  /// Every token over its window and the global keys: [B, H, L, E] to [B, H, L, E].
  func attendWindow(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ context: Context, layer: Int
  ) throws -> Tensor {
    let (length, d) = (q.size(2), configuration.dilation)
    let g = min(configuration.globalTokens, length)
    let half = configuration.window / 2
    let perClass = (length + d - 1) / d
    // Tokens of the same remainder by d are neighbours: each class is a sequence of its own.
    let classed = { (x: Tensor) in
      try x.padded(after: perClass * d - length, 2)
        .reshaped([x.size(0), x.size(1), perClass, d, x.size(3)]).transposed(2, 3)
        .reshaped([x.size(0), x.size(1) * d, perClass, x.size(3)])  // [B, H d, L/d, E]
    }
    let blocks = Blocks(size: min(half, perClass), length: perClass)
    let (b, n, after) = (blocks.size, blocks.count, causal ? 0 : 1)
    let width = (2 + after) * b
    // Codes of keys: position, or -1 where there is no token or a global one.
    let blocked = try blockedWindow(blocks, width, g, context)  // [B, 1, d, n, 1, w]
    let left = configuration.unevenWindow ? half - 1 : half
    let outside = try mask(b, width, on: q.device) { row, slot in
      let distance = slot - b - row  // key minus query, in steps of d
      return distance < -left || distance > (causal ? 0 : half)
    }
    let split = { (x: Tensor) in
      try x.reshaped([x.size(0), q.size(1), d, n, x.size(3), x.size(4)])
    }
    let queries = try split(blocks.cut(classed(q)))  // [B, H, d, n, b, E]
    let windowed = { (x: Tensor) in try split(blocks.windows(classed(x), before: 1, after: after)) }
    var sources = [
      try KeySource(
        queries, windowed(k), windowed(v), scale: heads.scale, blocked: blocked.or(outside))
    ]
    if g > 0 {
      let first = { (x: Tensor) in try x.slice(0..<g, 2).unsqueezed(2).unsqueezed(2) }
      sources.append(
        try KeySource(
          queries, first(k), first(v), scale: heads.scale,
          blocked: blockedGlobals(blocks, g, context)))
    }
    return try context.attended(sources, dropout: dropoutRate, layer: layer)  // [B, H, d, n, b, E]
      .reshaped([q.size(0), q.size(1), d, n * b, q.size(3)]).slice(0..<perClass, 3)
      .transposed(2, 3).reshaped([q.size(0), q.size(1), perClass * d, q.size(3)])
      .slice(0..<length, 2)
  }

  /// Global tokens over all keys: queries [B, H, g, E], keys and values [B, H, L, E].
  func attendGlobally(_ q: Tensor, _ k: Tensor, _ v: Tensor, _ context: Context, layer: Int)
    throws -> Tensor
  {
    var blocked = try context.blockedKeys(upTo: k.size(2))
      .map { try $0.reshaped([$0.size(0), 1, 1, -1]) }  // [B, 1, 1, L]
    if causal { blocked = try blocked.or(mask(q.size(2), k.size(2), on: q.device) { $1 > $0 }) }
    let source = try KeySource(q, k, v, scale: heads.scale, blocked: blocked)
    return try context.attended([source], dropout: dropoutRate, layer: layer)
  }

  /// [B or 1, 1, d, n, 1, w]: window slots without a token, or with a global one.
  private func blockedWindow(_ blocks: Blocks, _ width: Int, _ g: Int, _ context: Context) throws
    -> Tensor
  {
    let d = configuration.dilation
    let padded = blocks.length * d
    var flags =
      try context.blockedKeys(upTo: padded) ?? .zeros([1, padded], .bool, on: context.device)
    if g > 0 {
      flags = try flags.or(mask(1, padded, on: context.device) { $1 < g })
    }
    return try flags.reshaped([flags.size(0), blocks.length, d]).transposed(1, 2)  // [B, d, L/d]
      .padded(
        before: blocks.size,
        after: blocks.paddedLength - blocks.length + (causal ? 0 : blocks.size),
        2, value: 1
      )
      .windows(size: width, step: blocks.size, 2)  // [B, d, n, w]
      .unsqueezed(1).unsqueezed(4)
  }

  /// [B or 1, 1, d, n, b, g]: global keys that a query may not attend to; nil when there are none.
  private func blockedGlobals(_ blocks: Blocks, _ g: Int, _ context: Context) throws -> Tensor? {
    var blocked = try context.blockedKeys(upTo: context.length)
      .map { try $0.slice(0..<g, 1).reshaped([$0.size(0), 1, 1, 1, 1, g]) }
    if causal {
      let (d, n, b) = (configuration.dilation, blocks.count, blocks.size)
      let ahead = try mask(n * b * d, g, on: context.device) { $1 > $0 }
        .reshaped([n, b, d, g]).permuted([2, 0, 1, 3])  // [d, n, b, g]
      blocked = try blocked.or(ahead)
    }
    return blocked
  }
}
