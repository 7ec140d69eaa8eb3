import Tensors

/// Looped transformer: the same blocks again and again, the input added before each turn.
///
/// `z ← f(z + x)` from z = 0, T times, with f the `num_layers` blocks of the standard encoder: T times the time
/// of f, and its parameters whatever T. Padding and directions are those of the mechanism inside.
///
/// Yang and others 2024, arXiv 2311.12424, section 3.
///
/// Tensors are those of `StandardEncoder` with that mechanism: `embed.*`, `blocks.{i}.*`, `norm.*`.
public struct LoopedTransformer: Architecture {
  /// The keys of `model.mixer`.
  public struct Configuration: ModelKeys {
    var loops = 4
    var mixer = "transformer"

    /// What each key is.
    public static let keys: [ModelKey<Configuration>] = [
      .init("loops", \.loops, "Turns T, at least 1."),
      .init("mixer", \.mixer, "The mechanism of the blocks, with its default keys."),
    ]

    /// What keys are that are not given.
    public static let defaults = Configuration()
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "looped", summary: "T turns of the same blocks", time: "T L^2 d",
    memory: "T L d", directions: [.bidirectional, .causal], paper: "2311.12424")
  /// Its blocks are those of the standard encoder.
  public static let recomputes = true

  let embedding: Embedding
  let blocks: [any Block]
  let norm: (any Normalisation)?
  let model: ModelConfiguration
  let loops: Int

  /// `num_layers` blocks.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    loops = configuration.loops
    guard loops >= 1 else {
      throw AttentionError.badValue(Self.mechanism.name, "loops is at least 1, not \(loops)")
    }
    var inner = model
    (inner.modelType, inner.mixer) = (configuration.mixer, [:])
    let entry = try mixer(named: configuration.mixer)
    guard !model.causal || entry.mechanism.directions.contains(.causal) else {
      throw AttentionError.notCausal(configuration.mixer)
    }
    embedding = try Embedding(model, key: key)
    blocks = try inner.blocks(model.numLayers, key: key["blocks"])
    norm = model.norm == .pre ? try model.normalisation() : nil
    self.model = inner
  }

  /// Token ids [B, L] to features [B, L, D], or [B, L+1, D] after a CLS vector.
  public func callAsFunction(_ ids: Tensor, _ context: Context) throws -> (Tensor, Context) {
    let (x, context) = try embedding(ids, context)
    var z = x
    for turn in 0..<loops {
      if turn > 0 { z = try z + x }
      // Random numbers differ from turn to turn.
      for (index, block) in blocks.enumerated() {
        let layer = turn * blocks.count + index
        z = try context.recomputing(z, model) { try block($0, context, layer: layer) }
      }
    }
    context.endLayers()
    return (try norm?(z, context) ?? z, context)
  }

  /// `embed.*`, `blocks.{i}.*`, `norm.*`.
  public var parameters: [NamedParameter] {
    embedding.parameters.prefixed("embed")
      + blocks.enumerated().flatMap { $1.parameters.prefixed("blocks.\($0)") }
      + (norm?.parameters.prefixed("norm") ?? [])
  }
}
