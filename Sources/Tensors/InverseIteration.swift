import CTorch

extension Tensor {
  /// The iteration `Z ← Z (13 I - A Z (15 I - A Z (7 I - A Z))) / 4` towards the inverse of A: [..., m, m].
  ///
  /// Every matrix stays in the cache for all its steps. These are the matrices A, float32 on the CPU.
  ///
  /// - Parameters:
  ///   - start: the first Z, like A.
  ///   - iterations: at least 1.
  public func inverseIteration(from start: Tensor, iterations: Int) throws -> Tensor {
    try Tensor(ct_inverse_iteration(handle, start.handle, Int32(iterations)))
  }
}
