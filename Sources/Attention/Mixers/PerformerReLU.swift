import Tensors

/// Performer's generalised attention with the ReLU kernel: what LRA's code calls Performer.
///
/// Weights are `φ(q)·φ(k)` over their sum with `φ(x) = ReLU(x) + 1e-3`, in O(L·E²) time and O(L·E)
/// memory. LRA's code projects nothing, so its 256 features never act
/// (lra_benchmarks/models/performer/performer_attention.py). This is not an estimate of softmax: that is
/// `performer`. Padded keys have zero features. There are no probabilities, so attention dropout has nothing
/// to act on.
///
/// Choromanski and others 2021, arXiv 2009.14794, appendix B.
///
/// Tensors under `blocks.{i}.attn`:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `{q,k,v}` | [H E, D] + [H E] | projections to heads |
/// | `out` | [D, H E] + [D] | projection back |
public struct PerformerReLU: Mixer {
  /// The keys of `model.mixer`.
  public struct Configuration: ModelKeys {
    var attendedPadding = false

    /// What each key is.
    public static let keys: [ModelKey<Configuration>] = [
      .init(
        "attended_padding", \.attendedPadding,
        "Padded keys count like real ones, as in LRA's code.")
    ]

    /// What keys are that are not given.
    public static let defaults = Configuration()
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "performer_relu", summary: "ReLU features, LRA's Performer", time: "L d^2",
    memory: "L d", directions: [.bidirectional, .causal], paper: "2009.14794",
    attentionDropout: false)

  /// Added to every feature.
  static let eps = 1e-3

  let heads: Heads
  let causal: Bool
  let attendedPadding: Bool

  /// Four projections and nothing else.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    heads = try Heads(model, key: key)
    causal = model.causal
    attendedPadding = configuration.attendedPadding
  }

  /// [B, L, D] to [B, L, D].
  public func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let qkv = try heads.packed(x).widened()  // [B, L, 3, H, E]
    let fused = try context.fusedFeatureAttention(
      qkv, .relu(eps: Self.eps), attendedPadding: attendedPadding, causal: causal)
    if let fused { return try heads.merged(fused) }  // [B, L, D]
    let (q, k, v) = try heads.parts(qkv)  // [B, H, L, E] each
    let real = attendedPadding ? nil : try context.realPositions()
    let attended = try Self.attend(q, k, v, real: real, causal: causal)
    return try heads.merged(attended.transposed(1, 2))  // [B, L, D]
  }

  /// The projections.
  public var parameters: [NamedParameter] { heads.parameters }

  /// Queries, keys and values [B, H, L, E] to [B, H, L, E]; `real` [B, 1, L, 1] is 0 at padding.
  static func attend(_ q: Tensor, _ k: Tensor, _ v: Tensor, real: Tensor?, causal: Bool) throws
    -> Tensor
  {
    let positive = try k.relu() + eps
    return try featureAttention(
      q.relu() + eps, real.map { try positive * $0 } ?? positive, v, causal: causal)
  }
}
