import Tensors

/// The feed-forward branch of a block: `x + down(activation(up(x)))`, with dropout on both layers' outputs.
///
/// Tensors under `blocks.{i}.mlp`:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `up` | [M, D] + [M] | |
/// | `down` | [D, M] + [D] | |
struct FeedForward: Module {
  let up: Linear
  let down: Linear
  let model: ModelConfiguration

  init(_ model: ModelConfiguration, key: RandomKey) throws {
    up = try model.linear(model.embDim, model.mlpDim, key: key["mlp.up"])
    down = try model.linear(model.mlpDim, model.embDim, key: key["mlp.down"])
    self.model = model
  }

  /// [B, L, D] to [B, L, D].
  ///
  /// - Parameter norm: what the branch sees x through; x itself is added as it is.
  func callAsFunction(_ x: Tensor, norm: LayerNorm?, _ context: Context, layer: Int) throws
    -> Tensor
  {
    let (inside, outside) = ("mlp.hidden", "mlp.out")
    let fused = try x.feedForward(
      norm: norm, up: up, activation: model.activation.fused, down: down,
      dropout: context.dropout(model.dropoutRate, layer: layer, sites: inside, outside))
    if let fused { return fused }
    let active = try model.activation.applied(up(norm?(x) ?? x))  // [B, L, M]
    let hidden = try context.dropout(active, model.dropoutRate, layer: layer, site: inside)
    return try context.dropout(
      down(hidden), model.dropoutRate, layer: layer, site: outside, addedTo: x)
  }

  /// `up.*`, `down.*`.
  var parameters: [NamedParameter] {
    up.parameters.prefixed("up") + down.parameters.prefixed("down")
  }
}

extension ModelConfiguration.Activation {
  /// Applies it to every element.
  func applied(_ x: Tensor) throws -> Tensor {
    switch self {
    case .gelu: try x.gelu()
    case .geluTanh: try x.gelu(tanhApproximation: true)
    case .relu: try x.relu()
    }
  }

  /// What the kernels call it.
  var fused: FusedActivation {
    switch self {
    case .gelu: .gelu
    case .geluTanh: .geluTanh
    case .relu: .relu
    }
  }
}
