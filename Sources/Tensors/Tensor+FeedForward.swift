import CTorch

/// The non-linearity of a feed-forward branch, by the kernel's number.
public enum FusedActivation: Int32, Sendable {
  /// GELU by the error function.
  case gelu = 0
  /// GELU by its tanh approximation.
  case geluTanh = 1
  /// max(x, 0).
  case relu = 2
}

/// Dropout at the sites of a fused operation, each with its own key; see `Tensor.dropout`.
public struct FusedDropout {
  /// In 0..<1; 0 for none.
  public var rate: Double
  /// The keys of the sites, in the order in which they are passed.
  public var keys: [RandomKey]
  /// [B] int64 on the CPU, the global positions of the examples.
  public var examples: Tensor

  /// Dropout of the same rate at every site.
  public init(_ rate: Double, keys: [RandomKey], examples: Tensor) {
    self.rate = rate
    self.keys = keys
    self.examples = examples
  }
}

extension Tensor {
  /// Whether the fused kernels take this tensor: float32 on the CPU.
  public var takesKernels: Bool { ct_takes_kernels(handle) != 0 }

  /// `x + drop(down(drop(activation(up(norm(x))))))`, of which only x [B, ..., D] is kept for the backward pass.
  ///
  /// - Parameter dropout: two sites, the hidden layer and the output.
  /// - Returns: nil where no kernel is: other types and devices, factored layers.
  public func feedForward(
    norm: LayerNorm?, up: Linear, activation: FusedActivation, down: Linear, dropout: FusedDropout
  ) throws -> Tensor? {
    precondition(dropout.keys.count == 2, "a feed-forward branch has two sites of dropout")
    guard takesKernels, up.inner == nil, down.inner == nil else { return nil }
    var weights = ct_feed_forward_weights(
      gain: norm?.weight.value.handle, offset: norm?.bias.value.handle,
      up: up.weight.value.handle, up_bias: up.bias?.value.handle,
      down: down.weight.value.handle, down_bias: down.bias?.value.handle)
    return try Tensor(
      ct_feed_forward(
        handle, &weights, norm?.eps ?? 0, activation.rawValue, dropout.rate,
        dropout.examples.handle, dropout.keys[0].bits, dropout.keys[1].bits))
  }

  /// `x + drop(gated)` of these mixed values m: `g = drop(activation(m))`, gated by z = layer(g): `a sigmoid(c)` of z = [a, c],
  /// or `g sigmoid(z)`, or `m sigmoid(z)`.
  ///
  /// - Parameters:
  ///   - gate: 0, 1 or 2 for these.
  ///   - dropout: two sites, the activation and the branch.
  /// - Returns: nil where no kernel is: other types and devices, factored layers and those without bias.
  public func gatedBranch(
    addedTo x: Tensor, _ layer: Linear, gate: Int32, activation: FusedActivation,
    dropout: FusedDropout
  ) throws -> Tensor? {
    precondition(dropout.keys.count == 2, "a gated branch has two sites of dropout")
    guard takesKernels, x.takesKernels, count > 0, layer.inner == nil, let bias = layer.bias else {
      return nil
    }
    return try Tensor(
      ct_gated_branch(
        handle, x.handle, layer.weight.value.handle, bias.value.handle, gate, activation.rawValue,
        dropout.rate, dropout.examples.handle, dropout.keys[0].bits, dropout.keys[1].bits))
  }

  /// `drop(table[ids] + places)` of this table [V, D]: ids [B, L] (int64) to [B, L, D].
  ///
  /// - Parameters:
  ///   - places: a row for every position, at least L of them; nil for none.
  ///   - dropout: one site.
  /// - Returns: nil where no kernel is: other types and devices, tables beyond 2²¹ values.
  public func embedded(_ ids: Tensor, places: Tensor?, dropout: FusedDropout) throws -> Tensor? {
    precondition(dropout.keys.count == 1, "an embedding has one site of dropout")
    guard takesKernels, count <= 1 << 21, ids.count > 0 else { return nil }
    return try Tensor(
      ct_embed(
        handle, ids.handle, places?.handle, dropout.rate, dropout.examples.handle,
        dropout.keys[0].bits))
  }
}
