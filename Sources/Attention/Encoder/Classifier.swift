import Tensors

/// A classifier of sequences or of pairs: an architecture, pooling, and LRA's head.
///
/// Mean pooling divides by the real length. Head of one sequence: Dense(mlp_dim), ReLU,
/// Dense(classes), or the last alone. Head of a pair (a, b): both pass the same encoder, the vectors are joined to [a, b]
/// or [a, b, a b, a - b], then Dense(mlp_dim), ReLU, Dense(mlp_dim / 2), ReLU, Dense(classes), as
/// LRA's retrieval model; with one hidden layer as mlpen/Nystromformer's.
///
/// Tensors under `head`:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `hidden` | [M, s D] + [M] | s is 1, of a pair 2 or 4 |
/// | `hidden2` | [h, M] + [h] | of a pair with two hidden layers: h is M / 2 |
/// | `out` | [C, h] + [C] | h is M otherwise |
public struct Classifier: Module {
  /// What it was built from.
  public let model: ModelConfiguration
  let encoder: any Encoder
  let hidden: Linear?
  let hidden2: Linear?
  let out: Linear

  /// Builds the model; every initial value is a pure function of the configuration and the key.
  ///
  /// - Throws: `AttentionError` with code `usage` for an unknown mechanism or key, or a direction
  ///   it does not have.
  public init(_ model: ModelConfiguration, key: RandomKey, device: Device = .cpu) throws {
    try Classifier.check(model)
    self.model = model
    encoder = try EncoderChoice(model.modelType).encoder(model, key: key)
    let pair = model.numTowers == 2
    let parts = pair ? (model.interaction == .nli ? 4 : 2) : 1
    let deep = pair || model.headHidden
    let second = pair && model.pairHiddenLayers == 2
    let last = second ? model.mlpDim / 2 : deep ? model.mlpDim : model.embDim
    let layer = { (input: Int, output: Int, name: String) in
      try Linear(input, output, model.initial.head ?? model.initial.linear, key: key[name])
    }
    hidden = deep ? try layer(parts * model.embDim, model.mlpDim, "head.hidden") : nil
    hidden2 = second ? try layer(model.mlpDim, last, "head.hidden2") : nil
    out = try layer(last, model.numClasses, "head.out")
    for named in parameters { try named.parameter.move(to: device) }
  }

  /// Whether a configuration can be built, without building it.
  public static func check(_ model: ModelConfiguration) throws {
    guard (1...2).contains(model.numTowers) else { throw AttentionError.towers(model.numTowers) }
    precondition((1...2).contains(model.pairHiddenLayers), "the head of a pair has 1 or 2 layers")
    let choice = try EncoderChoice(model.modelType)
    try choice.check(model.mixer)
    guard choice.norms.contains(model.normType) else {
      throw AttentionError.normType(model.modelType, known: choice.norms.map(\.rawValue))
    }
    if model.recompute && !choice.recomputes {
      throw AttentionError.noRecompute(model.modelType)
    }
    if model.causal && !choice.mechanism.directions.contains(.causal) {
      throw AttentionError.notCausal(model.modelType)
    }
    if !model.causal && !choice.mechanism.directions.contains(.bidirectional) {
      throw AttentionError.notBidirectional(model.modelType)
    }
  }

  /// Token ids [B, L] (int64, 0 is padding) to logits [B, classes], float32 (float64 when
  /// the parameters are).
  ///
  /// Pairs come as [2 B, L]: rows 0..<B are the first documents, B..<2 B the second ones, and the
  /// context tells of all 2 B rows.
  public func callAsFunction(_ ids: Tensor, _ context: Context) throws -> Tensor {
    let (features, context) = try encoder(ids, context)  // [B, L', D]
    let pooled =
      switch model.classifierPool {
      case .mean:
        try mean(features.widened(), context.meanWeights(features.widened().elementType))  // [B, D]
      case .meanPadded:
        try mean(features.widened(), context.sumWeights())
          * (1 / Double(model.filledLength))  // [B, D]
      case .meanAll:
        try features.widened().sum([1]) * (1 / Double(features.size(1)))  // [B, D]
      case .cls, .first:
        try features.select(0, 1)  // [B, D]
      }
    let joined = model.numTowers == 2 ? try pairs(pooled) : pooled  // [B, D], 2 D or 4 D
    let first = try hidden?(joined).relu() ?? joined
    return try out(hidden2?(first).relu() ?? first).widened()  // [B, C]
  }

  /// The weighted mean of features [B, L, D] by weights [B, 1, L]: [B, D].
  private func mean(_ features: Tensor, _ weights: Tensor) throws -> Tensor {
    try weights.to(features.elementType).matmul(features).select(0, 1)
  }

  /// Vectors [2 B, D] of first and second documents to [B, 2 D] or [B, 4 D].
  private func pairs(_ pooled: Tensor) throws -> Tensor {
    guard pooled.size(0) % 2 == 0 else { throw AttentionError.oddRows(pooled.size(0)) }
    let half = pooled.size(0) / 2
    let (a, b) = (try pooled.slice(0..<half, 0), try pooled.slice(half..<(2 * half), 0))
    return switch model.interaction {
    case .concat: try .concatenated([a, b], 1)
    case .nli: try .concatenated([a, b, a * b, a - b], 1)
    }
  }

  /// The encoder's parameters (with `low_rank` a factored layer's `weight` and `bias` become `v.weight`
  /// [r, in], `u.weight` [out, r] and `u.bias`), then `head.hidden.*`, `head.hidden2.*` of pairs, `head.out.*`.
  public var parameters: [NamedParameter] {
    encoder.parameters + (hidden?.parameters.prefixed("head.hidden") ?? [])
      + (hidden2?.parameters.prefixed("head.hidden2") ?? [])
      + out.parameters.prefixed("head.out")
  }
}
