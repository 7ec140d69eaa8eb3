import CTorch

extension Tensor {
  /// These rows [..., D] with mean 0 and variance 1 in every channel, times a weight, plus a bias; rows that are not real
  /// become 0.
  ///
  /// Ioffe and Szegedy 2015, arXiv 1502.03167; the form of training. float32 on the CPU; other tensors go through
  /// `batchNormalisedBySums`.
  ///
  /// - Parameters:
  ///   - real: bool, one a row: whether it counts; nil for all.
  ///   - together: whether means and variances are over the rows of all processes.
  /// - Returns: the rows, and [2, D] float64: means and unbiased variances.
  public func batchNormalised(
    real: Tensor?, _ weight: Tensor, _ bias: Tensor, eps: Double, together: Bool
  ) throws -> (Tensor, statistics: Tensor) {
    guard elementType == .float32 && device == .cpu else {
      return try batchNormalisedBySums(real: real, weight, bias, eps: eps, together: together)
    }
    let statistics = try Tensor.zeros([2, size(-1)], .float64)
    let y = try Tensor(
      ct_batch_norm(
        handle, real?.handle, weight.handle, bias.handle, eps, together ? 1 : 0, statistics.handle))
    return (y, statistics)
  }

  /// The same by plain sums.
  func batchNormalisedBySums(
    real: Tensor?, _ weight: Tensor, _ bias: Tensor, eps: Double, together: Bool
  ) throws -> (Tensor, statistics: Tensor) {
    let rows = try reshaped([-1, size(-1)])  // [N, D]
    let flags = try real.map { try $0.to(elementType).reshaped([-1, 1]) }  // [N, 1]
    let total = { (x: Tensor) in
      let sum = try x.sum([0], keep: true)
      return together ? try Tensor(ct_group_sum_of(sum.to(.cpu).handle)).to(x.device) : sum
    }
    let shown = { (x: Tensor) in try flags.map { try x * $0 } ?? x }
    let count = try total(flags ?? .full([rows.size(0), 1], 1, elementType, on: device)).item()
    let mean = try total(shown(rows)) * (1 / Swift.max(count, 1))  // [1, D]
    let centred = try shown(rows - mean)
    let squares = try total(centred * centred)
    let rate = try (squares * (1 / Swift.max(count, 1)) + eps).squareRoot()
    let y = try shown(centred / rate * weight + bias).reshaped(shape)
    let unbiased = try squares * (1 / Swift.max(count - 1, 1))
    return try withoutGradient {
      (y, try Tensor.concatenated([mean, unbiased], 0).detached().to(.float64).to(.cpu))
    }
  }
}
