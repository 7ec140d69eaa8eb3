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

/// A model with everything needed to run it on batches of its data.
struct ModelRunner {
  let classifier: Classifier
  let recipe: Recipe
  let device: Device
  let key: Tensors.RandomKey

  init(_ recipe: Recipe, device: Device) throws {
    self.recipe = recipe
    self.device = device
    let root = Tensors.RandomKey(seed: recipe.train.randomSeed)
    key = root["training"]
    classifier = try Classifier(recipe.modelConfiguration, key: root["model"], device: device)
  }

  /// Logits [B, C] of some examples of a batch, float32.
  ///
  /// The documents of pair p draw their random numbers as examples 2p and 2p + 1.
  func logits(_ batch: Batch, examples: Range<Int>, step: Int, training: Bool) throws -> Tensor {
    let (length, towers) = (batch.length, batch.towers)
    let rows = batch.rows(of: examples)
    let numbers = (0..<towers).flatMap { tower in
      batch.positions[examples].map { $0 * towers + tower }
    }
    let shape = [towers * examples.count, length]
    var tokens = rows.flatMap {
      batch.tokens[($0.lowerBound * length)..<($0.upperBound * length)]
    }
    var hidden: Tensor?
    if recipe.data.blackIsPadding {
      tokens = tokens.map { max(0, $0 - 1) }
      hidden = try .from(tokens.map { $0 == 0 }, shape).to(device)
    }
    let context = try Context(
      lengths: rows.flatMap { batch.lengths[$0].map(Int.init) }, length: length,
      examples: numbers, key: key[step], training: training, device: device, hidden: hidden)
    let ids = try Tensor.from(tokens, shape).to(device)
    guard recipe.train.precision == "bfloat16" else { return try classifier(ids, context) }
    return try withBFloat16(on: device) { try classifier(ids, context) }
  }

  /// Evaluates a split, batch by batch, sorted by length.
  ///
  /// - Parameters:
  ///   - limit: only the first examples; nil for all.
  ///   - collect: gets the positions and the logits [B * C] of each batch.
  ///   - isCancelled: asked before every batch.
  /// - Returns: nil when it was cancelled.
  func evaluate(
    _ source: some ExampleSource, limit: Int? = nil, isCancelled: () -> Bool = { false },
    collect: (([Int], [Float]) throws -> Void)? = nil
  ) throws -> Evaluation? {
    let loader = Loader(evaluating: source, recipe, limit: limit)
    var accuracy = Accuracy()
    var loss = 0.0
    while let batch = try loader.next() {
      if isCancelled() { return nil }
      try withoutGradient {
        let logits = try logits(batch, examples: 0..<batch.count, step: 0, training: false)
        let labels = try Tensor.from(batch.labels.map(Int64.init), [batch.count]).to(device)
        loss += try logits.crossEntropySum(labels).item()
        accuracy.correct += Int(try logits.argmax(1).equal(labels).to(.float32).sum().item())
        accuracy.count += batch.count
        try collect?(batch.positions, logits.floats())
      }
    }
    return Evaluation(
      accuracy: accuracy, loss: accuracy.count > 0 ? loss / Double(accuracy.count) : 0)
  }
}
