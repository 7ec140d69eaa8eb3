import Tensors

/// Performer: softmax attention estimated by positive random features (FAVOR+).
///
/// `exp(q·k / √E)` is the mean of `φ(q)·φ(k)` with `φ(x) = m^-½ exp(W u - |u|²/2 - c)`, `u = x E^-¼`, over
/// Gaussian rows of W; time is O(L·m·E), memory O(L·E). Rows come in orthogonal groups. The constants c
/// are the row maximum of the exponents for queries, the maximum over all real keys for keys. The causal form
/// uses 0 for keys, since a maximum over keys would tell of later ones.
///
/// c would cancel but for ε, which is added to every exponential so that no sum of weights is 0. It is a floor
/// under the weights: a pair whose exponentials are both below ε weighs like any other such pair. Where
/// exponentials are largest at 1 (as here) ε = 1e-6 hardly acts. Released code takes the maxima of W u alone
/// (`projection_maxima`): then exponentials reach only exp(-|u|²/2), and ε counts the more the longer queries
/// and keys are. Untrained at the defaults that alone moves logits of 0.8 by up to 0.37.
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
  /// The keys of `model.mixer`.
  public struct Configuration: ModelKeys {
    var kernel = Kernel.softmax
    var numFeatures = 256
    var orthoScaling = 0
    var haar = true
    var redrawFeatures = false
    var attendedPadding = false
    var eps = 1e-6
    var projectionMaxima = false
    var batchMaximum = false
    var scaledTwice = false
    var filledRows = false

    /// What each key is.
    public static let keys: [ModelKey<Configuration>] = [
      .init(
        "kernel", \.kernel,
        """
        `softmax`, or `relu`: what LRA's code runs on all tasks but ListOps, see \
        `PerformerReLU`.
        """),
      .init(
        "nb_features", \.numFeatures,
        "Number of random features m, at least 1; about E ln E is enough."),
      .init(
        "ortho_scaling", \.orthoScaling,
        "Row norms of W: 0 for those of Gaussian rows (unbiased), 1 for √E exactly."),
      .init(
        "haar", \.haar,
        """
        Signs that make the orthogonal groups uniformly distributed (Haar). Plain QR, as in \
        LRA's code, leaves an error that more features cannot remove.
        """),
      .init(
        "redraw_features", \.redrawFeatures,
        "New features for every training step; evaluation keeps those of the checkpoint."),
      .init(
        "attended_padding", \.attendedPadding,
        "Padded keys count like real ones, as in LRA's code."),
      .init(
        "eps", \.eps,
        """
        ε, added to every exponential, at least 0: 1e-6 in LRA's code, 1e-4 in \
        performer_pytorch.
        """),
      .init(
        "projection_maxima", \.projectionMaxima,
        """
        c is the maximum of W u, without |u|²/2, as in LRA's code and performer_pytorch. A sum \
        of weights of at most 1e-6 gets 2e-6 more there; otherwise every one gets 1e-6.
        """),
      .init(
        "batch_maximum", \.batchMaximum,
        """
        One maximum for the keys of the whole batch and all heads, as in performer_pytorch up to \
        1.0 (2021): through ε an example's result depends on the others.
        """),
      .init(
        "scaled_twice", \.scaledTwice,
        """
        Queries and keys are multiplied by E^-¼ twice, as in mlpen/Nystromformer's code for LRA \
        (LRA/code/attention_performer.py), which does what performer_pytorch does again.
        """),
      .init(
        "filled_rows", \.filledRows,
        """
        Padding up to P, the next power of two of `max_length`, counts in the sum of weights as \
        keys 0 with values 0, as in that code; nothing is added to sums then.
        """),
    ]

    /// What keys are that are not given.
    public static let defaults = Configuration()
  }

  /// What the features stand for.
  public enum Kernel: String, CaseIterable, Sendable { case softmax, relu }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "performer", summary: "softmax by m random features", time: "L m d",
    memory: "L d", directions: [.bidirectional, .causal], paper: "2009.14794",
    attentionDropout: false)

  let heads: Heads
  let features: Parameter  // [m, E]
  let configuration: Configuration
  let causal: Bool
  let filledLength: Int

  /// Four projections and the random features.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    guard configuration.numFeatures >= 1 && (0...1).contains(configuration.orthoScaling) else {
      throw AttentionError.badValue(
        Self.mechanism.name, "nb_features is at least 1 and ortho_scaling 0 or 1")
    }
    guard configuration.eps >= 0 else {
      throw AttentionError.badValue(
        Self.mechanism.name, "eps is at least 0, not \(configuration.eps)")
    }
    guard !(configuration.filledRows && configuration.attendedPadding) else {
      throw AttentionError.badValue(
        Self.mechanism.name, "filled_rows and attended_padding exclude each other")
    }
    heads = try Heads(model, key: key)
    features = try .buffer(
      Self.draw(width: model.headWidth, configuration, key: key["features"]))
    self.configuration = configuration
    causal = model.causal
    filledLength = model.filledLength
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
    let isPlain =
      !configuration.projectionMaxima && !configuration.batchMaximum && !configuration.scaledTwice
      && !configuration.filledRows
    if isPlain,
      let fused = try context.fusedFeatureAttention(
        qkv, .random(w, eps: configuration.eps), attendedPadding: configuration.attendedPadding,
        causal: causal)
    {
      return try heads.merged(fused)  // [B, L, D]
    }
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
    // Positions behind this batch that filled rows have; none is before the last token.
    let more = configuration.filledRows && !causal ? filledLength - k.size(2) : 0
    let real = configuration.filledRows ? try context.realPositions() : nil
    let blocked =
      configuration.attendedPadding || configuration.filledRows
      ? nil
      : try context.blockedKeys(upTo: k.size(2)).map { try $0.reshaped([$0.size(0), 1, -1, 1]) }
    let (queries, queryTops) = try exponents(q, w)  // [B, H, L, m] each
    var (keys, keyTops) = try exponents(real.map { try k * $0 } ?? k, w)
    if let blocked {
      keys = try keys.filled(where: blocked, blockedLogit)
      keyTops = try keyTops.filled(where: blocked, blockedLogit)
    }
    let queryLevel = try queryTops.max(-1)  // [B, H, L, 1]
    let keyLevel = causal ? nil : try level(ofKeys: keyTops, context, least: more > 0 ? 0 : -1e4)
    let factor = 1 / Double(w.size(0)).squareRoot()
    let phiQ = try ((queries - queryLevel).exp() + configuration.eps) * factor
    var phiK = try ((keyLevel.map { try keys - $0 } ?? keys).exp() + configuration.eps) * factor
    if let blocked { phiK = try phiK.filled(where: blocked, 0) }
    return try featureAttention(phiQ, phiK, real.map { try v * $0 } ?? v, causal: causal) { sum in
      guard configuration.filledRows else {
        guard configuration.projectionMaxima else { return try sum + 1e-6 }
        let least = try Tensor.full([], 1e-6, sum.elementType, on: sum.device)
        return try sum + sum.atMost(least).to(sum.elementType) * 2e-6
      }
      guard more > 0, let keyLevel else { return sum }
      // Of a key that is 0 all features are alike.
      let feature = try ((keyLevel * -1).exp() + configuration.eps) * factor
      return try sum + phiQ.sum([3], keep: true) * feature * Double(more)
    }
  }

  /// c of keys, [B, H, 1, 1] or one for all, from what [B, H, L, m] it is the maximum of.
  ///
  /// - Parameter least: keys that are not there have this; a row without tokens has no maximum.
  private func level(ofKeys tops: Tensor, _ context: Context, least: Double) throws -> Tensor {
    let largest = try tops.max(-1).max(-2)  // [B, H, 1, 1]
    return try (configuration.batchMaximum ? context.batchMaximum(largest) : largest)
      .clamped(least: least)
  }

  /// `W u - |u|²/2` with `u = x E^-¼`, and what c is the maximum of: [B, H, L, E] to two [B, H, L, m].
  func exponents(_ x: Tensor, _ w: Tensor) throws -> (Tensor, Tensor) {
    let root = 1 / Double(x.size(-1)).squareRoot()
    let u = try x * (configuration.scaledTwice ? root : root.squareRoot())
    let projections = try u.matmul(w.transposed(0, 1))
    let exponents = try projections - (u * u).sum([-1], keep: true) * 0.5
    return (exponents, configuration.projectionMaxima ? projections : exponents)
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
