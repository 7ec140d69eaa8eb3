import Tensors

/// The required attention span: how far, on average, queries look, weighted by their attention.
///
/// For every layer and head the mean over a sequence's real queries of `Σ_k A[q, k] |q - k|`, then the
/// mean over sequences. Positions are those of the encoder, a CLS vector counted. At most a tile of
/// the L x L weights exists at any time.
///
/// Tay and others 2020, arXiv 2011.04006, section 2.3.
public final class AttentionSpan {
  /// Mean distance per layer and head, in tokens.
  public var layers: [[Double]] {
    sums.map { heads in heads.map { sequences > 0 ? $0 / Double(sequences) : 0 } }
  }
  /// The same for attention that is uniform over the real tokens that may be attended.
  public var uniform: Double { sequences > 0 ? uniformSum / Double(sequences) : 0 }
  /// Sequences measured.
  public private(set) var sequences = 0

  private var sums: [[Double]] = []
  private var uniformSum = 0.0
  /// Logits that exist at a time: 4 MiB in float32.
  private static let tile = 1 << 20

  /// Nothing measured yet.
  public init() {}

  /// Measures one layer of a batch.
  ///
  /// - Parameters:
  ///   - queries: [B, H, L, E], keys alike, as they meet in the logits.
  ///   - scale: the factor of the logits.
  func add(
    _ queries: Tensor, _ keys: Tensor, scale: Double, causal: Bool, _ context: Context, layer: Int
  ) throws {
    let heads = queries.size(1)
    if layer == sums.count { sums.append([Double](repeating: 0, count: heads)) }
    for (row, length) in context.lengths.enumerated() where length > 0 {
      if layer == 0 {
        sequences += 1
        uniformSum += AttentionSpan.uniform(length: length, causal: causal)
      }
      let q = try queries.select(row, 0).slice(0..<length, 1)  // [H, n, E]
      let k = try keys.select(row, 0).slice(0..<length, 1).transposed(1, 2)  // [H, E, n]
      let step = max(1, AttentionSpan.tile / (heads * length))
      for first in stride(from: 0, to: length, by: step) {
        let rows = first..<min(length, first + step)
        let distances = try distances(rows, length, like: q)  // [rows, n], positive to the right
        var logits = try q.slice(rows, 1).matmul(k) * scale  // [H, rows, n]
        if causal {
          let future = try Tensor.full([], 0, q.elementType, on: q.device).less(than: distances)
          logits = try logits.filled(where: future, blockedLogit)
        }
        let far = try logits.softmax(-1) * (distances.relu() + (distances * -1).relu())
        let found = try far.sum([2]).to(.float64).sum([1]).doubles()  // [H]
        for head in 0..<heads { sums[layer][head] += found[head] / Double(length) }
      }
    }
  }

  /// Key position minus query position, [rows, n].
  private func distances(_ rows: Range<Int>, _ length: Int, like x: Tensor) throws -> Tensor {
    let keys = try Tensor.integers(0..<length, on: x.device).to(x.elementType)  // [n]
    let queries = try Tensor.integers(rows, on: x.device).to(x.elementType)
      .reshaped([rows.count, 1])
    return try keys - queries  // [rows, n]
  }

  /// The mean distance of uniform attention over n tokens, in both directions or to the left.
  public static func uniform(length n: Int, causal: Bool) -> Double {
    let n = Double(n)
    return causal ? (n - 1) / 4 : (n * n - 1) / (3 * n)
  }
}
