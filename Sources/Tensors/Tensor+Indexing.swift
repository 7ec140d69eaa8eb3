import CTorch

extension Tensor {
  /// eˣ.
  public func exp() throws -> Tensor { try Tensor(ct_exp(handle)) }

  /// The sine.
  public func sin() throws -> Tensor { try Tensor(ct_sin(handle)) }

  /// The cosine.
  public func cos() throws -> Tensor { try Tensor(ct_cos(handle)) }

  /// The natural logarithm.
  public func log() throws -> Tensor { try Tensor(ct_log(handle)) }

  /// The square root.
  public func squareRoot() throws -> Tensor { try Tensor(ct_sqrt(handle)) }

  /// 1 / (1 + e⁻ˣ).
  public func sigmoid() throws -> Tensor { try Tensor(ct_sigmoid(handle)) }

  /// ln(1 + e^(βx)) / β.
  public func softplus(beta: Double = 1) throws -> Tensor { try Tensor(ct_softplus(handle, beta)) }

  /// a sigmoid(b) of the halves [a, b] along a dimension (Dauphin and others 2017, arXiv 1612.08083): `glu`.
  public func gatedHalves(_ dimension: Int) throws -> Tensor {
    try Tensor(ct_glu(handle, Int32(dimension)))
  }

  /// Singular values of the last two dimensions, the largest first; no gradient.
  public func singularValues() throws -> Tensor { try Tensor(ct_singular_values(handle)) }

  /// x where x > 0, else `slope` times x.
  public func leakyReLU(slope: Double = 0.01) throws -> Tensor {
    try Tensor(ct_leaky_relu(handle, slope))
  }

  /// The elements, those below `least` raised to it.
  public func clamped(least: Double) throws -> Tensor { try Tensor(ct_clamp_min(handle, least)) }

  /// These elements where the mask is true, else those of the other tensor, with broadcasting.
  public func chosen(where mask: Tensor, else other: Tensor) throws -> Tensor {
    try Tensor(ct_where(mask.handle, handle, other.handle))
  }

  /// The largest element along a dimension, which stays with size 1.
  public func max(_ dimension: Int) throws -> Tensor {
    try Tensor(ct_amax(handle, Int32(dimension)))
  }

  /// log Σ eˣ along a dimension, which stays with size 1.
  public func logSumExp(_ dimension: Int) throws -> Tensor {
    try Tensor(ct_logsumexp(handle, Int32(dimension)))
  }

  /// Sums from the first element up to each, along a dimension.
  public func runningSum(_ dimension: Int) throws -> Tensor {
    try Tensor(ct_cumsum(handle, Int32(dimension)))
  }
}

extension Tensor {
  /// The integers of a range, in order: [count] int64.
  public static func integers(_ range: Range<Int>, on device: Device = .cpu) throws -> Tensor {
    try Tensor(ct_range(Int64(range.lowerBound), Int64(range.upperBound), device.number))
  }

  /// Where this is less than the other, with broadcasting (bool).
  public func less(than other: Tensor) throws -> Tensor {
    try Tensor(ct_less(handle, other.handle))
  }

  /// Where this is at most the other, with broadcasting (bool).
  public func atMost(_ other: Tensor) throws -> Tensor {
    try Tensor(ct_less_equal(handle, other.handle))
  }

  /// Where both are true, with broadcasting.
  public func and(_ other: Tensor) throws -> Tensor { try Tensor(ct_and(handle, other.handle)) }

  /// Where either is true, with broadcasting.
  public func or(_ other: Tensor) throws -> Tensor { try Tensor(ct_or(handle, other.handle)) }

  /// Where this is false.
  public func not() throws -> Tensor { try Tensor(ct_not(handle)) }

  /// The remainder of integers by a positive number, at least 0.
  public func remainder(by divisor: Int) throws -> Tensor {
    try Tensor(ct_remainder(handle, Int64(divisor)))
  }

  /// The quotient of integers by a positive number, rounded down.
  public func quotient(by divisor: Int) throws -> Tensor {
    try Tensor(ct_floor_divide(handle, Int64(divisor)))
  }
}

extension Tensor {
  /// Elements picked along a dimension by an index (int64) that is like this tensor elsewhere.
  public func gathered(_ index: Tensor, _ dimension: Int) throws -> Tensor {
    try Tensor(ct_gather(handle, Int32(dimension), index.handle))
  }

  /// Whole slices picked along a dimension: index [N] int64.
  public func picked(_ index: Tensor, _ dimension: Int) throws -> Tensor {
    try Tensor(ct_index_select(handle, Int32(dimension), index.handle))
  }

  /// The order that sorts a dimension upwards, equal elements as they stood: int64.
  public func sortingOrder(_ dimension: Int) throws -> Tensor {
    try Tensor(ct_argsort(handle, Int32(dimension)))
  }

  /// The places of the `count` largest elements along a dimension, the largest first: int64.
  public func largest(_ count: Int, _ dimension: Int) throws -> Tensor {
    try Tensor(ct_topk(handle, Int32(count), Int32(dimension)))
  }

  /// This tensor with the source's elements added at the indices (int64) along a dimension.
  public func adding(_ source: Tensor, at index: Tensor, _ dimension: Int) throws -> Tensor {
    try Tensor(ct_scatter_add(handle, Int32(dimension), index.handle, source.handle))
  }

  /// One value added at both ends of a dimension; a negative number cuts off.
  public func padded(
    before: Int = 0, after: Int = 0, _ dimension: Int, value: Double = 0
  ) throws -> Tensor {
    if before == 0 && after == 0 { return self }
    return try Tensor(ct_pad(handle, Int32(dimension), Int64(before), Int64(after), value))
  }

  /// Windows along a dimension, one every `step`, as a new last dimension: a view.
  public func windows(size: Int, step: Int, _ dimension: Int) throws -> Tensor {
    try Tensor(ct_unfold(handle, Int32(dimension), Int64(size), Int64(step)))
  }

  /// A dimension in reverse order.
  public func flipped(_ dimension: Int) throws -> Tensor {
    try Tensor(ct_flip(handle, Int32(dimension)))
  }

  /// Convolution over the last dimension: [B, C, L] with a weight [O, C/groups, K], zeros around.
  public func convolved(
    _ weight: Tensor, stride: Int = 1, padding: Int = 0, groups: Int = 1
  ) throws -> Tensor {
    try Tensor(ct_conv1d(handle, weight.handle, Int64(stride), Int64(padding), Int64(groups)))
  }

  /// The real part of the discrete Fourier transform over the last two dimensions.
  public func fourier2() throws -> Tensor { try Tensor(ct_fourier2(handle)) }

  /// The orthogonal factor Q of QR, without gradient; `positive` for the R with positive diagonal.
  public func orthogonal(positive: Bool) throws -> Tensor {
    try Tensor(ct_orthogonal(handle, positive ? 1 : 0))
  }

  /// The best factors of a rank (Eckart & Young 1936): this [out, in] is about left [out, rank] times
  /// right [rank, in]; without gradient.
  public func factors(rank: Int) throws -> (left: Tensor, right: Tensor) {
    (
      try Tensor(ct_svd_left(handle, Int64(rank))), try Tensor(ct_svd_right(handle, Int64(rank)))
    )
  }

  /// The Moore-Penrose inverse of the last two dimensions.
  public func pseudoInverse() throws -> Tensor { try Tensor(ct_pseudo_inverse(handle)) }
}
