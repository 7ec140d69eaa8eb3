import Tensors

/// Tokens of a chunk of causal attention by features.
private let chunk = 128

/// Attention whose weights are products of features: `φ(q)·φ(k)` over their sum.
///
/// `φ(Q) (φ(K)ᵀ V) / (φ(Q) Σ φ(K))` takes O(L·M·E) time and no L x L matrix. The causal form carries
/// `φ(K)ᵀ V` and `Σ φ(K)` from chunk to chunk and is quadratic only within one. Features of keys that are
/// not attended are zero.
///
/// - Parameters:
///   - queries: features of queries and of keys, [B, H, L, M], not negative.
///   - values: [B, H, L, E].
///   - denominator: what keeps the sum of weights away from 0; plus 1e-6, as in LRA's code.
/// - Returns: [B, H, L, E].
func featureAttention(
  _ queries: Tensor, _ keys: Tensor, _ values: Tensor, causal: Bool,
  denominator: (Tensor) throws -> Tensor = { try $0 + 1e-6 }
) throws -> Tensor {
  guard causal else {
    let summary = try keys.transposed(2, 3).matmul(values)  // [B, H, M, E]
    let total = try keys.sum([2], keep: true).transposed(2, 3)  // [B, H, M, 1]
    return try queries.matmul(summary) / denominator(queries.matmul(total))
  }
  let length = queries.size(2)
  var parts: [Tensor] = []
  var summary: Tensor?  // [B, H, M, E], of all earlier chunks
  var total: Tensor?  // [B, H, M, 1]
  for first in stride(from: 0, to: length, by: chunk) {
    let range = first..<min(first + chunk, length)
    let (q, k) = (try queries.slice(range, 2), try keys.slice(range, 2))
    let v = try values.slice(range, 2)
    let future = try mask(range.count, range.count, on: q.device) { $1 > $0 }
    let scores = try q.matmul(k.transposed(2, 3)).filled(where: future, 0)  // [B, H, c, c]
    var numerator = try scores.matmul(v)  // [B, H, c, E]
    var weight = try scores.sum([3], keep: true)  // [B, H, c, 1]
    if let summary, let total {
      numerator = try numerator + q.matmul(summary)
      weight = try weight + q.matmul(total)
    }
    parts.append(try numerator / denominator(weight))
    let more = try k.transposed(2, 3).matmul(v)
    let sum = try k.sum([2], keep: true).transposed(2, 3)
    summary = try summary.map { try $0 + more } ?? more
    total = try total.map { try $0 + sum } ?? sum
  }
  return parts.count == 1 ? parts[0] : try .concatenated(parts, 2)
}

extension Context {
  /// Attention by features in one kernel: packed [B, L, 3, H, E] to [B, L, H, E]; nil where only the
  /// composed form serves.
  ///
  /// That is for float64, CUDA, and positions that are hidden within a row.
  func fusedFeatureAttention(
    _ qkv: Tensor, _ map: @autoclosure () throws -> FeatureMap, attendedPadding: Bool = false,
    causal: Bool, denominator: Denominator = .plus(1e-6)
  ) throws -> Tensor? {
    let known = hidden == nil || attendedPadding
    guard known && qkv.elementType == .float32 && qkv.device == .cpu else { return nil }
    return try qkv.featureAttention(
      map(), lengths: attendedPadding ? nil : lengthTensor, causal: causal,
      denominator: denominator)
  }
}
