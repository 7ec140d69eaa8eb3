import CTorch

extension Tensor {
  /// Asks for a gradient of this leaf, or stops asking.
  public func requireGradient(_ on: Bool = true) throws {
    guard ct_set_requires_grad(handle, on ? 1 : 0) == 0 else { throw TensorError.last }
  }

  /// Whether it asked for a gradient, or comes of something that did.
  public var requiresGradient: Bool { ct_requires_grad(handle) != 0 }

  /// Adds the gradients of this scalar to every leaf that asked for one.
  public func backward() throws {
    guard ct_backward(handle) == 0 else { throw TensorError.last }
  }

  /// The gradient collected so far, nil when there is none.
  public var gradient: Tensor? {
    guard let grad = ct_grad(handle) else { return nil }
    return try? Tensor(grad)
  }

  /// Replaces the gradient.
  public func setGradient(_ gradient: Tensor) throws {
    guard ct_set_grad(handle, gradient.handle) == 0 else { throw TensorError.last }
  }

  /// Forgets the gradient.
  public func clearGradient() { ct_clear_grad(handle) }

  /// The same values, cut off from the gradient graph.
  public func detached() throws -> Tensor { try Tensor(ct_detach(handle)) }
}

/// Runs a closure without recording gradients.
///
/// The setting belongs to the thread, so the closure is synchronous.
public func withoutGradient<Result>(_ body: () throws -> Result) rethrows -> Result {
  let before = ct_set_grad_enabled(0)
  defer { _ = ct_set_grad_enabled(before) }
  return try body()
}

/// Runs a closure with matrix products in bfloat16 (autocast), sums and norms in float32.
public func withBFloat16<Result>(on device: Device, _ body: () throws -> Result) throws -> Result {
  guard ct_autocast_begin(device.number) == 0 else { throw TensorError.last }
  defer { ct_autocast_end(device.number) }
  return try body()
}
