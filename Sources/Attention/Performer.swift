import Tensors

/// Performer: softmax attention estimated by positive random features (FAVOR+).
///
/// `exp(q·k / √E)` is the mean of `φ(q)·φ(k)` with `φ(x) = m^-½ exp(W u - |u|²/2 - c)`, `u = x E^-¼`, over
/// Gaussian rows of W; time is O(L·m·E), memory O(L·E). Rows come in orthogonal groups. The constants c
/// cancel: the row maximum for queries, the maximum over all real keys for keys. The causal form uses
/// 0 for keys, since a maximum over keys would tell of later ones. 1e-6 is added to every feature.
///
/// W belongs to the checkpoint. With `redraw_features` each training step has its own, drawn from the
/// step's key. Padded keys have zero features. There are no probabilities, so attention dropout has
/// nothing to act on.
///
/// Choromanski and others 2021, arXiv 2009.14794, equations 5 and 7, section 2.4.
///
/// Tensors under `blocks.{i}.attn`:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `{q,k,v}` | [H E, D] + [H E] | projections to heads |
/// | `out` | [D, H E] + [D] | projection back |
/// | `performer.features` | [m, E] | buffer: W |
public struct Performer: Mixer {
  /// The keys of `model.attention`.
  public struct Configuration: Codable, Sendable {
    /// `softmax`, or `relu`: what LRA's code runs on all tasks but ListOps, see `PerformerReLU`.
    public var kernel = Kernel.softmax
    /// Number of random features m, at least 1; about E ln E is enough.
    public var numFeatures = 256
    /// Row norms of W: 0 for those of Gaussian rows (unbiased), 1 for √E exactly.
    public var orthoScaling = 0
    /// Signs that make the orthogonal groups uniformly distributed (Haar).
    ///
    /// Plain QR, as in LRA's code, leaves an error that more features cannot remove.
    public var haar = true
    /// New features for every training step; evaluation keeps those of the checkpoint.
    public var redrawFeatures = false
    /// Padded keys count like real ones, as in LRA's code.
    public var attendedPadding = false

    enum CodingKeys: String, CodingKey {
      case kernel, haar
      case numFeatures = "nb_features"
      case orthoScaling = "ortho_scaling"
      case redrawFeatures = "redraw_features"
      case attendedPadding = "attended_padding"
    }
  }

  /// What the features stand for.
  public enum Kernel: String, Codable, Sendable { case softmax, relu }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "performer", summary: "softmax by m random features", time: "L m d",
    memory: "L d", directions: [.bidirectional, .causal], paper: "2009.14794",
    attentionDropout: false)
  /// 256 features, orthogonal and uniformly distributed.
  public static let defaults = Configuration()

  /// Added to every feature.
  static let eps = 1e-6

  let heads: Heads
  let features: Parameter  // [m, E]
  let configuration: Configuration
  let causal: Bool

  /// Four projections and the random features.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    guard configuration.numFeatures >= 1 && (0...1).contains(configuration.orthoScaling) else {
      throw AttentionError.badValue(
        Self.mechanism.name, "nb_features is at least 1 and ortho_scaling 0 or 1")
    }
    heads = try Heads(model, key: key)
    features = try .buffer(
      Self.draw(width: model.headWidth, configuration, key: key["features"]))
    self.configuration = configuration
    causal = model.causal
  }

  /// [B, L, D] to [B, L, D].
  public func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let qkv = try heads.packed(x).widened()  // [B, L, 3, H, E]
    if configuration.kernel == .relu {
      let fused = try context.fusedFeatureAttention(
        qkv, .relu(eps: PerformerReLU.eps), attendedPadding: configuration.attendedPadding,
        causal: causal)
      if let fused { return try heads.merged(fused) }  // [B, L, D]
      let (q, k, v) = try heads.parts(qkv)  // [B, H, L, E] each
      let real = try configuration.attendedPadding ? nil : context.realPositions()
      let attended = try PerformerReLU.attend(q, k, v, real: real, causal: causal)
      return try heads.merged(attended.transposed(1, 2))  // [B, L, D]
    }
    var w = features.value
    if configuration.redrawFeatures && context.training {
      w = try Self.draw(
        width: heads.width, configuration, key: context.key[layer]["features"]
      ).to(w.elementType).to(w.device)
    }
    let fused = try context.fusedFeatureAttention(
      qkv, .random(w, eps: Self.eps), attendedPadding: configuration.attendedPadding,
      causal: causal)
    if let fused { return try heads.merged(fused) }  // [B, L, D]
    let (q, k, v) = try heads.parts(qkv)  // [B, H, L, E] each
    let attended = try attend(q, k, v, context, features: w)
    return try heads.merged(attended.transposed(1, 2))  // [B, L, D]
  }

  /// The projections; the buffer `performer.features` [m, E] of the softmax kernel.
  public var parameters: [NamedParameter] {
    heads.parameters
      + (configuration.kernel == .softmax ? [NamedParameter("performer.features", features)] : [])
  }

  /// Queries, keys and values [B, H, L, E] with features [m, E] to [B, H, L, E].
  func attend(_ q: Tensor, _ k: Tensor, _ v: Tensor, _ context: Context, features w: Tensor)
    throws -> Tensor
  {
    let blocked =
      configuration.attendedPadding
      ? nil
      : try context.blockedKeys(upTo: k.size(2)).map { try $0.reshaped([$0.size(0), 1, -1, 1]) }
    let queries = try exponents(q, w)  // [B, H, L, m]
    var keys = try exponents(k, w)
    if let blocked { keys = try keys.filled(where: blocked, blockedLogit) }
    let queryLevel = try queries.max(-1)  // [B, H, L, 1]
    // Not below -1e4: a row without tokens has no maximum.
    let keyLevel = causal ? nil : try keys.max(-1).max(-2).clamped(least: -1e4)  // [B, H, 1, 1]
    let factor = 1 / Double(w.size(0)).squareRoot()
    let phiQ = try ((queries - queryLevel).exp() + Self.eps) * factor
    var phiK = try ((keyLevel.map { try keys - $0 } ?? keys).exp() + Self.eps) * factor
    if let blocked { phiK = try phiK.filled(where: blocked, 0) }
    return try featureAttention(phiQ, phiK, v, causal: causal)
  }

  /// `W u - |u|²/2` with `u = x E^-¼`: [B, H, L, E] to [B, H, L, m].
  func exponents(_ x: Tensor, _ w: Tensor) throws -> Tensor {
    let u = try x * (1 / Double(x.size(-1)).squareRoot()).squareRoot()
    return try u.matmul(w.transposed(0, 1)) - (u * u).sum([-1], keep: true) * 0.5
  }

  /// Random features [m, E]: groups of E orthogonal rows, each with the norm that scaling says.
  static func draw(width: Int, _ configuration: Configuration, key: RandomKey) throws -> Tensor {
    let m = configuration.numFeatures
    let groups = try (0..<((m + width - 1) / width)).map { group in
      try Tensor.normal([width, width], key: key["directions"][group])
        .orthogonal(positive: configuration.haar).transposed(0, 1)  // [E, E]
    }
    let rows = try Tensor.concatenated(groups, 0).slice(0..<m, 0)  // [m, E]
    if configuration.orthoScaling == 1 { return try rows * Double(width).squareRoot() }
    let gaussian = try Tensor.normal([m, width], key: key["norms"])
    return try rows * (gaussian * gaussian).sum([1], keep: true).squareRoot()
  }
}
