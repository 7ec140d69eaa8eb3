import Tensors

/// One layer of the standard encoder: a mixer and an MLP, each in a residual branch.
///
/// Tensors under `blocks.{i}`, beside `attn` and the `mlp` of `FeedForward`:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `{norm1,norm2}` | [D] + [D] | before (or after) attention and MLP |
struct Block: Module {
  let norm1: LayerNorm
  let norm2: LayerNorm
  let mixer: any Mixer
  let feedForward: FeedForward
  let model: ModelConfiguration

  /// - Parameter first: the first layer, of which this one takes what all layers share.
  init(_ model: ModelConfiguration, sharing first: Block? = nil, key: RandomKey) throws {
    norm1 = try LayerNorm(model.embDim, eps: model.layerNormEps)
    norm2 = try LayerNorm(model.embDim, eps: model.layerNormEps)
    let mixer = try Attention.mixer(named: model.modelType).build(model, key["attn"])
    self.mixer = first.map { mixer.sharing($0.mixer) } ?? mixer
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

/// The standard encoder: embeddings, positions, `num_layers` blocks.
///
/// As LRA's backbone (dropout after positions, a final norm), but padding never reaches a real position.
/// With `tied_weights` every layer is block 0; random numbers still differ by layer.
///
/// Tensors besides `embed` and `blocks`; `tied_weights` leaves only `blocks.0`:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `norm` | [D] + [D] | after the last block, with norms before |
public struct StandardEncoder: Encoder {
  let embedding: Embedding
  let blocks: [Block]
  let norm: LayerNorm?
  let model: ModelConfiguration

  /// Parameters drawn by key.
  public init(_ model: ModelConfiguration, key: RandomKey) throws {
    self.model = model
    embedding = try Embedding(model, key: key)
    blocks = try (0..<(model.tiedWeights ? 1 : model.numLayers)).reduce(into: []) { blocks, layer in
      var own = model
      own.layer = layer
      blocks.append(try Block(own, sharing: blocks.first, key: key["blocks"][layer]))
    }
    norm = model.norm == .pre ? try LayerNorm(model.embDim, eps: model.layerNormEps) : nil
  }

  /// Token ids [B, L] (int64, 0 is padding) to features [B, L, D], or [B, L+1, D] after a CLS
  /// vector.
  public func callAsFunction(_ ids: Tensor, _ context: Context) throws -> (Tensor, Context) {
    var (x, context) = try embedding(ids, context)  // [B, L, D]
    for layer in 0..<model.numLayers {
      let block = blocks[model.tiedWeights ? 0 : layer]
      x = try context.recomputing(x, model) { [context] in try block($0, context, layer: layer) }
    }
    context.endLayers()
    return (try norm?(x) ?? x, context)
  }

  /// `embed.*`, `blocks.{i}.*`, `norm.*`.
  public var parameters: [NamedParameter] {
    embedding.parameters.prefixed("embed")
      + blocks.enumerated().flatMap { $1.parameters.prefixed("blocks.\($0)") }
      + (norm?.parameters.prefixed("norm") ?? [])
  }
}
