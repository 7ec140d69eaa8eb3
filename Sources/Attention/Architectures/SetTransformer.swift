import Tensors

/// Set Transformer: attention through m trained points, then a pooling of the whole set by attention.
///
/// `MAB(X, Y)`: `H = Q + Attention(Q, K, V)` with `Q = X W_q`, then `H + ReLU(H W_o)`. An encoder layer is
/// `ISAB(X) = MAB(X, MAB(I, X))`, in O(L·m·D) time; the decoder pools with one seed, `MAB(S, X)`, and passes
/// two `MAB(X, X)`. The result is one vector, so every kind of pooling returns it. Padding is not
/// attended. The model does not know order but for its positions; it cannot be causal.
///
/// Lee and others 2019, arXiv 1810.00825, equations 6 to 13; scaled by the full width as in the authors'
/// code, whose decoder has two more blocks only when there are several seeds: here they are always there.
///
/// Tensors besides those of embedding and head:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `layers.{i}.points` | [m, D] | I of ISAB |
/// | `layers.{i}.{gather,spread}.{q,k,v,out}` | [D, D] + [D] | MAB(I, X), then MAB(X, ·) |
/// | `layers.{i}.{gather,spread}.{norm1,norm2}` | [D] + [D] | norms after both sums |
/// | `seed` | [1, D] | S of the pooling |
/// | `pool.{q,k,v,out}` | [D, D] + [D] | MAB(S, X) |
/// | `pool.{norm1,norm2}` | [D] + [D] | |
/// | `decoder.{i}.{q,k,v,out}` | [D, D] + [D] | two MAB(X, X) |
/// | `decoder.{i}.{norm1,norm2}` | [D] + [D] | |
public struct SetTransformer: Architecture {
  /// The keys of `model.mixer`.
  public struct Configuration: ModelKeys {
    var numInducing = 32
    var layerNorm = true

    /// What each key is.
    public static let keys: [ModelKey<Configuration>] = [
      .init("num_inducing", \.numInducing, "Trained points of a layer, m, at least 1."),
      .init("layer_norm", \.layerNorm, "Layer norms after both sums of a block."),
    ]

    /// What keys are that are not given.
    public static let defaults = Configuration()
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "set_transformer", summary: "attention via m trained points", time: "L m d",
    memory: "L d", directions: [.bidirectional], paper: "1810.00825")

  let embedding: Embedding
  let layers: [(points: Parameter, gather: AttentionBlock, spread: AttentionBlock)]
  let seed: Parameter  // [1, D]
  let pool: AttentionBlock
  let decoder: [AttentionBlock]
  let model: ModelConfiguration

