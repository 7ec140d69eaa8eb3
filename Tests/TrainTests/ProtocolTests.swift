import Attention
import Tensors
import Testing

@testable import Train

@Suite("built-in protocols")
struct ProtocolTests {
  /// The protocols that have an answer for every task.
  static let whole = ["modern", "paper", "released", "small"]
  /// Those that have no Path-X.
  static let withoutPathX = ["skyformer"]
  /// The models that `published` has numbers for.
  static let published = ["s4d", "s5", "lru"]

  /// The models of a protocol.
  static func models(_ name: String) -> [String] {
    name == "published" ? published : mechanisms.map(\.name)
  }

  static func recipe(
    _ name: String, _ task: String, _ model: String, _ settings: [String] = []
  ) throws -> Recipe {
    var request = RecipeRequest(task: task)
    (request.recipe, request.model, request.settings) = (name, model, settings)
    return try request.resolve()
  }

  @Test(
    "every model resolves for every task, reads back equal, and its model can be built in full size",
    arguments: whole + ["published"], Recipe.tasks)
  func resolve(name: String, task: String) throws {
    for model in Self.models(name) {
      let recipe = try Self.recipe(name, task, model)
      try recipe.check()
      #expect(recipe.model.modelType == model && recipe.protocolName == name)
      #expect(try Recipe(yaml: recipe.yaml, name: "again") == recipe)
      #expect(try Schedule(recipe).learningRate(at: 1) > 0)
      let sizes = try ModelSizes(recipe)
      #expect(sizes.withoutLengthTied > 1000 && sizes.parameters >= sizes.withoutLengthTied)
      #expect(sizes.parameters < 1 << 28, "\(name) \(task) \(model)")
    }
  }

