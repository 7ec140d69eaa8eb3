import Tensors

extension Context {
  /// What a layer makes of x [B, L, D], of which only x is kept in training if the model says so.
  ///
  /// What layers hand on and their auxiliary losses are inputs and results of the layer too.
  func recomputing(
    _ x: Tensor, _ model: ModelConfiguration, _ body: @escaping (Tensor) throws -> Tensor
  ) throws -> Tensor {
    guard model.recompute && training && x.requiresGradient else { return try body(x) }
    let given = carried.sorted { $0.key < $1.key }
    var names: [String] = []
    var hasLoss = false
    let results = try Tensor.recomputing([x] + given.map(\.value)) { inputs, isAgain in
      let before = self.carried
      self.carried = Dictionary(uniqueKeysWithValues: zip(given.map(\.key), inputs.dropFirst()))
      defer { self.carried = before }
      let (y, loss) = try self.effects.apart(counting: !isAgain) { try body(inputs[0]) }
      let after = self.carried.sorted { $0.key < $1.key }
      names = after.map(\.key)
      hasLoss = loss != nil
      return [y] + after.map(\.value) + (loss.map { [$0] } ?? [])
    }
    carried = Dictionary(uniqueKeysWithValues: zip(names, results.dropFirst()))
    if hasLoss, let loss = results.last { effects.add(loss: loss) }
    return results[0]
  }

  /// Lets go of what layers handed on, after the last one.
  ///
  /// With recomputing layers it would hold its own context.
  func endLayers() { carried = [:] }
}
