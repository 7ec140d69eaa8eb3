import Tensors

/// The standard encoder: embeddings, positions, `num_layers` blocks of the mechanism's family.
///
/// As LRA's backbone (dropout after positions, a final norm), but padding never reaches a real position.
/// With `tied_weights` every layer is block 0; random numbers still differ by layer.
///
/// Tensors besides `embed` and `blocks`; `tied_weights` leaves only `blocks.0`:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `norm` | [D] + [D] | after the last block, with norms before |
/// | `norm.{running_mean,running_var}` | [D] | buffers, with batch norm |
public struct StandardEncoder: Encoder {
  let embedding: Embedding
  let blocks: [any Block]
  let norm: (any Normalisation)?
  let model: ModelConfiguration

  /// Parameters drawn by key.
  public init(_ model: ModelConfiguration, key: RandomKey) throws {
    self.model = model
    embedding = try Embedding(model, key: key)
    blocks = try model.blocks(model.tiedWeights ? 1 : model.numLayers, key: key["blocks"])
    norm = model.norm == .pre ? try model.normalisation() : nil
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
    return (try norm?(x, context) ?? x, context)
  }

  /// `embed.*`, `blocks.{i}.*`, `norm.*`.
  public var parameters: [NamedParameter] {
    embedding.parameters.prefixed("embed")
      + blocks.enumerated().flatMap { $1.parameters.prefixed("blocks.\($0)") }
      + (norm?.parameters.prefixed("norm") ?? [])
  }
}
