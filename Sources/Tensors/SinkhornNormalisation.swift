import CTorch

extension Tensor {
  /// Rows and columns of exp(self) made to sum to 1 in turn, `iterations` times each: [B, H, n, n].
  ///
  /// Every matrix stays in the cache for all its steps, as logarithms. These are scores, float32 on the CPU. Sinkhorn
  /// 1964; Mena and others 2018, arXiv 1802.08665, section 2.
  ///
  /// - Parameters:
  ///   - sizes: [B] int64 on the CPU; rows and columns from there on are left out, and come out as zeros.
  ///   - iterations: at least 1.
  public func sinkhornNormalized(sizes: Tensor, iterations: Int) throws -> Tensor {
    try Tensor(ct_sinkhorn(handle, sizes.handle, Int32(iterations)))
  }
}
