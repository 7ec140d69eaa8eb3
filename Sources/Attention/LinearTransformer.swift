import Tensors

/// Linear attention: the softmax kernel is replaced by a product of positive features.
///
/// `φ(Q) (φ(K)ᵀ V) / (φ(Q) Σ φ(K) + 1e-6)` with `φ(x) = elu(x) + 1`, in O(L·E²) time and O(L·E)
/// memory. Features of padded keys are zero. The causal form carries `φ(K)ᵀ V` from chunk to chunk and
/// is quadratic only within one. There are no probabilities, so attention dropout has nothing to act on.
///
/// Katharopoulos and others 2020, arXiv 2006.16236, equations 5 and 9.
public struct LinearTransformer: Mixer {
  /// It has no keys of its own.
  public struct Configuration: Codable, Sendable {}

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "linear", summary: "features elu + 1 in place of softmax", time: "L d^2", memory: "L d",
    directions: [.bidirectional, .causal], paper: "2006.16236")
  /// No keys.
  public static let defaults = Configuration()

  /// Added to the denominator, as in LRA's code.
  static let eps = 1e-6
  /// Tokens of a chunk of the causal form.
  static let chunk = 128

  let heads: Heads
  let causal: Bool

  /// Four projections and nothing else.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    heads = try Heads(model, key: key)
    causal = model.causal
  }

  /// [B, L, D] to [B, L, D].
  public func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let (q, k, v) = try heads.split(x)  // [B, H, L, E] each
    let attended = try Self.attend(q, k, v, real: context.realPositions(), causal: causal)
    return try heads.merged(attended.transposed(1, 2))  // [B, L, D]
  }

  /// The projections.
  public var parameters: [NamedParameter] { heads.parameters }

  /// - Parameters:
  ///   - q: queries, keys and values, [B, H, L, E].
  ///   - real: [B, 1, L, 1], 0 at padded keys; nil when none is.
  /// - Returns: [B, H, L, E].
  static func attend(_ q: Tensor, _ k: Tensor, _ v: Tensor, real: Tensor?, causal: Bool) throws
    -> Tensor
  {
    let queries = try q.elu() + 1
    let positive = try k.elu() + 1
    let keys = try real.map { try positive * $0 } ?? positive
    if causal { return try attendCausally(queries, keys, v) }
    let summary = try keys.transposed(2, 3).matmul(v)  // [B, H, E, E]
    let total = try keys.sum([2], keep: true).transposed(2, 3)  // [B, H, E, 1]
    return try queries.matmul(summary) / (queries.matmul(total) + eps)
  }

  private static func attendCausally(_ q: Tensor, _ k: Tensor, _ v: Tensor) throws -> Tensor {
    let length = q.size(2)
    var parts: [Tensor] = []
    var summary: Tensor?  // [B, H, E, E], of all earlier chunks
    var total: Tensor?  // [B, H, E, 1]
    for first in stride(from: 0, to: length, by: chunk) {
      let range = first..<min(first + chunk, length)
      let (a, b, c) = (try q.slice(range, 2), try k.slice(range, 2), try v.slice(range, 2))
      let future = (0..<range.count).flatMap { row in (0..<range.count).map { $0 > row } }
      let mask = try Tensor.from(future, [range.count, range.count]).to(q.device)
      let scores = try a.matmul(b.transposed(2, 3)).filled(where: mask, 0)  // [B, H, c, c]
      var numerator = try scores.matmul(c)  // [B, H, c, E]
      var denominator = try scores.sum([3], keep: true)  // [B, H, c, 1]
      if let summary, let total {
        numerator = try numerator + a.matmul(summary)
        denominator = try denominator + a.matmul(total)
      }
      parts.append(try numerator / (denominator + eps))
      let chunkSummary = try b.transposed(2, 3).matmul(c)
      let chunkTotal = try b.sum([2], keep: true).transposed(2, 3)
      summary = try summary.map { try $0 + chunkSummary } ?? chunkSummary
      total = try total.map { try $0 + chunkTotal } ?? chunkTotal
    }
    return parts.count == 1 ? parts[0] : try .concatenated(parts, 2)
  }
}
