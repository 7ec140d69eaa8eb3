import CTorch

/// What becomes of a row of queries or keys in attention by features.
public enum FeatureMap {
  /// `elu(x) + 1`.
  case elu
  /// `max(x, 0) + eps`.
  case relu(eps: Double)
  /// `max(x, 0)` times the sine and the cosine of its position: [L, 2] of both.
  case cosine([(sine: Double, cosine: Double)])
  /// `(exp(W u - |u|²/2 - level) + eps) / √M` with `u = x E^-¼`: W [M, E], which gets no gradient.
  ///
  /// The level of a query is its largest exponent, that of keys the largest of all real keys; 0 for
  /// keys when order counts.
  case random(Tensor, eps: Double)
  /// `1, u, u ⊗ u / √2` with `u = x E^-¼`, cut to length `√bound`.
  case taylor(bound: Double)
}

/// What keeps the sum of weights away from 0.
public enum Denominator {
  /// A small number is added to it.
  case plus(Double)
  /// It is raised to a small number.
  case atLeast(Double)
  /// This number, above 0, stands in its place: weights are not normalised.
  case constant(Double)
}

/// Less than no sum of weights gets to; a power of two, by which divisions and products are exact.
private let beyondAllSums = 0x1p64

extension Tensor {
  /// Attention by features: packed float32 [B, L, 3, H, E] on the CPU to [B, L, H, E].
  ///
  /// `φ(Q) (φ(K)ᵀ V) / (φ(Q) Σ φ(K))` by a kernel that holds the features of a few tokens at a time.
  ///
  /// - Parameters:
  ///   - lengths: [B] int64 on the CPU; keys from a row's length on are not attended. nil: all are
  ///     real.
  ///   - causal: whether a query attends to its own and earlier positions only.
  public func featureAttention(
    _ map: FeatureMap, lengths: Tensor?, causal: Bool, denominator: Denominator
  ) throws -> Tensor {
    var (kind, eps) = (CT_FEATURES_ELU, 0.0)
    var table: Tensor?
    switch map {
    case .elu: break
    case .relu(let added): (kind, eps) = (CT_FEATURES_RELU, added)
    case .cosine(let positions):
      kind = CT_FEATURES_COSINE
      table = try .from(
        positions.flatMap { [Float($0.sine), Float($0.cosine)] }, [positions.count, 2])
    case .random(let w, let added):
      (kind, eps) = (CT_FEATURES_RANDOM, added)
      table = w
    case .taylor(let bound): (kind, eps) = (CT_FEATURES_TAYLOR, bound)
    }
    let (least, clamped): (Double, Int32) =
      switch denominator {
      case .plus(let number): (number, 0)
      case .atLeast(let number): (number, 1)
      case .constant: (beyondAllSums, 1)
      }
    let attended = try withExtendedLifetime(table) {
      try Tensor(
        ct_feature_attention(
          handle, lengths?.handle, kind, table?.handle, causal ? 1 : 0, eps, least, clamped))
    }
    guard case .constant(let number) = denominator else { return attended }
    return try attended * (beyondAllSums / number)
  }
}
