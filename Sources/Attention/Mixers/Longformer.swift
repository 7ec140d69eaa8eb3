import Tensors

/// Longformer: a sliding window for every token, and a few global tokens that see and are seen by all.
///
/// A token attends to the w/2 tokens on each side (of every d-th with dilation d) and to the global
/// tokens; a global token attends to all tokens through queries, keys and values of its own, which begin
/// as copies of the others. Time is O(L·w·D + L·g·D), memory O(L·D). Padded keys are not
/// attended. The causal form looks back only, at global tokens too.
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
  /// The keys of `model.mixer`.
  public struct Configuration: ModelKeys {
    var window = 512
    var globalTokens = 1
    var dilation = 1
    var unevenWindow = false
    var uniformPaddedQueries = false

    /// What each key is.
    public static let keys: [ModelKey<Configuration>] = [
      .init("window", \.window, "Width w of the window, both sides together, at least 2."),
      .init(
        "global_tokens", \.globalTokens,
        "How many tokens at the beginning are global, g; LRA's code has none."),
      .init(
        "dilation", \.dilation,
        "Every how many tokens one belongs to the window, d, at least 1."),
      .init(
        "uneven_window", \.unevenWindow,
        """
        LRA's uneven window: w/2 - 1 tokens before and w/2 after (its code counts the token \
        itself).
        """),
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

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "longformer", summary: "sliding window and global tokens", time: "L (w+g) d",
    memory: "L d", directions: [.bidirectional, .causal], paper: "2004.05150")

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
      try model.linear(model.embDim, model.qkvDim, bias: model.qkvBias, key: key[$0])
    }
    self.configuration = configuration
    causal = model.causal
    dropoutRate = model.attentionDropoutRate
  }

  /// [B, L, D] to [B, L, D].
  public func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let qkv = try heads.packed(x, narrow: true)  // [B, L, 3, H, E]
    var attended = try attendWindow(qkv, context, layer: layer)  // [B, L, H, E]
    let g = min(configuration.globalTokens, x.size(1))
    if g > 0 {
      let project = { (index: Int, x: Tensor) in
        let one = try globals[index](x)
          .reshaped([x.size(0), x.size(1), 1, heads.numHeads, heads.width])
        let placed = heads.rotary && index < 2 ? try rotated(one) : one
        return try placed.select(0, 2).transposed(1, 2)
      }  // [B, H, L, E]
      let first = try context.attendedOwn(
        project(0, x.slice(0..<g, 1)), project(1, x), project(2, x), causal: causal,
        scale: heads.scale, dropout: dropoutRate, layer: layer
      ).transposed(1, 2)  // [B, g, H, E]
      attended = try .concatenated([first, attended.slice(g..<x.size(1), 1)], 1)
    }
    if configuration.uniformPaddedQueries {
      attended = try context.uniformAtPadding(
        attended.transposed(1, 2), qkv.widened().select(2, 2).transposed(1, 2)
      ).transposed(1, 2)
    }
    return try heads.merged(attended)  // [B, L, D]
  }

  /// The projections; `longformer.{q,k,v}_global`.
  public var parameters: [NamedParameter] {
    heads.parameters
      + zip(["q", "k", "v"], globals).flatMap { $1.parameters.prefixed("longformer.\($0)_global") }
  }

  /// Every token over its window and the global keys: [B, L, 3, H, E] to [B, L, H, E].
  func attendWindow(_ qkv: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let (length, d) = (qkv.size(1), configuration.dilation)
    let g = min(configuration.globalTokens, length)
    let half = configuration.window / 2
    let (before, after) = (
      d * (configuration.unevenWindow ? half - 1 : half), causal ? 0 : d * half
    )
    let plan = try context.plan("\(configuration) \(causal) \(length)") { groups, shown in
      // Global tokens cannot see later global ones.
      if causal {
        groups.add(
          queries: 0..<g, keys: (0..<g).map(shown), bounds: { 0...$0 }, code: { place, _ in place })
      }
      // Tokens of the same remainder by d are neighbours: each class is a sequence of its own.
      for rest in 0..<d {
        let tokens = Array(stride(from: rest, to: length, by: d).drop { causal && $0 < g })
        for first in stride(from: 0, to: tokens.count, by: Self.queries) {
          let queries = tokens[first..<min(first + Self.queries, tokens.count)]
          guard let low = queries.first, let high = queries.last else { continue }
          let near = tokens.drop { $0 < max(g, low - before) }.prefix { $0 <= high + after }
          groups.add(
            queries: queries, keys: ((0..<g) + near).map(shown), shared: g,
            bounds: { ($0 - before)...($0 + after) }, code: { $1 })
        }
      }
    }
    return try context.attended(
      qkv, by: plan, scale: heads.scale, dropout: dropoutRate, layer: layer)
  }

  /// Queries of a group: more share fewer reads of keys, fewer waste less outside the window.
  private static let queries = 64
}
