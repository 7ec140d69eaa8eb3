import CTorch

extension Tensor {
  /// RWKV-4's weighted means of all earlier values and the token's own, for each channel: [B, L, D].
  ///
  /// `(Σ_{i<t} e^{k_i - (t-1-i) w} v_i + e^{u + k_t} v_t) / (the same with 1 for v)` in O(L·D) time, with a level
  /// taken off every exponent. Everything is float32 on the CPU. These are the keys k.
  ///
  /// - Parameters:
  ///   - values: v, like the keys.
  ///   - decay: w, above 0, and bonus u, [D].
  public func recurrence(_ values: Tensor, decay: Tensor, bonus: Tensor) throws -> Tensor {
    try Tensor(ct_recurrence(handle, values.handle, decay.handle, bonus.handle))
  }
}
