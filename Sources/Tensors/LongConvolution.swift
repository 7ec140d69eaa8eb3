import CTorch

extension Tensor {
  /// The convolution of every channel of these rows [B, L, D] with a kernel as long as they are: [B, L, D].
  ///
  /// `y_t = Σ_{s ≤ t} kernel[0][t-s] x_s + Σ_{s > t} kernel[1][s-t-1] x_s`, by Fourier transforms of at least
  /// 2 L points, so that nothing wraps around: O(L log L) time. Backward keeps nothing but the inputs.
  ///
  /// - Parameters:
  ///   - kernel: [1, D, L] for the causal one, or [2, D, L].
  ///   - lengths: [B] int64 on the CPU, from where rows count as zeros, nil for none; float64 and CUDA tensors
  ///     must have zeros there.
  public func longConvolution(_ kernel: Tensor, lengths: Tensor? = nil) throws -> Tensor {
    try Tensor(ct_long_convolution(handle, kernel.handle, lengths?.handle))
  }
}
