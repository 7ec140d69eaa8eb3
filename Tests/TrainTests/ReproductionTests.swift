import Attention
import Datasets
import Testing

@testable import Train

@Suite("published tables")
struct ReproductionTests {
  static let form = """
    reproduction: mine
    title: "a table"
    source: "a paper, table 1"
    certainty: read
    protocol: small
    seeds: 2
    settings: ["train.num_train_steps=3"]
    tasks:
      listops: {dataset: tiny, test_examples: 40, steps: 5000, differs: ["smaller"]}
      text: {test_examples: 25000, settings: ["train.batch_size=8"]}
    models:
      bigbird: {settings: ["model.num_layers=1"], differs: ["blocks"]}
    values:
      transformer: {listops: 37.10, text: {value: 65, source: "a letter", certainty: memory}}
      bigbird: {listops: 36}
    """

  @Test("every built-in file has its own name, a source, and values of every task that it names")
  func builtIn() {
    #expect(
      Reproduction.builtIn.map(\.name) == ["lra", "lra-efficiency", "nystromformer", "skyformer"])
    for table in Reproduction.builtIn where table.efficiency == nil {
      #expect(table.certainty == .read && table.source.contains("arXiv"))
      #expect(table.tasks.map(\.task).sorted() == Leaderboard.fiveTasks.sorted())
      #expect(table.values.count == table.modelNames.count * 5)
      #expect(table.values.allSatisfy { $0.certainty == .read && $0.source == table.source })
      #expect(table.values.allSatisfy { "\($0.share)".count <= 6 })
    }
  }

  @Test(
    "averages over the five tasks are those that the papers print",
    arguments: [
      ("lra", "transformer", 54.39), ("lra", "bigbird", 55.01), ("lra", "performer", 51.41),
      ("nystromformer", "transformer", 58.77), ("nystromformer", "reformer", 55.04),
      ("nystromformer", "linformer", 55.59), ("nystromformer", "performer", 53.63),
      ("nystromformer", "nystromformer", 58.95), ("skyformer", "transformer", 57.37),
      ("skyformer", "skyformer", 59.39), ("skyformer", "informer", 53.73),
      ("skyformer", "bigbird", 59.05), ("skyformer", "reformer", 58.99),
    ])
  func averages(table: String, model: String, average: Double) throws {
    let found = try Reproduction.open(table)
    let values = Leaderboard.fiveTasks.compactMap { found.value(model, $0)?.percent }
    #expect(values.count == 5 && abs(values.reduce(0, +) / 5 - average) < 0.011)
  }

  @Test("a file gives tasks, models and values, each value with its source and certainty")
  func parse() throws {
    let table = try Reproduction(yaml: Self.form, name: "mine.yaml")
    #expect(table.name == "mine" && table.protocolName == "small" && table.seeds == 2)
    #expect(table.publishedRuns == 1 && table.modelNames == ["transformer", "bigbird"])
    #expect(table.tasks.map(\.dataset) == ["tiny", nil])
    #expect(table.tasks.map(\.steps) == [5000, nil])
    let value = try #require(table.value("transformer", "text"))
    #expect(value.percent == 65 && value.source == "a letter" && value.certainty == .memory)
    #expect(table.value("transformer", "listops")?.certainty == .read)
    #expect(table.value("bigbird", "text") == nil)
    #expect(
      table.settings("bigbird", table.tasks[1]) == [
        "train.num_train_steps=3", "train.batch_size=8", "model.num_layers=1",
      ])
  }

  @Test(
    "a wrong key, model, task or value is an error that names the nearest",
    arguments: [
      ("seeds: 2", "seedz: 2", "key seedz is unknown; did you mean seeds?"),
      ("seeds: 2", "seeds: 0", "seeds must be a whole number of 1...1000"),
      ("steps: 5000", "step: 5000", "key tasks.listops.step is unknown; did you mean steps?"),
      ("test_examples: 40, ", "", "key tasks.listops.test_examples is missing"),
      (
        "  transformer: {", "  transfomer: {",
        "values.transfomer names no model; did you mean transformer?"
      ),
      ("  bigbird: {s", "  bigbrid: {s", "models.bigbrid names no model; did you mean bigbird?"),
      (
        "{listops: 36}", "{listop: 36}",
        "values.bigbird.listop names no task of the file; did you mean listops?"
      ),
      ("{listops: 36}", "{image: 36}", "values.bigbird.image names no task of the file"),
      (
        "{listops: 36}", "{listops: 136}",
        "values.bigbird.listops must be an accuracy in percent, 0...100"
      ),
      ("certainty: read", "certainty: sure", "certainty must be read or memory"),
      ("certainty: read\n", "", "key certainty is missing"),
      ("protocol: small\n", "", "key protocol is missing"),
      (
        "settings: [\"train.num_train_steps=3\"]", "settings: 3", "settings must be a list of texts"
      ),
    ])
  func mistakes(part: String, wrong: String, message: String) throws {
    let text = Self.form.replacing(part, with: wrong, maxReplacements: 1)
    #expect(text != Self.form)
    do {
      _ = try Reproduction(yaml: text, name: "mine.yaml")
      Issue.record("no error")
    } catch let error as TrainError {
      #expect(error.code == .usage)
      let first = error.message.split(separator: "\n").contains {
        $0.hasPrefix("mine.yaml: \(message)")
      }
      #expect(first, "\(error.message)")
    }
  }

  @Test("a name that is neither a table nor a file is an error that names the nearest")
  func unknown() {
    #expect(throws: TrainError.unknownReproduction("skyfromer", Reproduction.builtIn.map(\.name))) {
      try Reproduction.open("skyfromer")
    }
    let error = TrainError.unknownReproduction("skyfromer", Reproduction.builtIn.map(\.name))
    #expect(error.message.hasSuffix("did you mean skyformer?"), "\(error.message)")
  }

  @Test("the protocol of a built-in table fits every model of it and takes the published steps")
  func protocols() throws {
    let names = ["lra": "released", "nystromformer": "small"]
    for table in Reproduction.builtIn where BuiltInRecipes.names.contains(table.protocolName) {
      if let name = names[table.name] { #expect(table.protocolName == name) }
      for value in table.values {
        let part = try #require(table.tasks.first { $0.task == value.task })
        let recipe = try ProtocolTests.recipe(
          table.protocolName, value.task, value.model, table.settings(value.model, part))
        try recipe.check()
        #expect(recipe.train.numTrainSteps == part.steps, "\(table.name) \(value.task)")
      }
    }
  }

  @Test("the table of costs gives the paper's ratios")
  func efficiency() throws {
    let costs = try #require(try Reproduction.open("lra-efficiency").efficiency)
    #expect(costs.stepsPerSecond.count == 9 && costs.gigabytes.count == 9)
    #expect(costs.column(length: 4096) == 3 && costs.column(length: 4100) == nil)
    #expect(abs((Benchmark.paperRatio("performer", length: 4000) ?? 0) - 8.0 / 1.4) < 1e-9)
  }
}

