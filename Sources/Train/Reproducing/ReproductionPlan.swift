import Attention
import Datasets

/// What reruns a published table on a database: a sweep whose runs have a value to reach.
///
/// A run counts for a value only when its recipe is the one that the table's file resolves to, seed
/// apart, and its data is that of the dataset.
public struct ReproductionPlan: Sendable {
  /// What a user asks for.
  public struct Request: Sendable {
    /// The database.
    public var database: String
    /// The table.
    public var reproduction: Reproduction
    /// Its tasks; nil for all.
    public var tasks: [String]?
    /// Its models; nil for all.
    public var models: [String]?
    /// Seeds 0..<seeds, 1...1000; nil for as many as the table's file says.
    public var seeds: Int?
    /// Datasets that take the place of the usual ones of their tasks.
    public var datasets: [String] = []
    /// Overrides for all runs.
    public var settings: [String] = []
    /// The folder of runs.
    public var out = "runs"

    /// All of a table.
    public init(_ reproduction: Reproduction, database: String) {
      self.reproduction = reproduction
      self.database = database
    }
  }

  /// A value and what reruns it.
  struct Row: Sendable {
    let facts: ReproductionRow.Facts
    /// Empty when it cannot be run.
    let trials: [Sweep.Trial]
    /// The content digest of its dataset; nil when it is not there.
    let digest: String?
  }

  /// The table.
  public let reproduction: Reproduction
  /// How many seeds rerun it.
  public let seeds: Int
  /// All runs as a sweep, one seed of every value before a second one; nil when nothing can be run.
  public let sweep: Sweep?
  let rows: [Row]

  /// Resolves every recipe before anything is trained.
  ///
  /// - Throws: `usage` for a task or model that the table does not have, a protocol or recipe that
  ///   cannot be resolved, or a dataset that is named and not there; what reading the database throws.
  public init(_ request: Request) throws {
    let table = request.reproduction
    guard table.efficiency == nil else { throw TrainError.needsBench(table.name) }
    seeds = request.seeds ?? table.seeds
    guard (1...1000).contains(seeds) else { throw TrainError.badSeeds(seeds) }
    for (option, words, known) in [
      ("--only", request.tasks, table.tasks.map(\.task)),
      ("--models", request.models, table.modelNames),
    ] {
      for word in words ?? [] where !known.contains(word) {
        throw TrainError.notInReproduction(option, word, table.name, known)
      }
    }
    let chosen = try ReproductionPlan.datasets(request)
    let held = try DatasetStore(at: request.database).datasets()
    var rows: [Row] = []
    for part in table.tasks where request.tasks?.contains(part.task) != false {
      let usual = TaskDescription.named(part.task)?.canonicalDataset ?? part.task
      let dataset = chosen[part.task] ?? part.dataset ?? usual
      let found = try ReproductionPlan.find(dataset, part.task, held, request.database)
      for model in table.modelNames where request.models?.contains(model) != false {
        guard let value = table.value(model, part.task) else { continue }
        rows.append(
          try Row(value, part, (dataset, usual), found, seeds: seeds, request))
      }
    }
    self.rows = rows
    reproduction = table
    let trials = rows.flatMap(\.trials)
    sweep = trials.isEmpty ? nil : Sweep(trials, perModel: seeds)
  }

  /// The datasets that the user named, by task.
  private static func datasets(_ request: Request) throws -> [String: String] {
    var chosen: [String: String] = [:]
    for name in request.datasets {
      let task = try DatasetChoice.choose(
        from: request.database, task: nil, dataset: name
      ).task
      guard chosen[task] == nil, request.reproduction.tasks.contains(where: { $0.task == task })
      else {
        throw TrainError.datasetNotInReproduction(name, task: task, request.reproduction.name)
      }
      chosen[task] = name
    }
    return chosen
  }

  /// A dataset of a database, or why a table cannot be rerun on it.
  struct Found {
    var choice: RecipeRequest.Dataset?
    var testExamples: Int?
    var digest: String?
    var reason: String?
  }

  private static func find(
    _ name: String, _ task: String, _ held: [DatasetSummary], _ database: String
  ) throws -> Found {
    guard let summary = held.first(where: { $0.name == name }) else {
      return Found(reason: "no dataset \(name) in \(database)")
    }
    guard summary.complete else {
      return Found(reason: "dataset \(name) in \(database) is incomplete")
    }
    let choice = try DatasetChoice.choose(from: database, task: task, dataset: name).dataset
    return Found(
      choice: choice, testExamples: summary.splits.first { $0.name == "test" }?.count,
      digest: summary.contentDigest)
  }

  /// Every value with the runs that there are.
  ///
  /// - Parameter runs: how runs stand; what is not among them is read from its folder.
  public func table(_ runs: [SweepRun] = []) -> [ReproductionRow] {
    rows.map { row in
      var facts = row.facts
      var baselines: BaselineScores?
      let own = row.trials.map { trial in
        let run = runs.first { $0.run == trial.folder.path } ?? trial.status()
        let result = run.test == nil ? nil : RunResult.read(trial.folder)
        if let result, result.dataDigest != row.digest {
          facts.reason = "\(run.run) was made from other data named \(facts.dataset)"
        }
        baselines = baselines ?? result?.baselines
        return ReproductionRow.Run(
          seed: trial.seed, state: run.state, test: run.test, run: run.run)
      }
      return ReproductionRow(facts, own, baselines: baselines)
    }
  }

  /// Refuses a plan of which nothing can be run.
  ///
  /// - Throws: `usage`, naming the datasets that are wanted.
  public func requireRuns(in database: String) throws -> Sweep {
    if let sweep { return sweep }
    let datasets = rows.map(\.facts.dataset).uniqued()
    throw TrainError.nothingToReproduce(reproduction.name, datasets, in: database)
  }
}

extension ReproductionPlan.Row {
  /// Resolves the recipe of a value; a model that refuses it makes a row that cannot be run.
  fileprivate init(
    _ value: Reproduction.Value, _ part: Reproduction.TaskPart,
    _ dataset: (name: String, usual: String), _ found: ReproductionPlan.Found, seeds: Int,
    _ request: ReproductionPlan.Request
  ) throws {
    let table = request.reproduction
    var wanted = RecipeRequest(task: part.task)
    wanted.recipe = table.protocolName
    wanted.model = value.model
    let published = try part.steps ?? wanted.resolve().train.numTrainSteps
    wanted.dataset = found.choice
    wanted.settings = table.settings(value.model, part) + request.settings
    wanted.seed = 0
    let recipe = try wanted.resolve()
    guard recipe.train.randomSeed == 0 else { throw TrainError.seedIsSet }
    var reason = found.reason
    do {
      try recipe.check()
    } catch let error as AttentionError {
      reason = reason ?? error.message
    }
    let settings = wanted.settings
    trials = (0..<(reason == nil ? seeds : 0)).map { seed in
      var own = recipe
      own.train.randomSeed = seed
      return Sweep.Trial(
        task: part.task, dataset: dataset.name, model: value.model, seed: seed, point: settings,
        recipe: own, folder: RunFolder.of(own, under: request.out))
    }
    digest = found.digest
    facts = ReproductionRow.Facts(
      value: value, dataset: dataset.name, usualDataset: dataset.usual,
      steps: .init(ours: recipe.train.numTrainSteps, published: published),
      testExamples: .init(ours: found.testExamples, published: part.testExamples), seeds: seeds,
      publishedRuns: table.publishedRuns, settings: settings,
      overrides: request.settings.filter { !$0.hasPrefix("train.num_train_steps=") },
      reason: reason)
  }
}
