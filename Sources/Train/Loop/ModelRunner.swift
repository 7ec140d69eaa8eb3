import Attention
import Tensors

/// A model with everything needed to run it on batches of its data.
final class ModelRunner {
  let network: any Network
  let recipe: Recipe
  let device: Device
  let key: Tensors.RandomKey
  /// The processes that share the work.
  let group: ProcessGroup
  /// A trained model whose logits are learned too, when it is set.
  var teacher: ModelRunner?
  /// Measures how far queries look, when it is set.
  var span: AttentionSpan?

  init(_ recipe: Recipe, device: Device, group: ProcessGroup = .alone) throws {
    self.recipe = recipe
    self.group = group
    self.device = device
    let root = Tensors.RandomKey(seed: recipe.train.randomSeed)
    key = root["training"]
    network = try recipe.network(key: root["model"], device: device)
  }

  /// Token ids (int64) of some examples of a batch and their context.
  ///
  /// Rows are cut to the longest of these examples where a batch holds random lengths.
  /// The documents of pair p draw their random numbers as examples 2p and 2p + 1.
  ///
  /// - Parameter effects: takes auxiliary losses and statistics.
  func inputs(
    _ batch: Batch, examples: Range<Int>, step: Int, training: Bool,
    effects: StepEffects = StepEffects()
  ) throws -> (Tensor, Context) {
    let towers = batch.towers
    let rows = batch.rows(of: examples)
    let lengths = rows.flatMap { batch.lengths[$0].map(Int.init) }
    let isCut = recipe.data.bucketBatches == 1 && !recipe.data.isFilled
    let length = isCut ? max(1, lengths.max() ?? 0) : batch.length
    let numbers = (0..<towers).flatMap { tower in
      batch.positions[examples].map { $0 * towers + tower }
    }
    let shape = [towers * examples.count, length]
    var tokens = rows.joined().flatMap {
      batch.tokens[($0 * batch.length)..<($0 * batch.length + length)]
    }
    var hidden: Tensor?
    if recipe.data.blackIsPadding {
      tokens = tokens.map { max(0, $0 - 1) }
      hidden = try .from(tokens.map { $0 == 0 }, shape).to(device)
    }
    let context = try Context(
      lengths: lengths, length: length, examples: numbers, towers: towers, key: key[step],
      training: training, device: device, ranks: group.world, effects: effects, hidden: hidden)
    context.span = span
    let ids = try Tensor.from(tokens, shape).to(.int64).to(device)
    return (ids, context)
  }

  /// Takes part in what all processes do together in a step, without an example of its own: one row of nothing
  /// but padding passes the network and comes back with gradients of 0.
  func attend(step: Int, effects: StepEffects) throws {
    let (towers, world) = (recipe.modelConfiguration.numTowers, group.world)
    let context = try Context(
      lengths: [Int](repeating: 0, count: towers), length: 1,
      examples: [Int](repeating: 0, count: towers), towers: towers, key: key[step], training: true,
      device: device, ranks: world, effects: effects)
    let ids = try Tensor.zeros([towers, 1], .int64, on: device)
    try (logits(ids, context).sum() * 0).backward()
    _ = try effects.takeAuxiliaryLoss()
  }

  /// Logits of token ids, float32 (float64 in that precision).
  func logits(_ ids: Tensor, _ context: Context) throws -> Tensor {
    guard recipe.train.precision == .bfloat16 else { return try network(ids, context) }
    return try withBFloat16(on: device) { try network(ids, context) }
  }

  /// Evaluates a split, batch by batch, sorted by length; several processes share each batch, and all
  /// get the same result.
  ///
  /// - Parameters:
  ///   - batchSize: examples per batch, which changes memory and time alone; nil takes the recipe's.
  ///   - limit: only so many examples, see `EvaluationPlan`; nil for all.
  ///   - collect: gets the positions and the logits [B * C] of each batch.
  ///   - isCancelled: asked before every batch.
  /// - Returns: nil when it was cancelled.
  func evaluate(
    _ source: some ExampleSource, batchSize: Int? = nil, limit: Int? = nil,
    isCancelled: () throws -> Bool = { false }, collect: (([Int], [Float]) throws -> Void)? = nil
  ) throws -> Evaluation? {
    let loader = Loader(
      evaluating: source, recipe, batchSize: batchSize, limit: limit, share: group.share)
    var (correct, count, loss, examples) = (0.0, 0, 0.0, 0)
    while let batch = try loader.next() {
      if try isCancelled() { return nil }
      if batch.count == 0 { continue }  // fewer examples than processes
      try withoutGradient {
        let found = try measured(batch, examples: 0..<batch.count, step: 0, training: false)
        loss += try found.loss.item()
        correct += found.correct
        count += found.count
        examples += batch.count
        try collect?(batch.positions, found.logits.floats())
      }
    }
    let total = try group.sum([correct, Double(count), loss, Double(examples)])
    return Evaluation(
      accuracy: Accuracy(correct: Int(total[0]), count: Int(total[1])),
      loss: total[3] > 0 ? total[2] / total[3] : 0)
  }
}
