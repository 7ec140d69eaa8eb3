import Attention
import Datasets
import Foundation

/// What a sweep does: every task, model, grid point and seed once.
///
/// Every model gets the same number of trials, and among them one is selected by validation accuracy;
/// the test split decides nothing. What was done before, by this command or by `train`, is not done
/// again.
public struct Sweep: Sendable {
  /// What a user asks for.
  public struct Request: Sendable {
    /// The database.
    public var database: String
    /// Tasks; nil for all that the database holds.
    public var tasks: [String]?
    /// The dataset, of one task; nil for the usual one of every task.
    public var dataset: String?
    /// Models; nil for all.
    public var models: [String]?
    /// Seeds 0..<seeds, at least 1.
    public var seeds = 1
    /// Keys with values to try, each `key=a,b`.
    public var grid: [String] = []
    /// A protocol or a recipe file.
    public var recipe = "small"
    /// Overrides for all runs.
    public var settings: [String] = []
    /// The folder of runs.
    public var out = "runs"

    /// All tasks and models of a database.
    public init(database: String) { self.database = database }
  }

  /// One run of the sweep.
  public struct Trial: Sendable {
    /// The task.
    public let task: String
    /// The dataset.
    public let dataset: String
    /// The model.
    public let model: String
    /// The seed.
    public let seed: Int
    /// The grid point, each `key=value`.
    public let point: [String]
    /// What is trained.
    public let recipe: Recipe
    /// The run's folder.
    public let folder: RunFolder
  }

  /// A model that a task cannot have, and why.
  public struct Unfit: Sendable {
    /// The task.
    public let task: String
    /// The model.
    public let model: String
    /// Why.
    public let reason: String
  }

  /// The runs, seed by seed, so that every model is trained once before one is trained twice.
  public let trials: [Trial]
  /// Models that were left out: `all` names more than fit every recipe.
  public let unfit: [Unfit]
  /// LRA's tasks that the database holds no dataset of.
  public let withoutDataset: [String]
  /// Trials that every model gets for a task: grid points times seeds.
  public let trialsPerModel: Int

  /// Resolves every recipe before anything is trained.
  ///
  /// - Throws: `usage` for a task without a dataset that was named, an unknown model, a recipe that
  ///   cannot be resolved, or a grid that is none; `configurationDiffers` for a run of other data.
  public init(_ request: Request) throws {
    guard request.seeds >= 1, request.seeds <= 1000 else {
      throw TrainError.badSeeds(request.seeds)
    }
    let points = try Sweep.points(of: request.grid)
    trialsPerModel = points.count * request.seeds
    let (tasks, without) = try Sweep.tasks(of: request)
    withoutDataset = without
    let models = request.models ?? mechanisms.map(\.name)
    var trials: [Trial] = []
    var unfit: [Unfit] = []
    for task in tasks {
      let choice = try DatasetChoice.choose(
        from: request.database, task: task, dataset: request.dataset)
      for model in models {
        do {
          trials += try Sweep.trials(request, choice, model, points)
        } catch let error as AttentionError where request.models == nil {
          unfit.append(Unfit(task: task, model: model, reason: error.message))
        }
      }
    }
    guard !trials.isEmpty else { throw TrainError.nothingToSweep(unfit.first?.reason) }
    var seen: Set<String> = []
    for trial in trials where !seen.insert(trial.folder.path).inserted {
      throw TrainError.gridRepeats(trial.point)
    }
    let digests = try DatasetStore(at: request.database).datasets()
      .reduce(into: [:]) { $0[$1.name] = $1.contentDigest }
    for trial in trials {
      try trial.folder.require(data: digests[trial.dataset] ?? "", dataset: trial.dataset)
    }
    self.trials = Sweep.seedBySeed(trials)
    self.unfit = unfit
  }

  /// A sweep of trials that were resolved before.
  ///
  /// - Parameter perModel: trials that every model gets for a task.
  init(_ trials: [Trial], perModel: Int) {
    self.trials = Sweep.seedBySeed(trials)
    (unfit, withoutDataset, trialsPerModel) = ([], [], perModel)
  }

  private static func seedBySeed(_ trials: [Trial]) -> [Trial] {
    trials.enumerated().sorted {
      ($0.element.seed, $0.offset) < ($1.element.seed, $1.offset)
    }.map(\.element)
  }

  /// The tasks that are trained, and LRA's tasks that `all` cannot mean for want of data.
  private static func tasks(of request: Request) throws -> (tasks: [String], without: [String]) {
    let held = try DatasetStore(at: request.database).datasets().map(\.task)
    if held.isEmpty { throw TrainError.emptyDatabase(request.database) }
    if let tasks = request.tasks {
      guard request.dataset == nil || tasks.count == 1 else { throw TrainError.oneTaskForDataset }
      return (tasks, [])
    }
    if let dataset = request.dataset {
      let chosen = try DatasetChoice.choose(from: request.database, task: nil, dataset: dataset)
      return ([chosen.task], [])
    }
    var own: [String] = []
    for task in held where !Recipe.tasks.contains(task) && !own.contains(task) { own.append(task) }
    return (
      (Recipe.tasks + own).filter { held.contains($0) }, Recipe.tasks.filter { !held.contains($0) }
    )
  }

  private static func trials(
    _ request: Request, _ choice: (task: String, dataset: RecipeRequest.Dataset), _ model: String,
    _ points: [[String]]
  ) throws -> [Trial] {
    var trials: [Trial] = []
    for point in points {
      for seed in 0..<request.seeds {
        var wanted = RecipeRequest(task: choice.task)
        wanted.dataset = choice.dataset
        wanted.recipe = request.recipe
        wanted.model = model
        wanted.seed = seed
        wanted.settings = request.settings + point
        let recipe = try wanted.resolve()
        try recipe.check()
        trials.append(
          Trial(
            task: choice.task, dataset: recipe.data.dataset, model: model, seed: seed,
            point: point, recipe: recipe,
            folder: RunFolder.of(recipe, under: request.out)))
      }
    }
    return trials
  }

  /// All combinations of the grid's values; one empty one without a grid.
  static func points(of grid: [String]) throws -> [[String]] {
    var points: [[String]] = [[]]
    for axis in grid {
      let parts = axis.split(separator: "=", maxSplits: 1)
      guard parts.count == 2, !parts[0].isEmpty else { throw TrainError.badGrid(axis) }
      let values = Sweep.values(of: parts[1])
      guard !values.contains(""), Set(values).count == values.count else {
        throw TrainError.badGrid(axis)
      }
      points = points.flatMap { point in values.map { point + ["\(parts[0])=\($0)"] } }
      guard points.count <= 10_000 else { throw TrainError.badGrid(axis) }
    }
    return points
  }

  /// The values of an axis, cut at commas outside brackets.
  private static func values(of text: Substring) -> [String] {
    var values = [""]
    var depth = 0
    for letter in text {
      depth += "[{".contains(letter) ? 1 : "]}".contains(letter) ? -1 : 0
      if letter == ",", depth == 0 {
        values.append("")
      } else {
        values[values.count - 1].append(letter)
      }
    }
    return values.map { $0.trimmingCharacters(in: .whitespaces) }
  }
}
