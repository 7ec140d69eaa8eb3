import Tensors

/// Linformer: keys and values are projected along the sequence to a fixed length k.
///
/// `softmax(Q (P K)ᵀ / √E) (P V)` takes O(L·k·D) time and O(L·D) memory. Keys and values at padded positions
/// are zeroed before the projection, so the result does not depend on padding. Every output mixes all
/// positions: the mechanism cannot be causal. Dropout on probabilities applies to the k slots.
///
/// Wang and others 2020, arXiv 2006.04768, equation 7; one projection for keys, values and heads, as in
/// LRA's code. With `shared_by_layers` all layers have that of the first, the paper's "layerwise sharing".
///
/// Tensors under `blocks.{i}.attn`:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `{q,k,v}` | [H E, D] + [H E] | projections to heads |
/// | `out` | [D, H E] + [D] | projection back |
/// | `linformer.projection` | [k, L] | P; a buffer when it is not trained |
/// | `linformer.projection` | [H, k, L] | the same with `per_head`; with `shared_by_layers` of block 0 alone |
public struct Linformer: Mixer {
  /// The keys of `model.mixer`.
  public struct Configuration: ModelKeys {
    var lowRankFeatures = 256
    var attendedPadding = false
    var perHead = false
    var sharedByLayers = false
    var smallInit = false
    var untrained = false

    /// What each key is.
    public static let keys: [ModelKey<Configuration>] = [
      .init(
        "low_rank_features", \.lowRankFeatures,
        """
        Projected length k, in tokens, at least 1. LRA's code always runs with 16, whatever its \
        file says.
        """),
      .init(
        "attended_padding", \.attendedPadding,
        """
        Padded keys and values are projected like real ones, as in LRA's code, which passes no \
        mask.
        """),
      .init(
        "per_head", \.perHead,
        """
        Each head has a projection of its own, as in mlpen/Nystromformer's code for LRA \
        (LRA/code/attention_linformer.py).
        """),
      .init(
        "shared_by_layers", \.sharedByLayers,
        """
        All layers have the projection of the first, as in that code, where it belongs to the \
        class.
        """),
      .init(
        "small_init", \.smallInit,
        "The projection begins with N(0, 0.02²), as in that code; otherwise with N(0, 1/k)."),
      .init(
        "untrained", \.untrained,
        """
        The projection stays as it began. So in Skyformer's code \
        (src/models/attention_linformer.py): the copy that it puts on the GPU is no parameter \
        any more.
        """),
    ]

    /// What keys are that are not given.
    public static let defaults = Configuration()
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "linformer", summary: "keys and values projected to k", time: "L k d", memory: "L d",
    directions: [.bidirectional], paper: "2006.04768")

  let heads: Heads
  private(set) var projection: Parameter  // [k, positions] or [H, k, positions]
  private var ownsProjection = true
  let configuration: Configuration
  let dropoutRate: Double

  /// Four projections and one along the sequence, N(0, 1/k).
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    let k = configuration.lowRankFeatures
    guard k >= 1 else {
      throw AttentionError.badValue(
        Self.mechanism.name, "low_rank_features is at least 1, not \(k)")
    }
    heads = try Heads(model, key: key)
    let drawn = try Parameter.normal(
      (configuration.perHead ? [model.numHeads] : []) + [k, model.positions],
      deviation: configuration.smallInit ? 0.02 : 1 / Double(k).squareRoot(),
      key: key["projection"])
    projection = try (configuration.untrained ? .buffer(drawn.value.detached()) : drawn)
      .tiedToLength()
    self.configuration = configuration
    dropoutRate = model.attentionDropoutRate
  }

  /// [B, L, D] to [B, L, D].
  public func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let (q, k, v) = try heads.split(x)  // [B, H, L, E] each
    let columns = try projection.value.slice(0..<context.length, -1)  // [k, L] or [H, k, L]
    let real = try configuration.attendedPadding ? nil : context.realPositions()
    let shortened = { (t: Tensor) in try columns.matmul(real.map { try t * $0 } ?? t) }
    let attended = try context.attended(
      q, shortened(k), shortened(v), scale: heads.scale, dropout: dropoutRate, layer: layer)
    return try heads.merged(attended.transposed(1, 2))  // [B, L, D]
  }

  /// The projections; `linformer.projection` [k, positions], unless it is the first layer's.
  public var parameters: [NamedParameter] {
    heads.parameters + (ownsProjection ? [NamedParameter("linformer.projection", projection)] : [])
  }

  /// With the first layer's projection, if layers share it.
  public func sharing(_ first: any Mixer) -> Linformer {
    guard configuration.sharedByLayers, let first = first as? Linformer else { return self }
    var shared = self
    (shared.projection, shared.ownsProjection) = (first.projection, false)
    return shared
  }
}
