import Attention
import Foundation
import Testing

@testable import Train

@Suite struct RecipeTests {
  @Test("the small recipe for listops is the documented one, on one screen")
  func smallListops() throws {
    let recipe = try RecipeRequest(task: "listops").resolve()
    #expect(
      recipe.yaml == """
        protocol: small
        task: listops
        data: {dataset: listops-2k, max_length: 2000, bucket_batches: 1, prefetch: 4}
        model:
          model_type: transformer
          emb_dim: 64
          num_heads: 2
          qkv_dim: 64
          mlp_dim: 128
          num_layers: 2
          position: learned
          norm: pre
          layer_norm_eps: 1.0e-5
          activation: gelu
          qkv_bias: true
          classifier_pool: MEAN_PADDED
          dropout_rate: 0.1
          attention_dropout_rate: 0.1
          tied_weights: false
          causal: false
          init: {linear: torch, token_deviation: 0.02, position_deviation: 0.02}
          mixer: {}
        train: {num_train_steps: 5000, batch_size: 32, accumulate: 4, random_seed: 0, \
        precision: float32, recompute: false}
        optimizer: {name: adamw, learning_rate: 1.0e-4, beta1: 0.9, beta2: 0.999, eps: 1.0e-6, \
        weight_decay: 0, no_decay: [norm, bias], grad_clip_norm: null}
        schedule: {factors: constant * one_cycle, warmup: 1000}
        eval: {eval_frequency: 50, num_eval_examples: all, select: accuracy, checkpoint_freq: 250}

        """)
  }

  @Test("a complete recipe from before beginnings were keys has those of that time")
  func olderRecipe() throws {
    let recipe = try RecipeRequest(task: "listops").resolve()
    let older = recipe.yaml.split(separator: "\n").filter { !$0.contains("init:") }
      .joined(separator: "\n")
    let initial = try Recipe(yaml: older).model.initial
    #expect(initial.linear == .xavier && initial.head == nil)
    #expect(initial.tokenDeviation == 1 && initial.positionDeviation == 0.02)
  }

  @Test("a beginning that cannot be is refused with what it may be")
  func beginnings() {
    for (setting, words) in [
      ("model.init.linear=orthogonal", "model.init.linear must be one of xavier, torch, lecun"),
      ("model.init.token_deviation=0", "must be a finite number above 0"),
      ("model.init.head=none", "must be one of xavier, torch, lecun, or null"),
      (
        "model.init.linears=xavier", "model.init.linears is unknown; did you mean model.init.linear"
      ),
      ("model.init=xavier", "model.init"),
    ] {
      var request = RecipeRequest(task: "listops")
      request.settings = [setting]
      let error = #expect(throws: TrainError.self) { try request.resolve() }
      #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
    }
  }

  @Test("the digest is the SHA-256 of the text")
  func digest() throws {
    #expect(
      Recipe().digestText == "86b68a19a1fe0ef3970b299a4d94edc9eaa5757b9d10a0b19b878c7644373a2c")
    #expect(Recipe().digest.count == 32)
  }

  @Test(
    "every protocol resolves for every task it names, and reads back equal",
    arguments: BuiltInRecipes.names, Recipe.tasks)
  func everyCombination(name: String, task: String) throws {
    var request = RecipeRequest(task: task)
    request.recipe = name
    let missing = ["demo": Set(Recipe.tasks).subtracting(["listops"]), "skyformer": ["pathx"]]
    if missing[name]?.contains(task) == true {
      #expect(throws: TrainError.self) { try request.resolve() }
      return
    }
    let recipe = try request.resolve()
    #expect(recipe.protocolName == name && recipe.task == task)
    #expect(try Recipe(yaml: recipe.yaml) == recipe)
    #expect(try Recipe(yaml: recipe.yaml).yaml == recipe.yaml)
    #expect(try Schedule(recipe).learningRate(at: 1) > 0)
  }

  @Test("overrides, the mechanism's own keys and odd values survive writing and reading")
  func overrides() throws {
    var request = RecipeRequest(task: "listops")
    request.model = "bigbird"
    request.seed = 3
    request.dataset = .init(name: "listops-64", maxLength: 64, named: false)
    request.settings = [
      "train.batch_size=16", "model.mixer.block_size=64", "optimizer.learning_rate=3e-4",
      "model.mixer.kind='softmax, exact: yes'", "model.mixer={num_random: 3, rate: 1e-9}",
      "optimizer.no_decay=[bias, norm, embedding]", "optimizer.grad_clip_norm=1",
      "eval.num_eval_examples=500", "schedule.factors=constant*rsqrt_decay",
      "optimizer.eps=0.00000012345678901234567",
    ]
    let recipe = try request.resolve()
    #expect(recipe.model.modelType == "bigbird" && recipe.train.randomSeed == 3)
    #expect(recipe.train.batchSize == 16 && recipe.optimizer.learningRate == 3e-4)
    #expect(recipe.data.dataset == "listops-64" && recipe.data.maxLength == 64)
    #expect(recipe.model.mixer["block_size"] == .integer(64))
    #expect(recipe.model.mixer["kind"] == .string("softmax, exact: yes"))
    #expect(recipe.model.mixer["num_random"] == .integer(3))
    #expect(recipe.optimizer.noDecay == ["norm", "bias", "embedding"])
    #expect(recipe.optimizer.gradClipNorm == 1 && recipe.eval.numEvalExamples == 500)
    #expect(recipe.schedule.factors == "constant * rsqrt_decay")
    #expect(try Recipe(yaml: recipe.yaml) == recipe)
    let (given, rest) = (
      #"block_size: 64, kind: "softmax, exact: yes", num_rand_blocks: 3, num_random: 3"#,
      "random_within: 0, rate: 1.0e-9"
    )
    #expect(recipe.yaml.contains("mixer: {\(given), \(rest)}"))
  }

  @Test("a resolved recipe has all of the model's own keys, so that the model can be built from it")
  func ownKeys() throws {
    for mechanism in mechanisms {
      var request = RecipeRequest(task: "text")
      request.model = mechanism.name
      request.recipe = "modern"  // which changes no flag of a mechanism
      request.settings = mechanism.name == "local" ? ["model.mixer.block_size=9"] : []
      let recipe = try request.resolve()
      // Flags that are off are left out.
      let written = try keys(of: mechanism.name).filter { $0.defaultValue != .bool(false) }
      #expect(recipe.model.mixer.keys.sorted() == written.map(\.name).sorted())
      if mechanism.name == "local" {
        #expect(recipe.yaml.contains("block_size: 9, blocks_after: 0, blocks_before: 0"))
      }
    }
  }

  @Test("a smaller batch is cut into fewer parts, unless the parts were asked for")
  func parts() throws {
    var request = RecipeRequest(task: "pathx")
    #expect(try request.resolve().train.accumulate > 1)
    request.settings = ["train.batch_size=1"]
    #expect(try request.resolve().train.accumulate == 1)
    request.settings += ["train.accumulate=2"]
    #expect(throws: TrainError.self) { try request.resolve() }
  }

  @Test(
    "one mistake is one sentence",
    arguments: [
      (
        "model.num_head=4", "recipe key model.num_head is unknown; did you mean model.num_heads?"
      ),
      (
        "model.batch_size=4",
        "recipe key model.batch_size is unknown; did you mean train.batch_size?"
      ),
      ("batch_size=4", "recipe key batch_size is unknown; did you mean train.batch_size?"),
      ("colour=red", "recipe key colour is unknown"),
      (
        "train.batch_size=-3",
        "recipe key train.batch_size must be a whole number of at least 1, found -3"
      ),
      (
        "train.batch_size=lots",
        "recipe key train.batch_size must be a whole number of at least 1, found lots"
      ),
      (
        "optimizer.learning_rate=nan",
        "recipe key optimizer.learning_rate must be a finite number above 0, found nan"
      ),
      (
        "optimizer.learning_rate=.inf",
        "recipe key optimizer.learning_rate must be a finite number above 0, found inf"
      ),
      (
        "data.prefetch=100000",
        "recipe key data.prefetch must be a whole number of at most 1024, found 100000"
      ),
      ("model.norm=mid", "recipe key model.norm must be one of pre, post, found mid"),
      (
        "model.dropout_rate=1",
        "recipe key model.dropout_rate must be a number of at least 0 and below 1, found 1"
      ),
      ("model.qkv_bias=yes", "recipe key model.qkv_bias must be true or false, found yes"),
      ("model.num_heads=3", "model.num_heads = 3 does not divide model.qkv_dim = 64"),
      ("train.accumulate=33", "train.accumulate = 33 is above train.batch_size = 32"),
      ("model=transformer", "recipe key model must hold keys of its own"),
      ("model.emb_dim={a: 1}", "recipe key model.emb_dim must be a value, found a mapping"),
      ("train.batch_size", "--set wants key=value, found train.batch_size"),
      ("train.batch_size={", "--set train.batch_size={: the value is not YAML"),
      (
        "schedule.factors=constant * cosine",
        "recipe key schedule.factors must be a product of constant, linear_warmup, rsqrt_decay, "
          + "rsqrt_normalized_decay, cosine_decay, cosine_annealing, linear_decay, one_cycle, "
          + "found constant * cosine"
      ),
    ])
  func oneMistake(setting: String, message: String) throws {
    var request = RecipeRequest(task: "listops")
    request.settings = [setting]
    let error = #expect(throws: TrainError.self) { try request.resolve() }
    #expect(error?.message == message)
    #expect(error?.code == .usage && error?.code.exitCode == 64)
  }

  @Test("all mistakes are reported at once")
  func allMistakes() throws {
    var request = RecipeRequest(task: "listops")
    request.settings = ["model.num_head=4", "train.batch_size=0", "model.num_heads=5"]
    let error = #expect(throws: TrainError.self) { try request.resolve() }
    #expect(
      error?.message == """
        recipe key model.num_head is unknown; did you mean model.num_heads?
        recipe key train.batch_size must be a whole number of at least 1, found 0
        model.num_heads = 5 does not divide model.qkv_dim = 64
        """)
  }

  @Test("unknown protocols and tasks are named with what exists")
  func unknownNames() throws {
    var request = RecipeRequest(task: "listops")
    request.recipe = "tiny"
    #expect(throws: TrainError.recipe([.unknownProtocol("tiny", BuiltInRecipes.names)])) {
      try request.resolve()
    }
    #expect(
      RecipeProblem.unknownProtocol("tiny", BuiltInRecipes.names).message
        == "recipe tiny is neither a file nor one of demo, modern, paper, published, released, "
        + "skyformer, small"
    )
    let error = #expect(throws: TrainError.self) { try RecipeRequest(task: "chess").resolve() }
    #expect(
      error?.message
        == "task chess is not one of listops, text, retrieval, image, pathfinder, pathx")
  }

  @Test("a complete recipe must have every key, and each only once")
  func completeness() throws {
    let lines = Recipe().yaml.split(separator: "\n")
    let without = lines.filter { !$0.contains("emb_dim") }.joined(separator: "\n")
    let error = #expect(throws: TrainError.self) { try Recipe(yaml: without) }
    #expect(error?.message == "recipe key model.emb_dim is missing")
    let twice = Recipe().yaml + "task: listops\n"
    let again = #expect(throws: TrainError.self) { try Recipe(yaml: twice) }
    #expect(again?.message == "recipe key task is given twice (line 2)")
    let torn = #expect(throws: TrainError.self) {
      try Recipe(yaml: "data: {a: 1\nb: [", name: "x.yaml")
    }
    #expect(torn?.code == .malformed && torn?.message.hasPrefix("x.yaml:") == true)
  }

  @Test("a recipe file leaves out what its protocol says; options and --set win over it")
  func recipeFile() throws {
    let path = NSTemporaryDirectory() + "recipe-\(UUID().uuidString).yaml"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try "task: listops\nprotocol: demo\nmodel: {num_layers: 3}\ndata: {dataset: mine}\n"
      .write(toFile: path, atomically: true, encoding: .utf8)
    var request = RecipeRequest()
    request.recipe = path
    request.dataset = .init(name: "listops-64", maxLength: 50, named: false)
    var recipe = try request.resolve()
    #expect(recipe.protocolName == "demo" && recipe.model.numLayers == 3)
    #expect(recipe.data.dataset == "mine" && recipe.data.maxLength == 50)
    request.dataset?.named = true
    request.settings = ["model.num_layers=5"]
    recipe = try request.resolve()
    #expect(recipe.data.dataset == "listops-64" && recipe.model.numLayers == 5)
    try recipe.yaml.write(toFile: path, atomically: true, encoding: .utf8)
    request = RecipeRequest(task: "listops")
    request.recipe = path
    #expect(try request.resolve() == recipe)
  }

  @Test("another recipe is refused with the keys that differ")
  func differences() throws {
    var now = Recipe()
    now.train.batchSize = 16
    now.model.mixer["block_size"] = .integer(64)
    #expect(
      Recipe().differences(to: now)
        == ["train.batch_size: 32, now 16", "model.mixer.block_size: unset, now 64"])
    let error = #expect(throws: TrainError.self) {
      try Recipe().requireEqual(to: now, path: "runs/a")
    }
    #expect(error?.code.exitCode == 7)
    #expect(
      error?.message == """
        runs/a was trained with another recipe:
          train.batch_size: 32, now 16
          model.mixer.block_size: unset, now 64
        """)
  }

  @Test("numbers are written with all digits and read as numbers by YAML 1.1 readers")
  func numbers() {
    let texts: [(Double, String)] = [
      (1e-4, "1.0e-4"), (0.05, "0.05"), (0, "0"), (1, "1"), (1e-9, "1.0e-9"),
      (0.1 + 0.2, "0.30000000000000004"),
      (1.25e-5, "1.25e-5"), (0.00012, "1.2e-4"), (0.001, "0.001"), (1e20, "1.0e+20"),
      (-2.5e-7, "-2.5e-7"),
    ]
    for (number, text) in texts {
      #expect(RecipeScalar.number(number).yaml == text)
      #expect(RecipeScalar(plain: text).number == number)
    }
  }

  @Test("a damaged recipe is an error in words, never a crash")
  func damaged() throws {
    let original = [UInt8](Recipe().yaml.utf8)
    var state: UInt64 = 1
    func random(_ count: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % count
    }
    for _ in 0..<3000 {
      var bytes = original
      for _ in 0...random(4) {
        let place = random(bytes.count)
        switch random(4) {
        case 0: bytes[place] = UInt8(random(256))
        case 1: bytes.remove(at: place)
        case 2:
          bytes.insert(
            contentsOf: "{[:,&*!|>'\"%@-9e\n\t ".utf8.dropFirst(random(18)).prefix(1), at: place)
        default: bytes.removeSubrange(place..<min(place + random(40), bytes.count))
        }
      }
      do {
        let recipe = try Recipe(yaml: String(decoding: bytes, as: UTF8.self))
        #expect(try Recipe(yaml: recipe.yaml) == recipe)
      } catch let error as TrainError {
        #expect(error.code == .usage || error.code == .malformed)
        #expect(!error.message.isEmpty)
      }
    }
  }
}
