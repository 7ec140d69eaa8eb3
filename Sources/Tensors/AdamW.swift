import CTorch

/// AdamW with decoupled weight decay (Loshchilov & Hutter 2019, arXiv 1711.05101), fused over all
/// parameters.
///
/// `p -= lr * decay * p` before the Adam step, as in torch and in flax's Adam: LRA's released decay
/// is the same number.
public final class AdamW: Optimizer {
  private let configuration: OptimizerConfiguration
  private let groups: [ParameterGroup]
  private var expAvg: [String: Tensor] = [:]
  private var expAvgSq: [String: Tensor] = [:]
  private var counts: [String: Tensor] = [:]

  /// - Parameter groups: no parameter in two of them.
  public init(_ groups: [ParameterGroup], _ configuration: OptimizerConfiguration) throws {
    self.configuration = configuration
    self.groups = groups
    for named in groups.flatMap(\.parameters) {
      let value = named.parameter.value
      expAvg[named.name] = try .zeros(value.shape, value.elementType, on: value.device)
      expAvgSq[named.name] = try .zeros(value.shape, value.elementType, on: value.device)
      counts[named.name] = try .zeros([], on: value.device)
    }
  }

  /// Updates every parameter that has a gradient.
  ///
  /// - Parameter beta1: that of this step alone; nil for the configuration's.
  public func step(learningRate: Double, beta1: Double? = nil) throws {
    for group in groups {
      let live = group.parameters.filter { $0.parameter.value.gradient != nil }
      if live.isEmpty { continue }
      let gradients = live.compactMap { $0.parameter.value.gradient }
      let means = live.compactMap { expAvg[$0.name] }
      let squares = live.compactMap { expAvgSq[$0.name] }
      let steps = live.compactMap { counts[$0.name] }
      let status = withExtendedLifetime((gradients, means, squares, steps)) {
        ct_adamw(
          live.map { Optional($0.parameter.value.handle) }, gradients.map { Optional($0.handle) },
          means.map { Optional($0.handle) }, squares.map { Optional($0.handle) },
          steps.map { Optional($0.handle) }, Int32(live.count),
          learningRate * group.rateFactor,
          beta1 ?? configuration.beta1, configuration.beta2, configuration.eps, group.weightDecay)
      }
      guard status == 0 else { throw TensorError.last }
    }
  }

  /// The state to save: `NAME.exp_avg`, `NAME.exp_avg_sq`, sorted by name.
  public var state: [(name: String, tensor: Tensor)] {
    expAvg.keys.sorted().flatMap { name in
      [
        expAvg[name].map { ("\(name).exp_avg", $0) },
        expAvgSq[name].map { ("\(name).exp_avg_sq", $0) },
      ]
      .compactMap { $0 }
    }
  }

  /// Multiplies both moments of a parameter by a mask of its shape.
  public func mask(_ name: String, by mask: Tensor) throws {
    for moment in [expAvg[name], expAvgSq[name]].compactMap({ $0 }) {
      try moment.copy(from: moment * mask)
    }
  }

  /// Continues from saved state after `step` updates.
  public func restore(_ saved: [String: Tensor], step: Int, path: String) throws {
    for (name, tensor) in state {
      try Safetensors.copy(name, of: saved, to: tensor, path)
    }
    for count in counts.values { try count.copy(from: .full([], Double(step))) }
  }
}

/// Cuts every value of every gradient to [-limit, limit]; `limit` is above 0.
public func clipGradientValues(_ parameters: [NamedParameter], _ limit: Double) throws {
  for named in parameters {
    guard let gradient = named.parameter.value.gradient else { continue }
    let above = try gradient.clamped(least: -limit)
    try gradient.copy(from: (above * -1).clamped(least: -limit) * -1)
  }
}

/// The joint 2-norm of all gradients, which are scaled down to `maxNorm` when it is larger.
///
/// - Parameter maxNorm: at least 0; nil only measures.
/// - Returns: the norm before scaling.
@discardableResult
public func clipGradients(_ parameters: [NamedParameter], maxNorm: Double?) throws -> Double {
  let gradients = parameters.compactMap { $0.parameter.value.gradient }
  var norm = 0.0
  let status = withExtendedLifetime(gradients) {
    ct_clip_grad_norm(
      gradients.map { Optional($0.handle) }, Int32(gradients.count), maxNorm ?? -1, &norm)
  }
  guard status == 0 else { throw TensorError.last }
  return norm
}
