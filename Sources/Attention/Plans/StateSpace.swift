import Foundation
import Tensors

/// What state-space models share: their steps and the sizes they refuse.
enum StateSpace {
  static func require(_ holds: Bool, _ mechanism: Mechanism, _ words: String) throws {
    guard holds else { throw AttentionError.badValue(mechanism.name, words) }
  }

  /// Refuses steps without a logarithm and positions that mean queries and keys.
  static func require(
    _ model: ModelConfiguration, steps least: Double, _ most: Double, _ rescale: Double,
    _ mechanism: Mechanism
  ) throws {
    try require(
      least > 0 && least <= most, mechanism,
      "dt_min is above 0 and at most dt_max, not \(least) and \(most)")
    try require(rescale > 0, mechanism, "rescale is above 0, not \(rescale)")
    try requirePlaces(model, mechanism)
  }

  /// Refuses positions that mean queries and keys.
  static func requirePlaces(_ model: ModelConfiguration, _ mechanism: Mechanism) throws {
    try require(model.position != .rotary, mechanism, "it has no rotary positions")
  }

  /// Logarithms of steps, uniform between two steps.
  static func logSteps(_ count: Int, _ least: Double, _ most: Double, key: RandomKey) throws
    -> Parameter
  {
    let half = (log(most) - log(least)) / 2
    return try .from(
      Tensor.uniform([count], key: key) * half + (log(least) + half), role: .step)
  }
}