  @Test("the demo is for ListOps only")
  func demo() throws {
    #expect(
      Set(BuiltInRecipes.names) == Set(Self.whole + Self.withoutPathX + ["demo", "published"]))
    for task in Recipe.tasks where task != "listops" {
      #expect(throws: TrainError.self) { try Self.recipe("demo", task, "transformer") }
    }
    try Self.recipe("demo", "listops", "transformer").check()
  }

  @Test(
    "one step of every recipe, made small", arguments: whole + withoutPathX + ["published"],
    Recipe.tasks)
  func step(name: String, task: String) throws {
    if Self.withoutPathX.contains(name) && task == "pathx" { return }
    _ = try Engine.start(threads: 1)
    for model in Self.models(name) {
      let recipe = try Self.recipe(
        name, task, model,
        [
          "data.max_length=70", "train.batch_size=2", "train.accumulate=1", "model.num_layers=1",
          "model.num_heads=2", "model.emb_dim=16", "model.qkv_dim=16", "model.mlp_dim=16",
        ])
      let runner = try ModelRunner(recipe, device: .cpu)
      let updater = try Updater(runner)
      let kept = try runner.network.parameters.map { try $0.parameter.value.floats() }
      let outcome = try updater.update(.drawn(1, recipe))
      #expect(outcome.loss.isFinite && outcome.loss > 0, "\(name) \(task) \(model)")
      let changed = try runner.network.parameters.map { try $0.parameter.value.floats() }
      #expect(changed != kept, "\(name) \(task) \(model)")
    }
  }

  @Test(
    "published models have the numbers of parameters of their authors' configurations",
    arguments: [
      ("listops", 20, [815_650, 188_618, 995_594]),
      ("text", 135, [843_546, 1_321_410, 2_012_802]),
      // With the hidden layer of the pair's head, which S4 and S5 have in their code.
      ("retrieval", 98, [1_096_474, 772_226, 1_070_210]),
      ("image", 0, [3_563_914, 5_134_730, 7_893_770]),
      ("pathfinder", 0, [1_092_098, 1_113_986, 2_223_362]),
      ("pathx", 0, [1_092_098, 694_274, 1_286_402]),
    ])
  func publishedCounts(task: String, vocabulary: Int, counts: [Int]) throws {
    for (model, count) in zip(Self.published, counts) {
      let recipe = try Self.recipe("published", task, model)
      let own = recipe.modelConfiguration
      let table = vocabulary == 0 ? 0 : own.embDim * (own.vocabularySize - vocabulary)
      let found = try ModelSizes(recipe).parameters - table
      #expect(found == count, "\(task) \(model)")
    }
  }

  @Test("steps that do not reach across a row of an image are warned of")
  func advice() throws {
    #expect(try Self.recipe("published", "pathx", "s4d").advice.isEmpty)
    let settings = ["model.mixer.dt_max=0.01"]
    let advice = try Self.recipe("published", "pathx", "s4d", settings).advice
    #expect(advice.count == 1 && advice[0].contains("dt_max=0.015625"), "\(advice)")
    let rescaled = ["model.mixer.rescale=8"]
    #expect(try Self.recipe("published", "pathx", "s4d", rescaled).advice.count == 1)
    #expect(try Self.recipe("published", "listops", "s4d", settings).advice.isEmpty)
    #expect(try Self.recipe("small", "pathx", "transformer").advice.isEmpty)
  }

  @Test(
    "released models have the published numbers of parameters",
    arguments: [
      ("listops", [], 8_948_746),
      ("listops", ["model.num_layers=6", "model.mlp_dim=2048"], 19_983_370),
      ("text", [], 3_486_722),
      (
        "text",
        [
          "model.emb_dim=512", "model.qkv_dim=512", "model.num_heads=8", "model.num_layers=6",
          "model.mlp_dim=2048",
        ], 20_089_858
      ),
      ("retrieval", [], 1_087_618), ("retrieval", ["model.interaction=nli"], 1_218_690),
      ("image", [], 248_458),
      (
        "image",
        ["model.emb_dim=32", "model.qkv_dim=32", "model.num_heads=1", "model.mlp_dim=64"], 52_266
      ),
      ("pathfinder", [], 26_530), ("pathx", [], 537_954),
    ])
  func counts(task: String, settings: [String], count: Int) throws {
    let recipe = try Self.recipe("released", task, "transformer", settings)
    #expect(try ModelSizes(recipe).parameters == count)
  }

  @Test("a sketch has the counts of the real thing")
  func sketch() throws {
    for mechanism in mechanisms {
      let recipe = try Self.recipe("small", "image", mechanism.name, ["data.max_length=90"])
      let real = try Classifier(recipe.modelConfiguration, key: RandomKey(seed: 0)).parameters
      let sizes = try ModelSizes(recipe)
      #expect(sizes.parameters == real.valueCount)
      #expect(sizes.withoutLengthTied == real.notTiedToLength.valueCount)
    }
  }

  @Test("a mechanism says which of its tensors grow with the length", arguments: whole)
  func lengthTied(name: String) throws {
    for mechanism in mechanisms {
      let named = try [900, 3700].map { length in
        let recipe = try Self.recipe(
          name, "retrieval", mechanism.name, ["data.max_length=\(length)"])
        return try sketched {
          try Classifier(recipe.modelConfiguration, key: RandomKey(seed: 0)).parameters
        }
      }
      for (short, long) in zip(named[0], named[1]) where short.parameter.role != .buffer {
        let grows = short.parameter.value.shape != long.parameter.value.shape
        #expect(short.name == long.name)
        #expect(long.parameter.isTiedToLength == grows, "\(name) \(mechanism.name) \(long.name)")
      }
    }
  }

  @Test("a model that this machine cannot hold is refused in words")
  func memory() throws {
    let dense = ["train.accumulate=1", "model.mixer.synthesizer_mode=factorized_dense"]
    let recipe = try Self.recipe("paper", "pathx", "synthesizer", dense)
    let error = #expect(throws: TrainError.self) { try recipe.requireMemory(on: .cpu) }
    let words = #"synthesizer holds matrices of 16 384 x 16 384, at least "#
    #expect(error?.code == .failure && error?.message.hasPrefix(words) == true)
    try Self.recipe("small", "listops", "synthesizer").requireMemory(on: .cpu)
    try Self.recipe("paper", "pathx", "kernelized").requireMemory(on: .cpu)
    try Self.recipe("paper", "pathx", "synthesizer").requireMemory(on: .cpu)
  }

  @Test("at most 10 % more than the transformer is comparable")
  func rule() {
    #expect(ModelSizes.isComparable(1100, to: 1000) && !ModelSizes.isComparable(1101, to: 1000))
  }
}
