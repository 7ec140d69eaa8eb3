import Tensors

/// Predicts the token of every position: the head of masked pretraining on the encoder of a model.
///
/// The encoder's parameters have the names they have in `Classifier`, so a classifier can begin with
/// them; the head is `head.token.{weight,bias}`, Dense(vocabulary).
///
/// Devlin and others 2019, arXiv 1810.04805; on LRA's own training data: Amos and others 2024, arXiv
/// 2310.02980.
public struct TokenPredictor: Module {
  let encoder: any Encoder
  let out: Linear

  /// Builds the encoder of a configuration and the head.
  ///
  /// - Throws: `AttentionError` with code `usage`, as `Classifier`.
  public init(_ model: ModelConfiguration, key: RandomKey, device: Device = .cpu) throws {
    try Classifier.check(model)
    encoder = try EncoderChoice(model.modelType).encoder(model, key: key)
    out = try model.linear(model.embDim, model.vocabularySize, key: key["head.token"])
    for named in parameters { try named.parameter.move(to: device) }
  }

  /// Token ids [B, L] to logits [B, L, V], float32 (float64 when the parameters are).
  ///
  /// - Throws: `AttentionError` for an encoder that does not keep the positions.
  public func callAsFunction(_ ids: Tensor, _ context: Context) throws -> Tensor {
    let (features, _) = try encoder(ids, context)  // [B, L', D], a CLS vector may stand in front
    let extra = features.size(1) - ids.size(1)
    guard (0...1).contains(extra) else { throw AttentionError.noTokenFeatures() }
    return try out(features.slice(extra..<features.size(1), 1)).widened()  // [B, L, V]
  }

  /// The encoder's parameters, then `head.token.*`.
  public var parameters: [NamedParameter] {
    encoder.parameters + out.parameters.prefixed("head.token")
  }
}
