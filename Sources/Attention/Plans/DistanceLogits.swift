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
    place = try model.linear(model.embDim, model.qkvDim, bias: false, key: key["r"])
    let shape = [model.numHeads, 1, model.headWidth]
    contentBias = try .normal(shape, deviation: 0.02, key: key["u"], role: .bias)
    placeBias = try .normal(shape, deviation: 0.02, key: key["w"], role: .bias)
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
    let sinusoids = try Self.sinusoids(
      from: reach - 1, step: -1, count: reach + s - 1, width: width
    ).to(queries.elementType).to(queries.device)
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

  /// Queries and keys whose products, over √E, are the logits: [B, H, L, E + D] each.
  ///
  /// A sinusoid of i - j is a rotation of those of j by i, so the term by distance is a product of what the
  /// query asks, rotated, with the sinusoids of the key's own place.
  ///
  /// - Parameters:
  ///   - queries: [B, H, L, E], of all places.
  ///   - keys: several [B, H, L, E], of all places too.
  ///   - project: sinusoids [M, D] to [M, H E].
  func widened(
    _ queries: Tensor, _ keys: [Tensor], project: (Tensor) throws -> Tensor
  ) throws -> (queries: Tensor, keys: [Tensor]) {
    let (b, h, length, e) = (queries.size(0), queries.size(1), queries.size(2), queries.size(3))
    let identity = try mask(width, width, on: queries.device) { $0 == $1 }
    let map = try project(identity.to(queries.elementType)).reshaped([width, h, e])
      .permuted([1, 2, 0])  // [H, E, D]
    let asked = try (queries + placeBias.value).matmul(map).to(queries.elementType)  // [B, H, L, D]
    let places = try Self.sinusoids(from: 0, step: 1, count: length, width: width)
      .to(queries.elementType).to(queries.device)  // [L, D]
    let half = width / 2
    let (sines, cosines) = (try places.slice(0..<half, 1), try places.slice(half..<width, 1))
    let (ofSines, ofCosines) = (try asked.slice(0..<half, 3), try asked.slice(half..<width, 3))
    let rotated = try [
      ofCosines * sines - ofSines * cosines, ofSines * sines + ofCosines * cosines,
    ]
    let shown = try places.expanded([b, h, length, width])
    return (
      try .concatenated([queries + contentBias.value] + rotated, 3),
      try keys.map { try .concatenated([$0, shown], 3) }
    )
  }

  /// `r.weight`, `u`, `w`.
  var parameters: [NamedParameter] {
    place.parameters.prefixed("r") + [
      NamedParameter("u", contentBias), NamedParameter("w", placeBias),
    ]
  }

  /// Sines, then cosines, of first, first + step, ...: [count, width].
  static func sinusoids(from first: Int, step: Int, count: Int, width: Int) throws -> Tensor {
    var values = [Double](repeating: 0, count: count * width)
    for pair in 0..<(width / 2) {
      let rate = pow(10_000, -2 * Double(pair) / Double(width))
      let turn = (sine: sin(Double(step) * rate), cosine: cos(Double(step) * rate))
      // Each from the one before: in double precision 16,384 turns are exact to 1e-11.
      var at = (sine: sin(Double(first) * rate), cosine: cos(Double(first) * rate))
      for row in 0..<count {
        values[row * width + pair] = at.sine
        values[row * width + width / 2 + pair] = at.cosine
        at = (
          at.sine * turn.cosine + at.cosine * turn.sine,
          at.cosine * turn.cosine - at.sine * turn.sine
        )
      }
    }
    return try .from(values, [count, width])
  }
}
