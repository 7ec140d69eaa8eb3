import Tensors

/// Linear attention: the softmax kernel is replaced by a product of positive features.
///
/// `φ(Q) (φ(K)ᵀ V) / (φ(Q) Σ φ(K) + 1e-6)` with `φ(x) = elu(x) + 1`, in O(L·E²) time and O(L·E)
/// memory. Features of padded keys are zero. There are no probabilities, so attention dropout has nothing to act on.
///
/// Katharopoulos and others 2020, arXiv 2006.16236, equations 5 and 9.
///
/// Tensors under `blocks.{i}.attn`:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `{q,k,v}` | [H E, D] + [H E] | projections to heads |
/// | `out` | [D, H E] + [D] | projection back |
public struct LinearTransformer: Mixer {
  /// The keys of `model.mixer`.
  public struct Configuration: ModelKeys {
    var attendedPadding = false
    var unnormalized = false

    /// What each key is.
    public static let keys: [ModelKey<Configuration>] = [
      .init(
        "attended_padding", \.attendedPadding,
        "Padded keys count like real ones, as in LRA's code, which passes no mask here."),
      .init(
        "unnormalized", \.unnormalized,
        """
        Weights are not normalised: `φ(Q) (φ(K)ᵀ V) / √P`. So in mlpen/Nystromformer's code for \
        LRA (LRA/code/attention_linear.py), which multiplies both features by P^-¼; P is the \
        next power of two of `max_length`, to which its rows are filled.
        """),
    ]

    /// What keys are that are not given.
    public static let defaults = Configuration()
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "linear", summary: "features elu + 1, no softmax", time: "L d^2", memory: "L d",
    directions: [.bidirectional, .causal], paper: "2006.16236",
    attentionDropout: false)

  let heads: Heads
  let causal: Bool
  let attendedPadding: Bool
  /// √P where weights are not normalised; nil where they are.
  let divisor: Double?

  /// Four projections and nothing else.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    heads = try Heads(model, key: key)
    causal = model.causal
    attendedPadding = configuration.attendedPadding
    divisor = configuration.unnormalized ? Double(model.filledLength).squareRoot() : nil
  }

  /// [B, L, D] to [B, L, D].
  public func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let qkv = try heads.packed(x).widened()  // [B, L, 3, H, E]
    let fused = try context.fusedFeatureAttention(
      qkv, .elu, attendedPadding: attendedPadding, causal: causal,
      denominator: divisor.map { .constant($0) } ?? .plus(1e-6))
    if let fused { return try heads.merged(fused) }  // [B, L, D]
    let (q, k, v) = try heads.parts(qkv)  // [B, H, L, E] each
    let real = attendedPadding ? nil : try context.realPositions()
    let attended = try Self.attend(q, k, v, real: real, causal: causal, divisor: divisor)
    return try heads.merged(attended.transposed(1, 2))  // [B, L, D]
  }

  /// The projections.
  public var parameters: [NamedParameter] { heads.parameters }

  /// - Parameters:
  ///   - q: queries, keys and values, [B, H, L, E].
  ///   - real: [B, 1, L, 1], 0 at padded keys; nil when none is.
  ///   - divisor: of all outputs; nil for their sums of weights.
  /// - Returns: [B, H, L, E].
  static func attend(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, real: Tensor?, causal: Bool, divisor: Double? = nil
  ) throws -> Tensor {
    let positive = try k.elu() + 1
    return try featureAttention(
      q.elu() + 1, real.map { try positive * $0 } ?? positive, v, causal: causal
    ) { sum in
      try divisor.map { try .full([], $0, sum.elementType, on: sum.device) } ?? sum + 1e-6
    }
  }
}
