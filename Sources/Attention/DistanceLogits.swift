import Foundation
import Tensors

/// Logits by content and by distance, `((q_i + u)·k_j + (q_i + w)·R_{i-j} W_r) / √E`, with fixed sinusoids R.
///
/// Dai and others 2019, arXiv 1901.02860, section 3.3. Deviation: u and w belong to a layer.
struct DistanceLogits: Module {
  let place: Linear  // W_r
  let contentBias: Parameter  // u [H, 1, E]
  let placeBias: Parameter  // w [H, 1, E]
  private let width: Int

  /// - Parameter name: the mechanism's, for errors.
  /// - Throws: `AttentionError` for an odd width, and for rotary positions.
  init(_ model: ModelConfiguration, of name: String, key: RandomKey) throws {
    guard model.position != .rotary && model.embDim % 2 == 0 else {
      throw AttentionError.badValue(name, "emb_dim is even, and positions are not rotary")
    }
    place = try Linear(model.embDim, model.qkvDim, bias: false, key: key["r"])
    let shape = [model.numHeads, 1, model.headWidth]
    contentBias = try .normal(shape, deviation: 0.02, key: key["u"], kind: .bias)
    placeBias = try .normal(shape, deviation: 0.02, key: key["w"], kind: .bias)
    width = model.embDim
  }

  /// Queries [B, H, n, s, E] of n segments over keys [B, H, n, N, E], which end with the segment itself:
  /// [B, H, n, s, N].
  ///
  /// - Parameter project: sinusoids of distances [M, D] to [M, H E].
  func callAsFunction(
    _ queries: Tensor, _ keys: Tensor, project: (Tensor) throws -> Tensor
  ) throws -> Tensor {
    let (b, h, n) = (queries.size(0), queries.size(1), queries.size(2))
    let (s, e, reach) = (queries.size(3), queries.size(4), keys.size(3))
    // Distances from reach - 1 down to 1 - s.
    let sinusoids = try Self.sinusoids(from: reach - 1, count: reach + s - 1, width: width)
      .to(queries.elementType).to(queries.device)
    let places = try project(sinusoids).reshaped([reach + s - 1, h, e])
      .permuted([1, 2, 0]).unsqueezed(1)  // [H, 1, E, M]
    let scaled = { (bias: Parameter) in
      try (queries + bias.value.unsqueezed(1)) * (1 / Double(e).squareRoot())
    }
    let content = try scaled(contentBias).matmul(keys.transposed(3, 4))  // [B, H, n, s, N]
    let byDistance = try scaled(placeBias).matmul(places)  // [B, H, n, s, M]
    // Row a and key j are at distance a + reach - s - j, which stands at s - 1 - a + j.
    let index = try Tensor.from(
      (0..<(s * reach)).map { Int64(s - 1 - $0 / reach + $0 % reach) }, [1, 1, 1, s, reach]
    ).to(queries.device).expanded([b, h, n, s, reach])
    return try content + byDistance.gathered(index, 4)
  }

  /// `r.weight`, `u`, `w`.
  var parameters: [NamedParameter] {
    place.parameters.prefixed("r") + [
      NamedParameter("u", contentBias), NamedParameter("w", placeBias),
    ]
  }

  /// Sines, then cosines, of distances first, first - 1, ...: [count, width].
  static func sinusoids(from first: Int, count: Int, width: Int) throws -> Tensor {
    var values: [Double] = []
    for index in 0..<count {
      let angles = (0..<(width / 2)).map { pair in
        Double(first - index) * pow(10_000, -2 * Double(pair) / Double(width))
      }
      values += angles.map { sin($0) } + angles.map { cos($0) }
    }
    return try .from(values, [count, width])
  }
}
