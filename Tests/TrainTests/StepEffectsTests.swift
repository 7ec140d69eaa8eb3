import Attention
import Tensors
import Testing

@testable import Train

@Suite("what a mechanism adds to a training step", .serialized)
struct StepEffectsTests {
  private func run(
    _ model: String, parts: Int = 1, _ keys: [String: ConfigurationValue] = [:],
    _ change: (inout Recipe) -> Void = { _ in }
  ) throws -> TinyRun {
    try TinyRun {
      $0.train.numTrainSteps = 4
      $0.train.accumulate = parts
      $0.optimizer.eps = 1e-3
      $0.model.modelType = model
      $0.model.mixer = keys
      change(&$0)
    }
  }

  private func initial(_ run: TinyRun, _ name: String) throws -> [Float] {
    let parameters = try ModelRunner(run.recipe, device: .cpu).network.parameters
    return try #require(parameters.first { $0.name == name }).parameter.value.floats()
  }

  static let segments: [String: ConfigurationValue] = [
    "segment_length": .integer(4), "memory_length": .integer(4),
    "compressed_memory_length": .integer(4),
  ]

  @Test(
    "auxiliary losses and statistics train what belongs to them, and parts change nothing",
    arguments: [
      ("compressive_transformer", segments, "blocks.1.attn.compressive_transformer.conv.weight"),
      (
        "routing_transformer", ["decay": .number(0.5)],
        "blocks.1.attn.routing_transformer.centroids"
      ),
    ])
  func parts(model: String, keys: [String: ConfigurationValue], tensor: String) throws {
    let (one, four) = (try run(model, keys), try run(model, parts: 4, keys))
    try one.train()
    try four.train()
    let (whole, cut) = (try one.weights(step: 4), try four.weights(step: 4))
    #expect(largestDifference(whole, cut) < 1e-5)
    let (before, after) = (try initial(one, tensor), try #require(whole[tensor]))
    #expect(zip(before, after).contains { abs($0 - $1) > 1e-4 }, "\(tensor) stays as it was")
  }

  @Test(
    "rows of random batches are cut to the part's longest: only attention's dropout sees it",
    arguments: [
      ("transformer", [:]), ("compressive_transformer", segments),
      ("routing_transformer", ["decay": .number(0.5)]),
    ])
  func cutRows(model: String, keys: [String: ConfigurationValue]) throws {
    let weights = try [1, 4].map { parts in
      let run = try run(model, parts: parts, keys) {
        $0.data.bucketBatches = 1
        $0.model.attentionDropoutRate = 0
      }
      try run.train()
      return try run.weights(step: 4)
    }
    #expect(largestDifference(weights[0], weights[1]) < 1e-5)
  }

  @Test("the reported loss is the cross entropy alone, the auxiliary one has the batch's share")
  func reported() throws {
    let run = try run("compressive_transformer", Self.segments)
    let runner = try ModelRunner(run.recipe, device: .cpu)
    let data = try RunData(run.recipe, database: run.database)
    let loader = try Loader(training: data.train, run.recipe, firstStep: 1)
    defer { loader.stop() }
    let batch = try #require(try loader.next())
    let effects = StepEffects()
    let logits = try runner.measured(
      batch, examples: 0..<batch.count, step: 1, training: true, effects: effects
    ).logits
    let labels = try Tensor.from(batch.labels.map(Int64.init), [batch.count])
    let expected = try logits.crossEntropySum(labels).item() / Double(batch.globalCount)
    let auxiliary = try #require(try effects.takeAuxiliaryLoss())
    #expect(try auxiliary.item() > 0)
    // The convolution has its gradient from the auxiliary loss alone.
    try auxiliary.backward()
    let name = "blocks.1.attn.compressive_transformer.conv.weight"
    let kernel = try #require(runner.network.parameters.first { $0.name == name }).parameter
      .value
    let whole = try #require(kernel.gradient).doubles()
    let outcome = try Updater(runner).update(batch)
    #expect(abs(outcome.loss - expected) < 1e-6)
    let shares = try #require(kernel.gradient).doubles()
    let largest = whole.map { abs($0) }.max() ?? 0
    for (share, all) in zip(shares, whole) {
      #expect(abs(share * Double(batch.globalCount) - all) < 1e-4 * largest)
    }
  }
}

@Suite("recipe keys of every model")
struct ModelKeyTests {
  private func resolve(_ model: String, _ settings: [String] = []) throws -> Recipe {
    var request = RecipeRequest(task: "listops")
    request.model = model
    request.settings = settings
    return try request.resolve()
  }

  @Test("what is always causal is so without a key, and refuses causal=false")
  func alwaysCausal() throws {
    let recipe = try resolve("rwkv")
    #expect(recipe.model.causal)
    try recipe.check()
    #expect(try Recipe(yaml: recipe.yaml) == recipe)
    try resolve("rwkv", ["model.causal=true"]).check()
    let error = #expect(throws: AttentionError.self) {
      try resolve("rwkv", ["model.causal=false"]).check()
    }
    #expect(error?.message == "rwkv is always causal")
    #expect(error?.hint == "leave model.causal out or use --set model.causal=true")
    #expect(try !resolve("transformer").model.causal)
    #expect(try !resolve("rwkv", ["model.model_type=linear"]).model.causal)
  }

  @Test("factors of linear layers are two keys, written only when they are used")
  func lowRank() throws {
    let plain = try resolve("linformer")
    #expect(!plain.yaml.contains("low_rank:") && plain.modelConfiguration.lowRank == 0)
    let thin = try resolve("linformer", ["model.low_rank=4", "model.low_rank_init=svd"])
    #expect(thin.yaml.contains("  low_rank: 4\n  low_rank_init: svd\n"))
    #expect(try Recipe(yaml: thin.yaml) == thin && thin.digest != plain.digest)
    #expect(thin.modelConfiguration.lowRank == 4 && thin.modelConfiguration.lowRankInit == .svd)
    #expect(throws: TrainError.self) { try resolve("linformer", ["model.low_rank=-1"]) }
    #expect(throws: TrainError.self) { try resolve("linformer", ["model.low_rank_init=best"]) }
  }
}
