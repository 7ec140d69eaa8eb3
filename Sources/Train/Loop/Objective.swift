import Attention
import Datasets
import Tensors

/// What a pass over some examples gives.
struct Measured {
  /// The logits of the predictions.
  let logits: Tensor
  /// The sum over examples of their loss.
  let loss: Tensor
  /// Right predictions: classes, or masked tokens.
  let correct: Double
  /// All predictions.
  let count: Int
}

/// The network of a run: token ids and their context to logits.
protocol Network: Module {
  func callAsFunction(_ ids: Tensor, _ context: Context) throws -> Tensor
}

extension Classifier: Network {}
extension TokenPredictor: Network {}

extension Recipe {
  /// The network for the objective, in the run's precision.
  func network(key: Tensors.RandomKey, device: Device) throws -> any Network {
    let network: any Network =
      switch train.objective {
      case .classify: try Classifier(modelConfiguration, key: key, device: device)
      case .masked: try TokenPredictor(modelConfiguration, key: key, device: device)
      }
    if train.precision == .float64 {
      for named in network.parameters { try named.parameter.convert(to: .float64) }
    }
    return network
  }
}

extension ModelRunner {
  /// Loss and right predictions of some examples of a batch.
  ///
  /// - Parameters:
  ///   - step: keys dropout and, with masked tokens, what is hidden; evaluations have step 0.
  ///   - effects: takes auxiliary losses and statistics.
  func measured(
    _ batch: Batch, examples: Range<Int>, step: Int, training: Bool,
    effects: StepEffects = StepEffects()
  ) throws -> Measured {
    let (ids, context) = try inputs(
      batch, examples: examples, step: step, training: training, effects: effects)
    if recipe.train.objective == .masked { return try masked(ids, context, towers: batch.towers) }
    let logits = try logits(ids, context)
    // An example without a label can be predicted; its loss is asked for by nobody.
    let classes = batch.labels[examples].map { Int64(training ? $0 : max(0, $0)) }
    let labels = try Tensor.from(classes, [examples.count]).to(device)
    let correct = try withoutGradient {
      try logits.argmax(1).equal(labels).to(.float32).sum().item()
    }
    var loss = try logits.crossEntropySum(labels)
    if training, let teacher {
      let weight = recipe.train.distillWeight
      let soft = try distillation(logits, teacher.prediction(batch, examples))
      loss = try loss * (1 - weight) + soft * weight
    }
    return Measured(logits: logits, loss: loss, correct: correct, count: examples.count)
  }

  /// Logits [B, C] of a model that is not trained.
  private func prediction(_ batch: Batch, _ examples: Range<Int>) throws -> Tensor {
    try withoutGradient {
      let (ids, context) = try inputs(batch, examples: examples, step: 0, training: false)
      return try logits(ids, context)
    }
  }

  /// T² KL(teacher ‖ student) at temperature T, summed over examples.
  ///
  /// Hinton and others 2015, arXiv 1503.02531, section 2.
  private func distillation(_ student: Tensor, _ teacher: Tensor) throws -> Tensor {
    let temperature = recipe.train.temperature
    func logProbabilities(_ logits: Tensor) throws -> Tensor {
      let soft = try logits * (1 / temperature)  // [B, C]
      return try soft - soft.logSumExp(1)  // [B, C] - [B, 1]
    }
    let target = try withoutGradient { try logProbabilities(teacher).detached() }
    let difference = try target - logProbabilities(student)
    return try (target.exp() * difference).sum() * (temperature * temperature)
  }

  /// Hides every real token with probability `mask_rate`, and asks for it.
  ///
  /// Id 0 stands in its place, which is else padding only. The loss of a sequence is the mean over its
  /// hidden tokens.
  private func masked(_ ids: Tensor, _ context: Context, towers: Int) throws -> Measured {
    let (rows, length) = (ids.size(0), ids.size(1))
    let places = try Tensor.full([rows, length], 1)
      .dropout(
        recipe.train.maskRate, key: context.key["masked token"], examples: context.examples
      )
      .to(device)
    let zero = try Tensor.full([], 0, on: device)
    let shown = try zero.less(than: places)  // [B, L]
    let real = try Tensor.zeros([], .int64, on: device).less(than: ids)
    let hidden = try shown.not().and(real).to(.float32)  // [B, L]
    let logits = try logits(ids * shown.to(.int64), context)  // [B, L, V]
    let own = try logits.gathered(ids.unsqueezed(2), 2)  // [B, L, 1]
    let counts = try hidden.sum([1], keep: true)  // [B, 1]
    let weights = try hidden / counts.clamped(least: 1)
    let missed = try (logits.logSumExp(2) - own).select(0, 2)  // [B, L]
    let loss = try (missed * weights).sum() * (1 / Double(towers))
    let correct = try withoutGradient {
      try (logits.argmax(2).equal(ids).to(.float32) * hidden).sum().item()
    }
    return Measured(
      logits: logits, loss: loss, correct: correct, count: Int(try counts.sum().item()))
  }
}
