import Tensors

/// Taylor attention: the exponential of softmax as its polynomial, which features compute in linear time.
///
/// `exp(q·k) ≈ Σ_{n ≤ p} (q·k)ⁿ / n!`, a product of the features `x ⊗ ... ⊗ x / √n!`; time is O(L·E^p·E), memory
/// O(L·E^p). Queries and keys, `x E^-¼`, are cut to length √β, so that logits lie within ±β, where each
/// weight has relative error at most `ε = β^(p+1) e^β / (p+1)!` and an output at most `2 ε / (1 - ε)` times
/// the largest value; gradients converge in the same way. The degree is even: the polynomial is positive.
/// Padded keys have zero features. Attention dropout has nothing to act on.
///
/// Alman and Song 2023, arXiv 2302.13214, section 3 (bounded entries); Keles and others 2023, arXiv
/// 2209.04881; for gradients Alman and Song 2024, arXiv 2402.04497.
///
/// Tensors under `blocks.{i}.attn`:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `{q,k,v}` | [H E, D] + [H E] | projections to heads |
/// | `out` | [D, H E] + [D] | projection back |
public struct Taylor: Mixer {
  /// The keys of `model.mixer`.
  public struct Configuration: ModelKeys {
    var degree = 2
    var bound = 1.0

    /// What each key is.
    public static let keys: [ModelKey<Configuration>] = [
      .init("degree", \.degree, "Degree p of the polynomial, even, at least 2."),
      .init("bound", \.bound, "The largest logit β, above 0."),
    ]

    /// What keys are that are not given.
    public static let defaults = Configuration()
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "taylor", summary: "softmax, polynomial of degree p", time: "L d^p d",
    memory: "L d", directions: [.bidirectional, .causal], paper: "2302.13214",
    attentionDropout: false)

  let heads: Heads
  let configuration: Configuration
  let causal: Bool

  /// Four projections and nothing else.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    let p = configuration.degree
    guard p >= 2 && p % 2 == 0 && configuration.bound > 0 else {
      throw AttentionError.badValue(
        Self.mechanism.name, "degree is even and at least 2, bound is above 0")
    }
    var features = 1
    for _ in 0..<p where features <= 1 << 20 { features *= model.headWidth }
    guard features <= 1 << 16 else {
      throw AttentionError.badValue(
        Self.mechanism.name, "heads of width \(model.headWidth) have more than 65536 features")
    }
    heads = try Heads(model, key: key)
    self.configuration = configuration
    causal = model.causal
  }

  /// [B, L, D] to [B, L, D].
  public func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let qkv = try heads.packed(x).widened()  // [B, L, 3, H, E]
    if configuration.degree == 2 {
      let fused = try context.fusedFeatureAttention(
        qkv, .taylor(bound: configuration.bound), causal: causal, denominator: .atLeast(1e-30))
      if let fused { return try heads.merged(fused) }  // [B, L, D]
    }
    let (q, k, v) = try heads.parts(qkv)  // [B, H, L, E] each
    let attended = try attend(q, k, v, real: context.realPositions())
    return try heads.merged(attended.transposed(1, 2))  // [B, L, D]
  }

  /// The projections.
  public var parameters: [NamedParameter] { heads.parameters }

  /// Queries, keys and values [B, H, L, E] to [B, H, L, E]; `real` [B, 1, L, 1] is 0 at padding.
  func attend(_ q: Tensor, _ k: Tensor, _ v: Tensor, real: Tensor?) throws -> Tensor {
    let keys = try features(k)
    return try featureAttention(
      features(q), real.map { try keys * $0 } ?? keys, v, causal: causal
    ) { try $0.clamped(least: 1e-30) }
  }

  /// `x E^-¼`, cut to length √β: [B, H, L, E] to the same shape.
  func limited(_ x: Tensor) throws -> Tensor {
    let u = try x * heads.scale.squareRoot()
    let length = try ((u * u).sum([-1], keep: true) + 1e-24).squareRoot()
    return try u / (length * (1 / configuration.bound.squareRoot())).clamped(least: 1)
  }

  /// `1, u, u ⊗ u / √2, ...`: [B, H, L, E] to [B, H, L, Σ Eⁿ].
  private func features(_ x: Tensor) throws -> Tensor {
    let u = try limited(x)
    let ones = try Tensor.full(u.shape.dropLast() + [1], 1, u.elementType, on: u.device)
    var parts = [ones]
    for n in 1...configuration.degree {
      let last = parts[n - 1]
      let product = try last.unsqueezed(-1) * u.unsqueezed(-2) * (1 / Double(n).squareRoot())
      parts.append(try product.reshaped(u.shape.dropLast() + [last.size(-1) * u.size(-1)]))
    }
    return try .concatenated(parts, -1)
  }
}
