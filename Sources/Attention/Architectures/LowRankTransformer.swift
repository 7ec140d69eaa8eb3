import Tensors

/// Low-rank Transformer: every matrix of attention and MLP is a product of two thin ones.
///
/// `W ≈ U V` with `V` [r, in] and `U` [out, r] has r (in + out) parameters instead of in·out; attention itself
/// is softmax over all pairs. A matrix for which r saves nothing stays whole. Factors are drawn, or come
/// from a drawn dense matrix by its singular values (`from_dense`). It is the transformer with the
/// recipe key `model.low_rank`, which factors the linear layers of any model; only its names differ.
/// Padding and directions are those of softmax attention.
///
/// Winata and others 2020, arXiv 1910.13923, section 2.1 (linear encoder-decoder units).
///
/// Tensors besides those of embedding and head; a factored matrix is `v.weight` [r, in], `u.weight`
/// [out, r] and `u.bias` instead of `weight` and `bias`:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `layers.{i}.{norm1,norm2}` | [D] + [D] | before attention and MLP |
/// | `layers.{i}.attn.{q,k,v}` | [H E, D] + [H E] | projections to heads |
/// | `layers.{i}.attn.out` | [D, H E] + [D] | projection back |
/// | `layers.{i}.mlp.up` | [M, D] + [M] | |
/// | `layers.{i}.mlp.down` | [D, M] + [D] | |
/// | `norm` | [D] + [D] | after the last layer |
public struct LowRankTransformer: Architecture {
  /// The keys of `model.mixer`.
  public struct Configuration: ModelKeys {
    var rank = 16
    var fromDense = false

    /// What each key is.
    public static let keys: [ModelKey<Configuration>] = [
      .init("rank", \.rank, "Rank r, at least 1."),
      .init(
        "from_dense", \.fromDense,
        "Factors by singular values of a drawn dense matrix instead of drawn factors."),
    ]

    /// What keys are that are not given.
    public static let defaults = Configuration()
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "low_rank", summary: "softmax, all matrices of rank r", time: "L^2 d",
    memory: "L d", directions: [.bidirectional, .causal], paper: "1910.13923")
  /// Its blocks are those of the standard encoder.
  public static let recomputes = true

  let encoder: StandardEncoder

  /// The standard encoder with softmax attention, its linear layers factored.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    guard configuration.rank >= 1 else {
      throw AttentionError.badValue(
        Self.mechanism.name, "rank is at least 1, not \(configuration.rank)")
    }
    var dense = model
    (dense.modelType, dense.mixer) = (ModelConfiguration().modelType, [:])
    encoder = try StandardEncoder(dense, key: key)
    try encoder.parameters.factorLayers(
      rank: configuration.rank, configuration.fromDense ? .svd : .random, key: key["factors"])
  }

  /// Token ids [B, L] to features [B, L, D], or [B, L+1, D] after a CLS vector.
  public func callAsFunction(_ ids: Tensor, _ context: Context) throws -> (Tensor, Context) {
    try encoder(ids, context)
  }

  /// Those of the standard encoder, `layers` for `blocks`: `embed.*`, `norm.*`,
  /// `layers.{i}.{norm1,norm2}.*`, `layers.{i}.{attn.q,attn.k,attn.v,attn.out,mlp.up,mlp.down}.*` with
  /// `v.weight` [r, in], `u.weight` [out, r] and `u.bias`, or `weight` and `bias` of a whole matrix.
  public var parameters: [NamedParameter] {
    encoder.parameters.map {
      let name = $0.name.hasPrefix("blocks.") ? "layers." + $0.name.dropFirst(7) : $0.name
      return $0.named(name)
    }
  }
}
