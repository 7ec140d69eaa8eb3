import Datasets
import Foundation

/// A checkpoint's score.
public struct Score: Codable, Sendable, Equatable {
  /// The checkpoint's step.
  public var step: Int
  /// Share of right predictions on the validation split; nil when that step was not evaluated.
  @OrNull public var validation: Double?
  /// Share of right predictions on the test split.
  public var test: Double
  /// Mean cross entropy on the test split, in nats.
  public var loss: Double
  /// The 95 % interval of `test` (Wilson 1927): low, high.
  public var ci95: [Double]
}

struct TestScore {
  let step: Int
  let test: Evaluation
  var strata: [Stratum]?
  var mcnemar: PairedTest?

  func score(validation: Double?) -> Score {
    let interval = test.accuracy.interval
    return Score(
      step: step, validation: validation, test: test.accuracy.value, loss: test.loss,
      ci95: [interval.lowerBound, interval.upperBound])
  }
}

/// What trivial rules reach, as shares of right predictions.
public struct BaselineScores: Codable, Sendable, Equatable {
  /// Always the most frequent class.
  public var majority: Double
  /// The most frequent class of the first token; nil where it means nothing.
  @OrNull public var firstToken: Double? = nil

  init(majority: Double) { self.majority = majority }

  init(_ rules: [DatasetStatistics.Baseline]) {
    majority = rules.first { $0.name == "majority" }?.accuracy ?? 0
    firstToken = rules.first { $0.name == "first_token" }?.accuracy
  }
}

/// How a run ended: the object that `lra-train --json` prints, and `result.json` in the run's
/// folder.
public struct RunResult: RunFile, Sendable, Equatable {
  /// `result.json`.
  public static let fileName = "result.json"

  /// The run's folder.
  public var run: String
  /// `finished` or `plateau`.
  public var state: RunRecord.State
  /// Steps done.
  public var step: Int
  /// The seed.
  public var seed: Int
  /// How many values are trained.
  public var parameters: Int
  /// How many of them are not zero in `best`; nil when no weights were taken out.
  public var nonzeroParameters: Int?
  /// The checkpoint with the best validation accuracy, tested.
  public var best: Score
  /// The last checkpoint, tested.
  public var last: Score
  /// What trivial rules reach on the test split.
  public var baselines: BaselineScores
  /// `best` against the first-token rule on the test split, example by example; nil for other tasks
  /// than ListOps.
  public var mcnemar: [PairedTest]?
  /// The accuracy of `best` on the test split by length, depth or touching targets; nil where there is
  /// nothing to tell apart.
  public var strata: [Stratum]?
  /// Steps per second of training in this process, evaluations apart.
  public var stepsPerS: Double
  /// Share of training time spent waiting for data.
  public var wait: Double
  /// Peak resident memory above what the process held before the model was built.
  public var peakBytes: Int
  /// SHA-256 of the resolved recipe.
  public var recipeDigest: String
  /// Content digest of the data.
  public var dataDigest: String
  /// What the majority class reaches on the validation split, the bar for leaving the plateau; not
  /// printed, so nil in a result that was read.
  public var validationMajority: Double?

  enum CodingKeys: String, CodingKey {
    case run, state, step, seed, parameters, nonzeroParameters, best, last, baselines, stepsPerS
    case wait, peakBytes, recipeDigest, dataDigest, mcnemar, strata
  }

  init(
    run: String, state: RunRecord.State, step: Int, seed: Int, parameters: Int,
    nonzeroParameters: Int?, best: Score, last: Score,
    baselines: BaselineScores, mcnemar: [PairedTest]?, strata: [Stratum]?, stepsPerSecond: Double,
    wait: Double,
    peakBytes: Int,
    recipeDigest: String,
    dataDigest: String, validationMajority: Double
  ) {
    self.run = run
    self.state = state
    self.step = step
    self.seed = seed
    self.parameters = parameters
    self.nonzeroParameters = nonzeroParameters
    self.best = best
    self.last = last
    self.baselines = baselines
    self.mcnemar = mcnemar
    self.strata = strata
    stepsPerS = stepsPerSecond
    self.wait = wait
    self.peakBytes = peakBytes
    self.recipeDigest = recipeDigest
    self.dataDigest = dataDigest
    self.validationMajority = validationMajority
  }

  /// What is to be said of a run that stayed on its plateau; nil of one that finished.
  public var plateau: TrainError? {
    guard state == .plateau else { return nil }
    return .plateau(
      run, best: percent(best.validation ?? 0), majority: validationMajority.map(percent))
  }
}

extension RunFolder {
  /// The result of a recipe that has done all its steps, nil of one that has not.
  ///
  /// - Throws: `configurationDiffers` when the dataset of the database is not what the run was made with,
  ///   `usage` when it holds none of that name.
  public func result(of recipe: Recipe, in database: String) throws -> RunResult? {
    guard let result = RunResult.read(self), result.step == recipe.train.numTrainSteps else {
      return nil
    }
    let held = try DatasetStore(at: database).datasets()
    guard let dataset = held.first(where: { $0.name == recipe.data.dataset }) else {
      throw TrainError.noDataset(recipe.data.dataset, in: database, held: held.map(\.name))
    }
    try require(data: dataset.contentDigest ?? "", dataset: dataset.name)
    indexIfMissing(in: database)
    return result
  }
}

/// A share as a percentage with one digit.
func percent(_ share: Double) -> String { String(format: "%.1f %%", share * 100) }
