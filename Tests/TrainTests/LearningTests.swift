import Datasets
import Foundation
import Tensors
import Testing

@testable import Train

/// ListOps of 101 to 199 tokens: long enough that the first token, which tells most of the label, has to be found by
/// its place, short enough for a minute of one thread.
private final class ShortListOps {
  let folder: TemporaryFolder
  var database: String { folder.file("data.sqlite") }

  init() throws {
    folder = try TemporaryFolder()
    _ = try DatasetStore(at: database).generate(
      ListOpsConfiguration(minLength: 100, maxLength: 200, maxDepth: 10, maxArgs: 10),
      name: "short", seed: 0, splits: SplitSize.standard(train: 12_000, validation: 1000, test: 10))
  }

  /// Accuracy on the validation split after some steps of protocol `small`, made shorter.
  func accuracy(_ model: String, seed: Int, steps: Int, _ settings: [String] = []) throws -> Double
  {
    var request = RecipeRequest(task: "listops")
    (request.model, request.seed) = (model, seed)
    request.settings =
      [
        "data.dataset=short", "data.max_length=200", "train.num_train_steps=\(steps)",
        "train.accumulate=1", "schedule.factors=constant * linear_warmup", "schedule.warmup=45",
        "optimizer.learning_rate=5e-4",
      ] + settings
    let recipe = try request.resolve()
    let data = try RunData(recipe, database: database)
    let runner = try ModelRunner(recipe, device: .cpu)
    let updater = try Updater(runner)
    let loader = try Loader(training: data.train, recipe)
    defer { loader.stop() }
    for _ in 0..<steps {
      guard let batch = try loader.next() else { break }
      _ = try updater.update(batch)
    }
    return try #require(try runner.evaluate(data.validation)).accuracy.value
  }
}

/// What no comparison of losses with PyTorch can tell: that a model learns anything from where it begins.
@Suite("learning")
struct LearningTests {
  /// Accuracy between the old beginnings (20 %) and the right ones (30 %; the first token has 32).
  static let bar = 0.25

  @Test(
    "under protocol small a model leaves its baseline",
    arguments: [
      ("transformer", 320), ("nystromformer", 320), ("linear", 560), ("bigbird", 320),
      ("rwkv", 320),
    ])
  func leavesBaseline(model: String, steps: Int) throws {
    _ = try Engine.start(threads: 2)
    let accuracy = try ShortListOps().accuracy(model, seed: 0, steps: steps)
    print("\(model): \(accuracy)")
    #expect(accuracy > Self.bar)
  }

  @Test("with tokens from N(0, 1), 50 times as strong as places, it does not")
  func oldBeginnings() throws {
    _ = try Engine.start(threads: 2)
    let accuracy = try ShortListOps().accuracy(
      "transformer", seed: 0, steps: 320,
      ["model.init.token_deviation=1", "model.init.linear=xavier"])
    print("transformer from N(0, 1): \(accuracy)")
    #expect(accuracy < Self.bar)
  }
}
