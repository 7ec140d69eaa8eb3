import Tensors

/// Softmax attention over all pairs of tokens: the Transformer of LRA's tables.
///
/// `softmax(Q Kᵀ / √E) V` per head, in O(L²·D) time; the L x L matrix is never stored. Keys at
/// padded positions are not attended, and queries there give zeros.
///
/// Vaswani et al. 2017, arXiv 1706.03762, section 3.2.
///
/// Tensors under `blocks.{i}.attn`:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `{q,k,v}` | [H E, D] + [H E] | projections to heads |
/// | `out` | [D, H E] + [D] | projection back |
public struct Softmax: Mixer {
  /// The keys of `model.mixer`.
  public struct Configuration: ModelKeys {
    var uniformPaddedQueries = false

    /// What each key is.
    public static let keys: [ModelKey<Configuration>] = [
      .init(
        "uniform_padded_queries", \.uniformPaddedQueries,
        """
        Queries at padding attend to all positions alike, as in LRA's code, which masks them \
        too.
        """)
    ]

    /// What keys are that are not given.
    public static let defaults = Configuration()
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "transformer", summary: "softmax over all pairs", time: "L^2 d", memory: "L d",
    directions: [.bidirectional, .causal], paper: "1706.03762")

  let heads: Heads
  let causal: Bool
  let uniformPaddedQueries: Bool
  let dropoutRate: Double

  /// Four projections and nothing else.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    heads = try Heads(model, key: key)
    causal = model.causal
    uniformPaddedQueries = configuration.uniformPaddedQueries
    dropoutRate = model.attentionDropoutRate
  }

  /// [B, L, D] to [B, L, D].
  public func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let qkv = try heads.packed(x, narrow: context.span == nil)  // [B, L, 3, H, E]
    if let span = context.span {
      let part = { (index: Int) in try qkv.select(index, 2).transposed(1, 2) }  // [B, H, L, E]
      try span.add(
        part(0), part(1), scale: heads.scale, causal: causal, context, layer: layer)
    }
    var attended = try context.attended(
      qkv, causal: causal, scale: heads.scale, dropout: dropoutRate, layer: layer)  // [B, L, H, E]
    if uniformPaddedQueries {
      attended = try context.uniformAtPadding(
        attended.transposed(1, 2), qkv.select(2, 2).transposed(1, 2)
      ).transposed(1, 2)
    }
    return try heads.merged(attended)  // [B, L, D]
  }

  /// The projections.
  public var parameters: [NamedParameter] { heads.parameters }
}
