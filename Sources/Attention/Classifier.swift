import Tensors

/// A sequence classifier: an architecture, pooling, and LRA's head.
///
/// Head: Dense(mlp_dim), ReLU, Dense(classes). Mean pooling divides by the real length.
public struct Classifier: Module {
  /// What it was built from.
  public let model: ModelConfiguration
  let encoder: any Architecture
  let hidden: Linear
  let out: Linear

  /// Builds the model; every initial value is a pure function of the configuration and the key.
  ///
  /// - Throws: `AttentionError` with code `usage` for an unknown mechanism or key, or a direction
  ///   it does not have.
  public init(_ model: ModelConfiguration, key: RandomKey, device: Device = .cpu) throws {
    try Classifier.check(model)
    self.model = model
    encoder = try architecture(for: model).build(model, key["encoder"])
    hidden = try Linear(model.embDim, model.mlpDim, key: key["head.hidden"])
    out = try Linear(model.mlpDim, model.numClasses, key: key["head.out"])
    for named in parameters { try named.parameter.move(to: device) }
  }

  /// Whether a configuration can be built, without building it.
  public static func check(_ model: ModelConfiguration) throws {
    let entry = try mixer(named: model.modelType)
    try entry.check(model.attention)
    if model.causal && !entry.mechanism.directions.contains(.causal) {
      throw AttentionError.notCausal(model.modelType)
    }
  }

  /// Token ids [B, L] (int64, 0 is padding) to logits [B, classes], float32.
  public func callAsFunction(_ ids: Tensor, _ context: Context) throws -> Tensor {
    let (features, context) = try encoder(ids, context)  // [B, L', D]
    let pooled =
      switch model.classifierPool {
      case .mean:
        try context.meanWeights().matmul(features.to(.float32)).select(0, 1)  // [B, D]
      case .cls, .first:
        try features.select(0, 1)  // [B, D]
      }
    return try out(hidden(pooled).relu()).to(.float32)  // [B, C]
  }

  /// The encoder's parameters, then `head.hidden.*` and `head.out.*`.
  public var parameters: [NamedParameter] {
    encoder.parameters + hidden.parameters.prefixed("head.hidden")
      + out.parameters.prefixed("head.out")
  }
}
