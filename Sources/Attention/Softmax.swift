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
  /// It has no keys of its own.
  public struct Configuration: Codable, Sendable {}

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "transformer", summary: "softmax over all pairs", time: "L^2 d", memory: "L d",
    directions: [.bidirectional, .causal], paper: "1706.03762")
  /// No keys.
  public static let defaults = Configuration()

  let heads: Heads
  let causal: Bool
  let dropoutRate: Double

  /// Four projections and nothing else.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    heads = try Heads(model, key: key)
    causal = model.causal
    dropoutRate = model.attentionDropoutRate
  }

  /// [B, L, D] to [B, L, D].
  public func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let qkv = try heads.packed(x)  // [B, L, 3, H, E]
    let attended = try qkv.selfAttention(
      lengths: context.lengthTensor, causal: causal, scale: heads.scale,
      dropout: context.training ? dropoutRate : 0, key: context.key[layer]["attention.probability"],
      examples: context.examples)  // [B, L, H, E]
    return try heads.merged(attended)  // [B, L, D]
  }

  /// The projections.
  public var parameters: [NamedParameter] { heads.parameters }
}
