import Tensors

/// The standard block: a mixer and an MLP, each in a residual branch.
///
/// Tensors under `blocks.{i}`, beside `attn` and the `mlp` of `FeedForward`:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `{norm1,norm2}` | [D] + [D] | before (or after) attention and MLP |
struct StandardBlock: Block {
  let norm1: LayerNorm
  let norm2: LayerNorm
  let mixer: any Mixer
  let feedForward: FeedForward
  let model: ModelConfiguration

  init(_ model: ModelConfiguration, _ mixer: any Mixer, key: RandomKey) throws {
    norm1 = try LayerNorm(model.embDim, eps: model.layerNormEps)
    norm2 = try LayerNorm(model.embDim, eps: model.layerNormEps)
    self.mixer = mixer
    feedForward = try FeedForward(model, key: key)
    self.model = model
  }

  /// [B, L, D] to [B, L, D].
  func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let pre = model.norm == .pre
    let mixed = try mixer(pre ? norm1(x) : x, context, layer: layer)  // [B, L, D]
    var y = try context.dropout(
      mixed, model.dropoutRate, layer: layer, site: "attention.out", addedTo: x)
    if !pre { y = try norm1(y) }
    y = try feedForward(y, norm: pre ? norm2 : nil, context, layer: layer)
    return pre ? y : try norm2(y)
  }

  var parameters: [NamedParameter] {
    norm1.parameters.prefixed("norm1") + mixer.parameters.prefixed("attn")
      + norm2.parameters.prefixed("norm2") + feedForward.parameters.prefixed("mlp")
  }
}
