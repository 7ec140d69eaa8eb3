import Tensors

/// Linformer: keys and values are projected along the sequence to a fixed length k.
///
/// `softmax(Q (P K)ᵀ / √E) (P V)` takes O(L·k·D) time and O(L·D) memory. Keys and values at padded positions
/// are zeroed before the projection, so the result does not depend on padding. Every output mixes all
/// positions: the mechanism cannot be causal. Dropout on probabilities applies to the k slots.
///
/// Wang and others 2020, arXiv 2006.04768, equation 7; one projection for keys, values and heads
/// ("layerwise sharing"), as in LRA's code.
///
/// Tensors under `blocks.{i}.attn`:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `{q,k,v}` | [H E, D] + [H E] | projections to heads |
/// | `out` | [D, H E] + [D] | projection back |
/// | `linformer.projection` | [k, L] | P |
public struct Linformer: Mixer {
  /// The keys of `model.attention`.
  public struct Configuration: Codable, Sendable {
    /// Projected length k, in tokens, at least 1.
    ///
    /// LRA's code always runs with 16, whatever its file says.
    public var lowRankFeatures = 256
    /// Padded keys and values are projected like real ones, as in LRA's code, which passes no mask.
    public var attendedPadding = false

    enum CodingKeys: String, CodingKey {
      case lowRankFeatures = "low_rank_features"
      case attendedPadding = "attended_padding"
    }
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "linformer", summary: "keys and values projected to k", time: "L k d", memory: "L d",
    directions: [.bidirectional], paper: "2006.04768")
  /// k = 256, padding left out.
  public static let defaults = Configuration()

  let heads: Heads
  let projection: Parameter  // [k, positions]
  let attendedPadding: Bool
  let dropoutRate: Double

  /// Four projections and one along the sequence, N(0, 1/k).
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    let k = configuration.lowRankFeatures
    guard k >= 1 else {
      throw AttentionError.badValue(
        Self.mechanism.name, "low_rank_features is at least 1, not \(k)")
    }
    heads = try Heads(model, key: key)
    projection = try .normal(
      [k, model.positions], deviation: 1 / Double(k).squareRoot(), key: key["projection"]
    ).tiedToLength()
    attendedPadding = configuration.attendedPadding
    dropoutRate = model.attentionDropoutRate
  }

  /// [B, L, D] to [B, L, D].
  public func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let (q, k, v) = try heads.split(x)  // [B, H, L, E] each
    let columns = try projection.value.slice(0..<context.length, 1)  // [k, L]
    let real = try attendedPadding ? nil : context.realPositions()
    let shortened = { (t: Tensor) in try columns.matmul(real.map { try t * $0 } ?? t) }
    let attended = try context.attended(
      q, shortened(k), shortened(v), scale: heads.scale, dropout: dropoutRate, layer: layer)
    return try heads.merged(attended.transposed(1, 2))  // [B, L, D]
  }

  /// The projections; `linformer.projection` [k, positions].
  public var parameters: [NamedParameter] {
    heads.parameters + [NamedParameter("linformer.projection", projection)]
  }
}
