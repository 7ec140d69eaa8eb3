import Foundation
import Tensors

/// cosFormer: ReLU features re-weighted by the cosine of the distance.
///
/// Weights are `ReLU(q)·ReLU(k) cos(π (i - j) / 2M)` over their sum; the cosine of a difference splits in
/// two products, so time is O(L·E²) and memory O(L·E). M is the longest length, so that neither padding nor
/// a batch's length changes results. Padded keys have zero features. There are no probabilities, so
/// attention dropout has nothing to act on.
///
/// Qin and others 2022, arXiv 2202.08791, equations 10 to 12.
///
/// Tensors under `blocks.{i}.attn`:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `{q,k,v}` | [H E, D] + [H E] | projections to heads |
/// | `out` | [D, H E] + [D] | projection back |
public struct CosFormer: Mixer {
  /// The keys of `model.mixer`.
  public struct Configuration: ModelKeys {
    var lengthFromBatch = false

    /// What each key is.
    public static let keys: [ModelKey<Configuration>] = [
      .init(
        "length_from_batch", \.lengthFromBatch,
        "The authors' M: the batch's padded length, on which results then depend.")
    ]

    /// What keys are that are not given.
    public static let defaults = Configuration()
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "cosformer", summary: "ReLU features, cos of distance", time: "L d^2",
    memory: "L d", directions: [.bidirectional, .causal], paper: "2202.08791",
    attentionDropout: false)

  /// The least denominator, as in the authors' code.
  static let least = 1e-6

  let heads: Heads
  let positions: Int
  let lengthFromBatch: Bool
  let causal: Bool

  /// Four projections and nothing else.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    heads = try Heads(model, key: key)
    positions = model.positions
    lengthFromBatch = configuration.lengthFromBatch
    causal = model.causal
  }

  /// [B, L, D] to [B, L, D].
  public func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let qkv = try heads.packed(x).widened()  // [B, L, 3, H, E]
    let fused = try context.fusedFeatureAttention(
      qkv, .cosine(angles(x.size(1)).map { (sin($0), cos($0)) }), causal: causal,
      denominator: .atLeast(Self.least))
    if let fused { return try heads.merged(fused) }  // [B, L, D]
    let (q, k, v) = try heads.parts(qkv)  // [B, H, L, E] each
    let attended = try attend(q, k, v, real: context.realPositions())
    return try heads.merged(attended.transposed(1, 2))  // [B, L, D]
  }

  /// The projections.
  public var parameters: [NamedParameter] { heads.parameters }

  /// The angle of every position: π / 2 at M.
  private func angles(_ length: Int) -> [Double] {
    let step = Double.pi / 2 / Double(lengthFromBatch ? length : positions)
    return (1...length).map { Double($0) * step }
  }

  /// Queries, keys and values [B, H, L, E] to [B, H, L, E]; `real` [B, 1, L, 1] is 0 at padding.
  func attend(_ q: Tensor, _ k: Tensor, _ v: Tensor, real: Tensor?) throws -> Tensor {
    let length = q.size(2)
    let angles = angles(length)
    let table = { (values: [Double]) in
      try Tensor.from(values, [length, 1]).to(q.elementType).to(q.device)
    }
    let (sine, cosine) = (try table(angles.map { sin($0) }), try table(angles.map { cos($0) }))
    let features = { (x: Tensor) in
      let positive = try x.relu()
      return try Tensor.concatenated([positive * sine, positive * cosine], 3)  // [B, H, L, 2 E]
    }
    let keys = try features(k)
    return try featureAttention(
      features(q), real.map { try keys * $0 } ?? keys, v, causal: causal
    ) { try $0.clamped(least: Self.least) }
  }
}