@Suite("the plan of a reproduction")
struct ReproductionPlanTests {
  private func plan(
    _ run: TinyRun, _ change: (inout ReproductionPlan.Request) -> Void = { _ in }
  ) throws -> ReproductionPlan {
    let table = try Reproduction(yaml: ReproductionTests.form, name: "mine.yaml")
    var request = ReproductionPlan.Request(table, database: run.database)
    request.out = run.folder.file("runs")
    change(&request)
    return try ReproductionPlan(request)
  }

  @Test("a value has a run for each seed, where its dataset is there")
  func trials() throws {
    let run = try TinyRun()
    let plan = try plan(run)
    let sweep = try plan.requireRuns(in: run.database)
    #expect(sweep.trials.map(\.seed) == [0, 0, 1, 1])
    #expect(
      sweep.trials.map(\.model) == ["transformer", "bigbird", "transformer", "bigbird"])
    #expect(sweep.trials.map(\.recipe.train.randomSeed) == [0, 0, 1, 1])
    #expect(sweep.trials.map(\.recipe.model.numLayers) == [2, 1, 2, 1])
    #expect(sweep.trials.allSatisfy { $0.recipe.data.dataset == "tiny" })
    let rows = plan.table()
    #expect(
      rows.map(\.verdict) == [
        "not run: 2 of 2 runs unfinished", "not run: 2 of 2 runs unfinished",
        "not run: no dataset text in \(run.database)",
      ])
  }

  @Test("only what was asked for is planned, and what the table lacks is an error")
  func choice() throws {
    let run = try TinyRun()
    let one = try plan(run) {
      $0.tasks = ["listops"]
      $0.models = ["bigbird"]
      $0.seeds = 1
      $0.settings = ["train.num_train_steps=7", "train.batch_size=4"]
    }
    #expect(one.rows.count == 1 && one.sweep?.trials.count == 1)
    #expect(one.table()[0].steps == .init(ours: 7, published: 5000))
    #expect(one.rows[0].facts.overrides == ["train.batch_size=4"])
    for (change, message): ((inout ReproductionPlan.Request) -> Void, String) in [
      ({ $0.tasks = ["listop"] }, "--only listop: mine has listops, text; did you mean listops?"),
      ({ $0.models = ["fnet"] }, "--models fnet: mine has transformer, bigbird"),
      ({ $0.seeds = 0 }, "--seeds is 0; 1...1000 allowed"),
      ({ $0.settings = ["train.random_seed=3"] }, "train.random_seed cannot be set"),
    ] {
      do {
        _ = try plan(run, change)
        Issue.record("no error: \(message)")
      } catch let error as TrainError {
        #expect(error.code == .usage && error.message.hasPrefix(message), "\(error.message)")
      }
    }
  }

  @Test("a protocol that does not exist is the error of recipes")
  func unknownProtocol() throws {
    let run = try TinyRun()
    let text = ReproductionTests.form.replacing("protocol: small", with: "protocol: smal")
    let table = try Reproduction(yaml: text, name: "mine.yaml")
    let error = TrainError.recipe([.unknownProtocol("smal", BuiltInRecipes.names)])
    #expect(throws: error) { try ReproductionPlan(.init(table, database: run.database)) }
  }

  @Test("a run counts only with the recipe and the data of its row")
  func matching() throws {
    let run = try TinyRun()
    let trial = try #require(try plan(run).sweep?.trials.first)
    func save(recipe: String, data: String) throws {
      let score = Score(step: 3, validation: 0.3, test: 0.4, loss: 1, ci95: [0.3, 0.5])
      try Publication.makeFolder(trial.folder.path)
      try RunResult(
        run: trial.folder.path, state: .finished, step: 3, seed: 0, parameters: 1,
        nonzeroParameters: nil, best: score, last: score, baselines: .init(majority: 0.2),
        mcnemar: nil, strata: nil, stepsPerSecond: 1, wait: 0, peakBytes: 1, recipeDigest: recipe,
        dataDigest: data, validationMajority: 0.2
      ).save(in: trial.folder)
    }
    let digest = try #require(
      try DatasetStore(at: run.database).datasets().first?.contentDigest)
    try save(recipe: "another", data: digest)
    #expect(try plan(run).table()[0].ours == nil)
    try save(recipe: trial.recipe.digestText, data: "another")
    let other = try plan(run).table()[0]
    #expect(other.ours == nil && other.verdict.hasSuffix("was made from other data named tiny"))
    try save(recipe: trial.recipe.digestText, data: digest)
    let row = try plan(run).table()[0]
    #expect(row.ours?.mean == 0.4 && row.ours?.seeds == 1 && row.baselines?.majority == 0.2)
    #expect(row.runs.map(\.state) == [.finished, .waiting])
    #expect(try plan(run) { $0.settings = ["train.batch_size=4"] }.table()[0].ours == nil)
  }
}
