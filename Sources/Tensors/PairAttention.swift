import CTorch

/// What a query and a key weigh together.
public enum PairWeights: Sendable {
  /// `exp(scale q·k)` over the sum for all keys.
  case softmax
  /// `exp(-scale |q - k|² / 2)`, not divided by a sum.
  case gaussian
}

extension Tensor {
  /// Attention of these queries to other keys by a kernel that stores no matrix of weights.
  ///
  /// Everything is float32 on the CPU. A query without keys gives zeros.
  ///
  /// - Parameters:
  ///   - keys: keys and values, [B, H, K, E], for these queries [B, H, Q, E].
  ///   - lengths: [B] int64 on the CPU; keys from there on are not attended. nil: all are.
  ///   - causal: whether query i attends to keys 0...i only.
  ///   - dropout: rate on the weights, kept or not as `dropout` would a tensor [B, H, Q, K] of them.
  /// - Returns: [B, H, Q, E].
  public func pairAttention(
    _ keys: Tensor, _ values: Tensor, _ weights: PairWeights, lengths: Tensor?,
    causal: Bool = false, scale: Double, dropout: Double = 0,
    key: RandomKey = RandomKey(seed: 0), examples: Tensor? = nil
  ) throws -> Tensor {
    try Tensor(
      ct_pair_attention(
        handle, keys.handle, values.handle, lengths?.handle, weights == .softmax ? 1 : 0,
        causal ? 1 : 0, scale, dropout, examples?.handle, key.bits))
  }

  /// A convolution along tokens with one filter for each head: values [B, H, L, E] to the same shape.
  ///
  /// `Σ_t w_t v_{i + t - K/2}` with zeros around. Everything is float32 on the CPU.
  ///
  /// - Parameters:
  ///   - filters: [H, 1, K], K odd.
  ///   - lengths: [B] int64 on the CPU; values from there on count as zeros. nil: none does.
  public func rowConvolution(_ filters: Tensor, lengths: Tensor?) throws -> Tensor {
    try Tensor(ct_row_convolution(handle, filters.handle, lengths?.handle))
  }
}
