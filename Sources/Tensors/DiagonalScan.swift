import CTorch

extension Tensor {
  /// The states `h_t = a h_{t-1} + u_t` of a diagonal recurrence with complex coefficients: [B, L, 2 P].
  ///
  /// These are u [B, L, 2 P], real parts and then imaginary ones. Everything is float32 on the CPU. O(L·P) time.
  ///
  /// - Parameters:
  ///   - coefficients: a [2, P], real and imaginary parts.
  ///   - reverse: from the last position on, `h_t = a h_{t+1} + u_t`.
  public func diagonalScan(_ coefficients: Tensor, reverse: Bool) throws -> Tensor {
    try Tensor(ct_diagonal_scan(handle, coefficients.handle, reverse ? 1 : 0))
  }
}
