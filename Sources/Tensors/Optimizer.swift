/// What changes parameters by their gradients.
public protocol Optimizer: AnyObject {
  /// Updates every parameter that has a gradient.
  ///
  /// - Parameters:
  ///   - learningRate: the schedule's; a group multiplies it by its factor.
  ///   - beta1: that of this step alone; nil for the configuration's.
  func step(learningRate: Double, beta1: Double?) throws
  /// The state to save by name, sorted: `NAME.exp_avg`, ...
  var state: [(name: String, tensor: Tensor)] { get }
  /// Multiplies the state of a parameter by a mask of its shape.
  func mask(_ name: String, by mask: Tensor) throws
  /// Continues from saved state after `step` updates.
  func restore(_ saved: [String: Tensor], step: Int, path: String) throws
}

/// The numbers of an update rule; a rule takes what it has.
public struct OptimizerConfiguration: Sendable {
  /// Decay of the mean of gradients, in [0, 1).
  public var beta1 = 0.9
  /// Decay of the mean of squared gradients, in [0, 1).
  public var beta2 = 0.999
  /// Added to the denominator.
  public var eps = 1e-8

  /// The given numbers.
  public init(beta1: Double = 0.9, beta2: Double = 0.999, eps: Double = 1e-8) {
    self.beta1 = beta1
    self.beta2 = beta2
    self.eps = eps
  }
}

/// One line of the registry: an optimiser and how to make it.
public struct OptimizerEntry: Sendable {
  /// As recipes have it: `adamw`.
  public let name: String
  /// Makes one for some groups.
  public let make: @Sendable ([ParameterGroup], OptimizerConfiguration) throws -> any Optimizer
}

/// Every optimiser.
///
/// Adding one is a file and a line here.
public let optimizers: [OptimizerEntry] = [
  OptimizerEntry(name: "adamw") { try AdamW($0, $1) }
]

/// Parameters that an optimiser treats alike.
public struct ParameterGroup {
  /// The roles of its parameters, in the order of `Parameter.Role`.
  public let roles: [Parameter.Role]
  /// The trained parameters, in the model's order.
  public let parameters: [NamedParameter]
  /// What the learning rate is multiplied by.
  public let rateFactor: Double
  /// Decoupled weight decay.
  public let weightDecay: Double

  /// The groups of a model's trained parameters, by what their roles ask for; `state` and `step` never decay.
  ///
  /// - Parameters:
  ///   - weightDecay: of roles that are not exempt.
  ///   - exempt: roles without decay.
  ///   - rateFactors: of roles that do not learn at the schedule's own rate.
  /// - Returns: groups with parameters only; those with decay come first.
  public static func groups(
    of parameters: [NamedParameter], weightDecay: Double, exempt: Set<Parameter.Role>,
    rateFactors: [Parameter.Role: Double] = [:]
  ) -> [ParameterGroup] {
    struct Treatment: Hashable {
      let rateFactor: Double
      let isExempt: Bool
    }
    let roles = Parameter.Role.allCases.filter { $0 != .buffer }
    let treatments = Dictionary(grouping: roles) {
      Treatment(
        rateFactor: rateFactors[$0] ?? 1, isExempt: exempt.union([.state, .step]).contains($0))
    }
    let ordered = treatments.sorted {
      ($0.key.isExempt ? 1 : 0, -$0.key.rateFactor) < ($1.key.isExempt ? 1 : 0, -$1.key.rateFactor)
    }
    return ordered.compactMap { treatment, roles in
      let own = parameters.filter { roles.contains($0.parameter.role) }
      guard !own.isEmpty else { return nil }
      return ParameterGroup(
        roles: roles.filter { role in own.contains { $0.parameter.role == role } },
        parameters: own, rateFactor: treatment.rateFactor,
        weightDecay: treatment.isExempt ? 0 : weightDecay)
    }
  }
}
