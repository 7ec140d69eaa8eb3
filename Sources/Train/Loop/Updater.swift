import Attention
import Tensors

/// One optimiser step: forward and backward in parts, clipping, the optimiser.
struct Updater {
  let runner: ModelRunner
  let optimizer: any Optimizer
  /// Takes weights out as the recipe says; nil when it says nothing.
  let pruner: Pruner?
  private let schedule: Schedule
  private let parameters: [NamedParameter]

  init(_ runner: ModelRunner) throws {
    self.runner = runner
    let parameters = runner.network.parameters
    self.parameters = parameters
    schedule = try Schedule(runner.recipe)
    pruner = try runner.recipe.pruning.map { try Pruner($0, parameters, runner.recipe) }
    optimizer = try runner.recipe.makeOptimizer(parameters)
  }

  /// What a step gave.
  struct Outcome {
    var loss: Double
    var accuracy: Double
    var learningRate: Double
  }

  /// Does the step of a batch's number.
  ///
  /// Losses are summed over the parts and the processes and divided by the batch's global count, so
  /// their number changes nothing but rounding. Auxiliary losses of mechanisms are added to what is
  /// differentiated, not to the loss that is reported. A loss that is not finite leaves the weights
  /// alone. Weights that were taken out get no gradient, so neither clipping nor the optimiser sees them.
  func update(_ batch: Batch) throws -> Outcome {
    for named in parameters { named.parameter.value.clearGradient() }
    var loss = 0.0
    var (correct, count) = (0.0, 0.0)
    let effects = StepEffects()
    let share = 1 / Double(batch.globalCount)
    let accumulate = runner.recipe.train.accumulate
    let part = max(1, (batch.count + accumulate - 1) / accumulate)
    for first in stride(from: 0, to: batch.count, by: part) {
      let examples = first..<min(first + part, batch.count)
      let found = try runner.measured(
        batch, examples: examples, step: batch.number, training: true, effects: effects)
      let mean = try found.loss * share
      let auxiliary = try effects.takeAuxiliaryLoss().map { try $0 * share }
      try (auxiliary.map { try mean + $0 } ?? mean).backward()
      let extra = try auxiliary?.item() ?? 0
      loss += extra.isFinite ? try mean.item() : extra
      correct += found.correct
      count += Double(found.count)
    }
    if batch.count == 0 && runner.recipe.sharesStatistics {
      try runner.attend(step: batch.number, effects: effects)
    }
    if runner.group.world > 1 {
      try withoutGradient { try runner.group.sumGradients(parameters) }
      let total = try runner.group.sum([loss, correct, count])
      (loss, correct, count) = (total[0], total[1], total[2])
    }
    let learningRate = schedule.learningRate(at: batch.number)
    try pruner?.maskGradients()
    if let limit = runner.recipe.optimizer.gradClipValue {
      try clipGradientValues(parameters, limit)
    }
    if let limit = runner.recipe.optimizer.gradClipNorm {
      try clipGradients(parameters, maxNorm: limit)
    }
    if loss.isFinite {
      try optimizer.step(learningRate: learningRate, beta1: schedule.beta1(at: batch.number))
      try pruner?.renewIfDue(after: batch.number, optimizer)
      try applyStatistics(of: effects, batch)
    }
    return Outcome(loss: loss, accuracy: correct / max(1, count), learningRate: learningRate)
  }

  /// Buffers follow the whole batch; a process without examples takes them from the first.
  private func applyStatistics(of effects: StepEffects, _ batch: Batch) throws {
    let group = runner.group
    try effects.applyStatistics(totals: group.totals)
    guard batch.globalCount < group.world else { return }
    let buffers = parameters.filter { $0.parameter.role == .buffer }.map(\.parameter.value)
    try group.copyFromFirst(buffers)
  }
}

extension Recipe {
  /// Whether processes wait for each other within a pass through the network.
  var sharesStatistics: Bool { model.normType == .batch && model.batchStatistics == .batch }

  /// The groups of a model's parameters, with their rates and decays.
  func parameterGroups(_ parameters: [NamedParameter]) -> [ParameterGroup] {
    let own: [Parameter.Role: Double?] = [
      .state: optimizer.stateLearningRate, .step: optimizer.stepLearningRate,
    ]
    return ParameterGroup.groups(
      of: parameters, weightDecay: optimizer.weightDecay,
      exempt: Set(optimizer.noDecay.compactMap(Parameter.Role.init(rawValue:))),
      rateFactors: own.compactMapValues { $0.map { $0 / optimizer.learningRate } })
  }

  /// The optimiser of a model's parameters.
  func makeOptimizer(_ parameters: [NamedParameter]) throws -> any Optimizer {
    guard let entry = optimizers.first(where: { $0.name == optimizer.name }) else {
      let names = optimizers.map(\.name).joined(separator: ", ")
      throw TrainError.recipe([.wrong("optimizer.name", must: names, found: optimizer.name)])
    }
    return try entry.make(
      parameterGroups(parameters),
      .init(beta1: optimizer.beta1, beta2: optimizer.beta2, eps: optimizer.eps))
  }
}
