import Tensors

/// Star-Transformer: tokens see their two neighbours and one relay, which sees all tokens.
///
/// In each step token i attends to {i-1, i, i+1, its embedding, the relay}, then the relay to itself and all
/// tokens, each followed by a leaky ReLU. Time is O(L·5·D + L·D). Steps are layers with weights of their own.
/// Beyond the first and last token stand zero vectors that are attended; padded tokens are such zeros in
/// every step, and the relay does not attend to them. The result is one vector, half the relay and half
/// the largest value of each feature over real tokens, so every kind of pooling returns it. It cannot be
/// causal.
///
/// Guo and others 2019, arXiv 1902.09113, algorithm 1. Deviation: where the paper is silent or other, this is
/// fastNLP's code: tokens, a ring in the paper's figures, are a line with zeros at both ends; the leaky ReLU, the
/// norm of tokens before a step, weights of their own for each step, and the pooling are fastNLP's.
///
/// Tensors besides those of embedding and head:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `steps.{i}.norm` | [D] + [D] | of the tokens before a step |
/// | `steps.{i}.{satellite,relay}.{q,k,v}` | [H E, D] + [H E] | of tokens, then of the relay |
/// | `steps.{i}.{satellite,relay}.out` | [D, H E] + [D] | |
public struct StarTransformer: Architecture {
  /// The keys of `model.mixer`.
  public struct Configuration: ModelKeys {
    var layerNorm = true

    /// What each key is.
    public static let keys: [ModelKey<Configuration>] = [
      .init("layer_norm", \.layerNorm, "Layer norm of the tokens before each step.")
    ]

    /// What keys are that are not given.
    public static let defaults = Configuration()
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "star_transformer", summary: "neighbours and one relay node", time: "L 6 d",
    memory: "L 6", directions: [.bidirectional], paper: "1902.09113")

  /// One step's weights.
  struct Step {
    let norm: LayerNorm?
    let satellite: Heads
    let relay: Heads
  }

  let embedding: Embedding
  let steps: [Step]
  let model: ModelConfiguration

  /// `num_layers` steps, each with two sets of projections.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    guard model.position != .rotary else {
      throw AttentionError.badValue(Self.mechanism.name, "it has no rotary positions")
    }
    self.model = model
    embedding = try Embedding(model, key: key)
    steps = try (0..<model.numLayers).map { index in
      let own = key["steps"][index]
      return Step(
        norm: configuration.layerNorm
          ? try LayerNorm(model.embDim, eps: model.layerNormEps) : nil,
        satellite: try Heads(model, key: own["satellite"]),
        relay: try Heads(model, key: own["relay"]))
    }
  }

  /// Token ids [B, L] to [B, 1, D] and a context of length 1.
  public func callAsFunction(_ ids: Tensor, _ context: Context) throws -> (Tensor, Context) {
    let (x, inner) = try embedding(ids, context)
    let (nodes, relay) = try run(x, inner)
    let blocked = try inner.blockedKeys(upTo: nodes.size(1))
    let real = try blocked.map {
      try nodes.filled(where: $0.reshaped([$0.size(0), -1, 1]), -1e9)
    }
    // A row without tokens has no largest value; its nodes are zeros.
    let none =
      try inner.lengths.contains(0)
      ? Tensor.from(inner.lengths.map { $0 == 0 }, [ids.size(0), 1, 1]).to(x.device) : nil
    let largest = try (real ?? nodes).max(1)  // [B, 1, D]
    let top = try none.map { try largest.filled(where: $0, 0) } ?? largest
    let single = try Context(
      lengths: [Int](repeating: 1, count: ids.size(0)), length: 1,
      examples: inner.examples.integers().map(Int.init), key: inner.key,
      training: inner.training, device: inner.device)
    return (try (top + relay) * 0.5, single)
  }

  /// Embeddings [B, L, D] to the tokens' states [B, L, D], zero at padding, and the relay's [B, 1, D].
  func run(_ x: Tensor, _ context: Context) throws -> (Tensor, Tensor) {
    let length = x.size(1)
    let real = try context.realPositions()?.select(0, 1)  // [B, L, 1]
    let blocked = try context.blockedKeys(upTo: length)
      .map { try $0.reshaped([$0.size(0), 1, 1, length]) }
    let embedded = try real.map { try x * $0 } ?? x
    var nodes = embedded
    var relay = try context.tokenMean(embedded)  // [B, 1, D]
    for (index, step) in steps.enumerated() {
      let states = try step.norm?(nodes) ?? nodes
      let clean = try real.map { try states * $0 } ?? states
      let ring = try clean.padded(before: 1, after: 1, 1)  // [B, L + 2, D]
      let around = try Tensor.concatenated(
        [
          ring.slice(0..<length, 1).unsqueezed(2), clean.unsqueezed(2),
          ring.slice(2..<(length + 2), 1).unsqueezed(2), embedded.unsqueezed(2),
          relay.unsqueezed(2).expanded([x.size(0), length, 1, x.size(2)]),
        ], 2)  // [B, L, 5, D]
      let moved = try attend(step.satellite, clean, around, context, layer: 2 * index)
      nodes = try moved.leakyReLU()
      if let real { nodes = try nodes * real }
      let all = try Tensor.concatenated([relay, nodes], 1).unsqueezed(1)  // [B, 1, L + 1, D]
      relay = try attend(
        step.relay, relay, all, context, layer: 2 * index + 1,
        blocked: blocked.map { try $0.padded(before: 1, 3).unsqueezed(3) }
      ).leakyReLU()
    }
    return (nodes, relay)
  }

  /// Each of [B, N, D] over its own keys [B, N, M, D]; `blocked` [B, 1, 1, 1, M]: [B, N, D].
  private func attend(
    _ heads: Heads, _ x: Tensor, _ keys: Tensor, _ context: Context, layer: Int,
    blocked: Tensor? = nil
  ) throws -> Tensor {
    let (b, n, m) = (x.size(0), x.size(1), keys.size(2))
    let (h, e) = (heads.numHeads, heads.width)
    let queries = try heads.query(x).widened().reshaped([b, n, h, 1, e]).transposed(1, 2)
    let split = { (linear: Linear) in
      try linear(keys).widened().reshaped([b, n, m, h, e]).permuted([0, 3, 1, 2, 4])
    }  // [B, H, N, M, E]
    let source = try KeySource(
      queries, split(heads.key), split(heads.value), scale: heads.scale, blocked: blocked)
    return try heads.merged(
      context.attended([source], dropout: model.attentionDropoutRate, layer: layer)
        .reshaped([b, h, n, e]).transposed(1, 2))
  }

  /// `embed.*`, `steps.{i}.{norm, satellite.*, relay.*}`.
  public var parameters: [NamedParameter] {
    embedding.parameters.prefixed("embed")
      + steps.enumerated().flatMap { index, step in
        ((step.norm?.parameters.prefixed("norm") ?? [])
          + step.satellite.parameters.prefixed("satellite")
          + step.relay.parameters.prefixed("relay")).prefixed("steps.\(index)")
      }
  }
}
