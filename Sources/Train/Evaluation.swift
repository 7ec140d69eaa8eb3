import Attention
import Datasets
import Foundation
import Tensors

/// What a model gives on a split.
public struct Evaluation: Sendable, Equatable {
  /// Right predictions of all.
  public var accuracy: Accuracy
  /// Mean cross entropy, in nats.
  public var loss: Double
}

extension ProcessGroup {
  /// This process's share of every batch.
  var share: Loader.Share { Loader.Share(rank: rank, world: world) }
}

/// A model with everything needed to run it on batches of its data.
final class ModelRunner {
  let classifier: Classifier
  let recipe: Recipe
  let device: Device
  let key: Tensors.RandomKey
  /// The processes that share the work.
  let group: ProcessGroup
  /// Measures how far queries look, when it is set.
  var span: AttentionSpan?

  init(_ recipe: Recipe, device: Device, group: ProcessGroup = .alone) throws {
    self.recipe = recipe
    self.group = group
    self.device = device
    let root = Tensors.RandomKey(seed: recipe.train.randomSeed)
    key = root["training"]
    classifier = try Classifier(recipe.modelConfiguration, key: root["model"], device: device)
    if recipe.train.precision == "float64" {
      for named in classifier.parameters { try named.parameter.convert(to: .float64) }
    }
  }

  /// Logits [B, C] of some examples of a batch, float32.
  ///
  /// The documents of pair p draw their random numbers as examples 2p and 2p + 1.
  ///
  /// - Parameter effects: takes auxiliary losses and statistics.
  func logits(
    _ batch: Batch, examples: Range<Int>, step: Int, training: Bool,
    effects: StepEffects = StepEffects()
  ) throws -> Tensor {
    let (length, towers) = (batch.length, batch.towers)
    let rows = batch.rows(of: examples)
    let numbers = (0..<towers).flatMap { tower in
      batch.positions[examples].map { $0 * towers + tower }
    }
    let context = try Context(
      lengths: rows.flatMap { batch.lengths[$0].map(Int.init) }, length: length,
      examples: numbers, key: key[step], training: training, device: device,
      effects: effects)
    context.span = span
    let tokens = rows.flatMap {
      batch.tokens[($0.lowerBound * length)..<($0.upperBound * length)]
    }
    let ids = try Tensor.from(tokens, [towers * examples.count, length]).to(device)
    guard recipe.train.precision == "bfloat16" else { return try classifier(ids, context) }
    return try withBFloat16(on: device) { try classifier(ids, context) }
  }

  /// Evaluates a split, batch by batch, sorted by length; several processes share each batch, and all
  /// get the same result.
  ///
  /// - Parameters:
  ///   - limit: only the first examples; nil for all.
  ///   - collect: gets the positions and the logits [B * C] of each batch.
  ///   - isCancelled: asked before every batch.
  /// - Returns: nil when it was cancelled.
  func evaluate(
    _ source: some ExampleSource, limit: Int? = nil, isCancelled: () throws -> Bool = { false },
    collect: (([Int], [Float]) throws -> Void)? = nil
  ) throws -> Evaluation? {
    let loader = Loader(evaluating: source, recipe, limit: limit, share: group.share)
    var accuracy = Accuracy()
    var loss = 0.0
    while let batch = try loader.next() {
      if try isCancelled() { return nil }
      if batch.count == 0 { continue }  // fewer examples than processes
      try withoutGradient {
        let logits = try logits(batch, examples: 0..<batch.count, step: 0, training: false)
        let labels = try Tensor.from(batch.labels.map(Int64.init), [batch.count]).to(device)
        loss += try logits.crossEntropySum(labels).item()
        accuracy.correct += Int(try logits.argmax(1).equal(labels).to(.float32).sum().item())
        accuracy.count += batch.count
        try collect?(batch.positions, logits.floats())
      }
    }
    let total = try group.sum([Double(accuracy.correct), Double(accuracy.count), loss])
    accuracy = Accuracy(correct: Int(total[0]), count: Int(total[1]))
    return Evaluation(accuracy: accuracy, loss: accuracy.count > 0 ? total[2] / total[1] : 0)
  }
}
