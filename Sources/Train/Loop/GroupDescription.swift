import Tensors

/// A group of parameters that are trained alike, in words and numbers.
public struct GroupDescription: Encodable, Sendable {
  /// What its parameters are: `weight`, `bias`, ...
  public let roles: [String]
  /// The parameters' names in a checkpoint.
  public let names: [String]
  /// Trained values in all of them.
  public let count: Int
  /// The base learning rate, which the schedule multiplies.
  public let rate: Double
  /// Decoupled weight decay.
  public let decay: Double

  init(_ group: ParameterGroup, learningRate: Double) {
    roles = group.roles.map(\.rawValue)
    names = group.parameters.map(\.name)
    count = group.parameters.valueCount
    rate = learningRate * group.rateFactor
    decay = group.weightDecay
  }

  /// `weight, embedding: 12 tensors, 65312 values, rate 0.001, decay 0.1`.
  var text: String {
    "\(roles.joined(separator: ", ")): \(names.count) tensors, \(count) values, "
      + "rate \(RecipeScalar.number(rate).yaml), decay \(RecipeScalar.number(decay).yaml)"
  }
}

extension Recipe {
  /// The groups in which the model is trained; nothing large is built.
  ///
  /// - Throws: `AttentionError` with code `usage` for what the mechanism refuses.
  public func groupDescriptions() throws -> [GroupDescription] {
    let parameters = try sketched { try network(key: RandomKey(seed: 0), device: .cpu).parameters }
    return describe(parameterGroups(parameters))
  }

  /// The same of a model that is there.
  func describe(_ groups: [ParameterGroup]) -> [GroupDescription] {
    groups.map { GroupDescription($0, learningRate: optimizer.learningRate) }
  }
}