  /// `num_layers` layers and the decoder.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    let m = configuration.numInducing
    guard m >= 1 else {
      throw AttentionError.badValue(Self.mechanism.name, "num_inducing is at least 1, not \(m)")
    }
    guard model.position != .rotary && model.embDim % model.numHeads == 0 else {
      throw AttentionError.badValue(
        Self.mechanism.name, "num_heads divides emb_dim, and positions are not rotary")
    }
    self.model = model
    embedding = try Embedding(model, key: key)
    let block = { (key: RandomKey) in
      try AttentionBlock(model, layerNorm: configuration.layerNorm, key: key)
    }
    layers = try (0..<model.numLayers).map { index in
      let own = key["layers"][index]
      return (
        try .xavier(m, model.embDim, key: own["points"]), try block(own["gather"]),
        try block(own["spread"])
      )
    }
    seed = try .xavier(1, model.embDim, key: key["seed"])
    pool = try block(key["pool"])
    decoder = try (0..<2).map { try block(key["decoder"][$0]) }
  }

  /// Token ids [B, L] to [B, 1, D] and a context of length 1.
  public func callAsFunction(_ ids: Tensor, _ context: Context) throws -> (Tensor, Context) {
    var (x, context) = try embedding(ids, context)  // [B, L, D]
    for (index, layer) in layers.enumerated() {
      let points = try rows(layer.points, x)
      let gathered = try layer.gather(points, x, tokens: true, context, layer: index)  // [B, m, D]
      x = try layer.spread(x, gathered, tokens: false, context, layer: index)  // [B, L, D]
    }
    var pooled = try pool(
      rows(seed, x), x, tokens: true, context, layer: layers.count)  // [B, 1, D]
    for (index, block) in decoder.enumerated() {
      pooled = try block(
        pooled, pooled, tokens: false, context, layer: layers.count + 1 + index)
    }
    let batch = ids.size(0)
    let single = try Context(
      lengths: [Int](repeating: 1, count: batch), length: 1,
      examples: context.examples.integers().map(Int.init), key: context.key,
      training: context.training, device: context.device)
    return (pooled, single)
  }

  /// `embed.*`, `layers.{i}.{points, gather.*, spread.*}`, `seed`, `pool.*`, `decoder.{i}.*`.
  public var parameters: [NamedParameter] {
    var all = embedding.parameters.prefixed("embed")
    for (index, layer) in layers.enumerated() {
      all.append(NamedParameter("layers.\(index).points", layer.points))
      all += layer.gather.parameters.prefixed("layers.\(index).gather")
      all += layer.spread.parameters.prefixed("layers.\(index).spread")
    }
    all += [NamedParameter("seed", seed)] + pool.parameters.prefixed("pool")
    return all + decoder.enumerated().flatMap { $1.parameters.prefixed("decoder.\($0)") }
  }

  /// Trained rows [m, D] for every row of the batch.
  private func rows(_ table: Parameter, _ x: Tensor) throws -> Tensor {
    try table.value.unsqueezed(0).expanded([x.size(0), table.value.size(0), x.size(2)])
  }

  /// MAB: attention of X over Y with a residual of the projected queries, and a layer after it.
  struct AttentionBlock: Module {
    let query: Linear
    let key: Linear
    let value: Linear
    let out: Linear
    let norms: [LayerNorm]
    let model: ModelConfiguration

    init(_ model: ModelConfiguration, layerNorm: Bool, key random: RandomKey) throws {
      let linear = { (name: String) in
        try model.linear(model.embDim, model.embDim, key: random[name])
      }
      query = try linear("q")
      key = try linear("k")
      value = try linear("v")
      out = try linear("out")
      norms =
        layerNorm
        ? try (0..<2).map { _ in try LayerNorm(model.embDim, eps: model.layerNormEps) } : []
      self.model = model
    }

    /// X [B, N, D] over Y [B, M, D]: [B, N, D].
    ///
    /// - Parameter tokens: whether Y are the batch's own positions, some of which are padding.
    func callAsFunction(
      _ x: Tensor, _ y: Tensor, tokens: Bool, _ context: Context, layer: Int
    ) throws -> Tensor {
      let width = model.embDim / model.numHeads
      let split = { (t: Tensor) in
        try t.widened().reshaped([t.size(0), t.size(1), model.numHeads, width]).transposed(1, 2)
      }  // [B, H, N, E]
      let q = try query(x)
      let (keys, values) = (try split(key(y)), try split(value(y)))
      let scale = 1 / Double(model.embDim).squareRoot()
      let rate = model.attentionDropoutRate
      let attended =
        try tokens
        ? context.attendedOwn(split(q), keys, values, scale: scale, dropout: rate, layer: layer)
        : context.attended(split(q), keys, values, scale: scale, dropout: rate, layer: layer)
      let joined = try attended.transposed(1, 2).reshaped(q.shape)  // [B, N, D]
      var h = try q + joined
      if let norm = norms.first { h = try norm(h) }
      h = try h + out(h).relu()
      if let norm = norms.last { h = try norm(h) }
      return h
    }

    /// `q`, `k`, `v`, `out`, `norm1`, `norm2`.
    var parameters: [NamedParameter] {
      query.parameters.prefixed("q") + key.parameters.prefixed("k")
        + value.parameters.prefixed("v") + out.parameters.prefixed("out")
        + norms.enumerated().flatMap { $1.parameters.prefixed("norm\($0 + 1)") }
    }
  }
}
