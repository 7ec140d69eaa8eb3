import CTorch

extension Tensor {
  /// The elementwise sum, with broadcasting.
  public static func + (a: Tensor, b: Tensor) throws -> Tensor {
    try Tensor(ct_add(a.handle, b.handle))
  }

  /// The elementwise difference, with broadcasting.
  public static func - (a: Tensor, b: Tensor) throws -> Tensor {
    try Tensor(ct_subtract(a.handle, b.handle))
  }

  /// The elementwise product, with broadcasting.
  public static func * (a: Tensor, b: Tensor) throws -> Tensor {
    try Tensor(ct_multiply(a.handle, b.handle))
  }

  /// The elementwise quotient, with broadcasting.
  public static func / (a: Tensor, b: Tensor) throws -> Tensor {
    try Tensor(ct_divide(a.handle, b.handle))
  }

  /// Every element times a number.
  public static func * (a: Tensor, b: Double) throws -> Tensor {
    try Tensor(ct_multiply_scalar(a.handle, b))
  }

  /// Every element plus a number.
  public static func + (a: Tensor, b: Double) throws -> Tensor {
    try Tensor(ct_add_scalar(a.handle, b))
  }

  /// The matrix product over the last two dimensions: [..., N, K] by [..., K, M] gives [..., N, M].
  public func matmul(_ other: Tensor) throws -> Tensor {
    try Tensor(ct_matmul(handle, other.handle))
  }

  /// `x Wᵀ + b` over the last dimension: [..., in] by a weight [out, in] gives [..., out].
  ///
  /// - Parameter narrow: for results that are factors of another product: bfloat16 under autocast.
  public func linear(_ weight: Tensor, _ bias: Tensor?, narrow: Bool = false) throws -> Tensor {
    try Tensor(ct_linear(handle, weight.handle, bias?.handle, narrow ? 1 : 0))
  }

  /// The rows of this [V, D] table named by ids [...] (int64): [..., D].
  public func rows(_ ids: Tensor) throws -> Tensor { try Tensor(ct_embedding(handle, ids.handle)) }

  /// Layer normalisation over the last dimension (Ba and others 2016, arXiv 1607.06450).
  public func layerNorm(_ weight: Tensor, _ bias: Tensor, eps: Double) throws -> Tensor {
    try Tensor(ct_layer_norm(handle, weight.handle, bias.handle, eps))
  }

  /// GELU by the error function, or by its tanh approximation (Hendrycks & Gimpel 2016, arXiv
  /// 1606.08415).
  public func gelu(tanhApproximation: Bool = false) throws -> Tensor {
    try Tensor(ct_gelu(handle, tanhApproximation ? 1 : 0))
  }

  /// max(x, 0).
  public func relu() throws -> Tensor { try Tensor(ct_relu(handle)) }

  /// x where x > 0, else eˣ - 1.
  public func elu() throws -> Tensor { try Tensor(ct_elu(handle)) }

  /// Softmax along a dimension.
  public func softmax(_ dimension: Int) throws -> Tensor {
    try Tensor(ct_softmax(handle, Int32(dimension)))
  }

  /// The elements, with `value` where the mask is true.
  public func filled(where mask: Tensor, _ value: Double) throws -> Tensor {
    try Tensor(ct_masked_fill(handle, mask.handle, value))
  }

  /// The sum of all elements: a scalar.
  public func sum() throws -> Tensor { try Tensor(ct_sum_all(handle)) }

  /// The sum along some dimensions, which disappear unless they are kept with size 1.
  public func sum(_ dimensions: [Int], keep: Bool = false) throws -> Tensor {
    try Tensor(
      ct_sum(handle, dimensions.map(Int64.init), Int32(dimensions.count), keep ? 1 : 0))
  }

  /// The index of the largest element along a dimension (int64).
  public func argmax(_ dimension: Int) throws -> Tensor {
    try Tensor(ct_argmax(handle, Int32(dimension)))
  }

  /// Where two tensors are equal (bool).
  public func equal(_ other: Tensor) throws -> Tensor { try Tensor(ct_equal(handle, other.handle)) }

  /// The sum over rows of -log softmax(logits)[label].
  ///
  /// - Parameter labels: [N] int64, for these logits [N, C].
  public func crossEntropySum(_ labels: Tensor) throws -> Tensor {
    try Tensor(ct_cross_entropy_sum(handle, labels.handle))
  }
}

extension Tensor {
  /// The same elements in another shape; one size may be -1.
  public func reshaped(_ shape: [Int]) throws -> Tensor {
    try Tensor(ct_reshape(handle, shape.map(Int64.init), Int32(shape.count)))
  }

  /// The dimensions in another order.
  public func permuted(_ order: [Int]) throws -> Tensor {
    try Tensor(ct_permute(handle, order.map(Int64.init), Int32(order.count)))
  }

  /// Two dimensions exchanged.
  public func transposed(_ a: Int, _ b: Int) throws -> Tensor {
    try Tensor(ct_transpose(handle, Int32(a), Int32(b)))
  }

  /// A range along one dimension, as a view.
  public func slice(_ range: Range<Int>, _ dimension: Int) throws -> Tensor {
    try Tensor(
      ct_narrow(handle, Int32(dimension), Int64(range.lowerBound), Int64(range.count)))
  }

  /// One index along a dimension, which disappears.
  public func select(_ index: Int, _ dimension: Int) throws -> Tensor {
    try Tensor(ct_select(handle, Int32(dimension), Int64(index)))
  }

  /// Every index along a dimension, which disappears; their gradients become one tensor at once.
  public func unbound(_ dimension: Int) throws -> [Tensor] {
    var parts = [ct_tensor?](repeating: nil, count: size(dimension))
    guard ct_unbind(handle, Int32(dimension), &parts, Int32(parts.count)) == 0 else {
      throw TensorError.last
    }
    return try parts.map { try Tensor($0) }
  }

  /// A new dimension of size 1.
  public func unsqueezed(_ dimension: Int) throws -> Tensor {
    try Tensor(ct_unsqueeze(handle, Int32(dimension)))
  }

  /// Repeated along dimensions of size 1, without copying.
  public func expanded(_ shape: [Int]) throws -> Tensor {
    try Tensor(ct_expand(handle, shape.map(Int64.init), Int32(shape.count)))
  }

  /// Tensors one after the other along a dimension.
  public static func concatenated(_ tensors: [Tensor], _ dimension: Int) throws -> Tensor {
    try withExtendedLifetime(tensors) {
      try Tensor(
        ct_concatenate(tensors.map { Optional($0.handle) }, Int32(tensors.count), Int32(dimension)))
    }
  }

  /// The same values laid out row by row.
  public func contiguous() throws -> Tensor { try Tensor(ct_contiguous(handle)) }
}
