import Datasets
import Foundation
import Tensors

/// A run on the disk: evaluated, used for predictions, or trained on.
public struct Run {
  /// Its folder.
  public let folder: RunFolder
  /// Its recipe.
  public let recipe: Recipe

  /// Opens a run by its folder.
  ///
  /// - Parameter note: hears of keys under the name that they had in an earlier version.
  /// - Throws: `usage` when the folder holds no recipe.
  public init(_ path: String, note: (String) -> Void = { _ in }) throws {
    folder = try RunFolder.open(path)
    recipe = try folder.recipe(note: note)
    if RunIdentity.read(folder)?.isIndexed == false { folder.index() }
  }

  /// The database to look at: the one that is named, else the one the run was made from, or one of its
  /// name beside the run or the run's folder.
  ///
  /// - Throws: `usage` when it is in none of these places.
  public func database(_ named: String?) throws -> String {
    if let named { return named }
    guard let own = RunIdentity.read(folder)?.database else { return "data.sqlite" }
    let name = (own as NSString).lastPathComponent
    let places = [
      own, "\(folder.path)/\(name)", "\(folder.path)/../\(name)", "\(folder.path)/../../\(name)",
    ]
    guard let found = places.first(where: { FileManager.default.fileExists(atPath: $0) }) else {
      throw TrainError.noDatabase(folder.path, own)
    }
    return found
  }

  /// The same run with another number of steps; the folder's recipe is replaced.
  ///
  /// - Throws: `usage` when so many steps are done already.
  public func extended(to steps: Int) throws -> Run {
    let done = folder.checkpointSteps().last ?? 0
    guard steps > done else { throw TrainError.tooFewSteps(steps, done: done) }
    var recipe = recipe
    recipe.train.numTrainSteps = steps
    try Publication.publish(folder.recipePath) { try $0.write(Array(recipe.yaml.utf8)) }
    return Run(folder: folder, recipe: recipe)
  }

  private init(folder: RunFolder, recipe: Recipe) {
    self.folder = folder
    self.recipe = recipe
  }

  /// Opens a checkpoint by name: `best`, `last` or a step.
  ///
  /// - Throws: `usage` for a name it does not have; `checksumMismatch` for damage.
  public func checkpoint(_ name: String) throws -> Checkpoint {
    let steps = folder.checkpointSteps()
    guard let last = steps.last else { throw TrainError.noCheckpoint(folder.path) }
    let newest = try Checkpoint.open(folder, step: last)
    if name == "last" { return newest }
    let step = name == "best" ? newest.state.best?.step ?? last : Int(name)
    guard let step, steps.contains(step) else {
      throw TrainError.unknownCheckpoint(name, folder.path, known: steps)
    }
    return step == last ? newest : try Checkpoint.open(folder, step: step)
  }

  /// What `eval` prints.
  public struct Report: Encodable, Sendable {
    /// The split.
    public var split: String
    /// The checkpoint's step.
    public var step: Int
    /// Examples.
    public var n: Int
    /// Share of right predictions.
    public var accuracy: Double
    /// Its 95 % interval (Wilson 1927): low, high.
    public var ci95: [Double]
    /// Mean cross entropy, in nats.
    public var loss: Double
    /// What trivial rules reach on the split.
    public var baselines: BaselineScores
    /// Exact paired tests against the first-token rule (ListOps) and another run; nil without either.
    public var mcnemar: [PairedTest]?
    /// The same accuracy by length, depth or touching targets; nil where there is nothing to tell apart.
    public var strata: [Stratum]?
    /// Examples per second of the evaluation, reading included; nil for predictions from elsewhere.
    public var examplesPerS: Double?

    enum CodingKeys: CodingKey {
      case split, n, accuracy, ci95, loss, baselines, mcnemar, strata, examplesPerS
    }
  }

  /// Evaluates a checkpoint on a split.
  ///
  /// - Parameters:
  ///   - database: holds the dataset the run was trained on.
  ///   - dataset: another dataset to evaluate on; nil for the run's own.
  ///   - other: a run whose best checkpoint is asked about the same examples.
  ///   - batchSize: examples per batch; nil takes the recipe's.
  /// - Throws: `usage` for a dataset or a run that does not fit, and for a split without labels;
  ///   `configurationDiffers` for other data than the runs were made with.
  public func evaluate(
    checkpoint name: String, split: String, database: String, dataset: String? = nil,
    against other: Run? = nil, batchSize: Int? = nil, device: Device
  ) throws -> Report {
    let (runner, data, step) = try prepared(name, database, dataset, device)
    let source = try data.split(split)
    guard !source.labels.contains(where: { $0 < 0 }) else {
      throw TrainError.unlabelled(source.dataset, split)
    }
    var right = RightPredictions(source)
    let clock = ContinuousClock.now
    let evaluation = try runner.evaluate(
      source, batchSize: batchSize, collect: { right.add($0, $1) })
    guard let found = evaluation else { throw TrainError.noCheckpoint(folder.path) }
    let seconds = (ContinuousClock.now - clock).seconds
    var tests = [try data.pairedTest(right, on: source)].compactMap { $0 }
    if let other {
      if dataset == nil, let own = folder.dataDigest() {
        try other.folder.require(data: own, dataset: recipe.data.dataset)
      }
      let others = try other.rightPredictions(
        on: source, like: recipe, database: database,
        dataset: dataset ?? recipe.data.dataset, device: device)
      tests.append(
        PairedTest(against: other.folder.path, model: right.right, other: others.right))
    }
    let interval = found.accuracy.interval
    return Report(
      split: split, step: step, n: found.accuracy.count, accuracy: found.accuracy.value,
      ci95: [interval.lowerBound, interval.upperBound], loss: found.loss,
      baselines: try data.baselines(on: source), mcnemar: tests.isEmpty ? nil : tests,
      strata: try right.strata(), examplesPerS: Double(found.accuracy.count) / seconds)
  }

  /// Which examples the best checkpoint gets right, for a comparison with a run of a recipe.
  ///
  /// - Throws: `usage` for a run of another task.
  private func rightPredictions(
    on source: SplitReader, like first: Recipe, database: String, dataset: String, device: Device
  ) throws -> RightPredictions {
    guard recipe.task == first.task,
      recipe.modelConfiguration.numClasses == first.modelConfiguration.numClasses
    else { throw TrainError.otherTask(folder.path, recipe.task, than: first.task) }
    let (runner, _, _) = try prepared("best", database, dataset, device)
    var right = RightPredictions(source)
    _ = try runner.evaluate(source, collect: { right.add($0, $1) })
    return right
  }

  /// What `predict` prints.
  public struct Prediction: Codable, Sendable {
    /// The file.
    public var out: String
    /// Examples, classes.
    public var shape: [Int]
    /// SHA-256 of the file, in hexadecimal.
    public var digest: String
  }

  /// Writes a checkpoint's logits on a split as an npy file, float32 [examples, classes], by
  /// position.
  public func predict(
    checkpoint name: String, split: String, to path: String, database: String,
    batchSize: Int? = nil, device: Device
  ) throws -> Prediction {
    let (runner, data, _) = try prepared(name, database, nil, device)
    let source = try data.split(split)
    let classes = recipe.modelConfiguration.numClasses
    var logits = [Float](repeating: 0, count: source.count * classes)
    _ = try runner.evaluate(
      source, batchSize: batchSize,
      collect: { positions, values in
        for (row, position) in positions.enumerated() {
          for label in 0..<classes {
            logits[position * classes + label] = values[row * classes + label]
          }
        }
      })
    let published = try Publication.publish(path) { sink in
      try sink.write(npyHeader(rows: source.count, columns: classes))
      try logits.withUnsafeBytes { try sink.write($0) }
    }
    return Prediction(
      out: path, shape: [source.count, classes], digest: Digest.hex(published.sha256))
  }

  func prepared(
    _ name: String, _ database: String, _ dataset: String?, _ device: Device
  ) throws -> (ModelRunner, RunData, step: Int) {
    guard recipe.train.objective == .classify else { throw TrainError.noClasses(folder.path) }
    let checkpoint = try checkpoint(name)
    var dataRecipe = recipe
    if let dataset {
      try requireFit(dataset, in: database)
      dataRecipe.data.dataset = dataset
    }
    let data = try RunData(dataRecipe, database: database)
    if dataset == nil {
      try folder.require(data: data.digest, dataset: recipe.data.dataset)
      folder.indexIfMissing(in: database)
    }
    let runner = try ModelRunner(recipe, device: device)
    try checkpoint.restore(runner.network.parameters)
    return (runner, data, checkpoint.state.step)
  }
}

extension Run {
  /// Refuses a dataset that the run's model does not take.
  ///
  /// - Throws: `usage` with what both are.
  private func requireFit(_ dataset: String, in database: String) throws {
    let (task, choice) = try DatasetChoice.choose(from: database, task: nil, dataset: dataset)
    func words(_ task: String, _ shape: TaskShape) -> String {
      "\(task) (\(shape.classes) classes, \(shape.vocabularySize) ids\(shape.towers == 2 ? ", pairs" : ""))"
    }
    var other = recipe
    other.task = task
    if let shape = choice.ownShape {
      (other.data.numClasses, other.data.vocabularySize) = (shape.numClasses, shape.vocabularySize)
    }
    let (own, its) = (TaskShape(recipe), TaskShape(other))
    guard task == recipe.task, own.classes == its.classes, own.towers == its.towers,
      own.vocabularySize >= its.vocabularySize
    else {
      throw TrainError.unfit(
        folder.path, words(recipe.task, own), dataset: dataset, words(task, its))
    }
  }
}

/// The header of an npy file, version 1.0, little-endian float32 [rows, columns], padded to 128
/// bytes.
private func npyHeader(rows: Int, columns: Int) -> [UInt8] {
  var text = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(rows), \(columns)), }"
  text += String(repeating: " ", count: 128 - 10 - 1 - text.utf8.count) + "\n"
  return [0x93] + Array("NUMPY".utf8) + [1, 0, 118, 0] + Array(text.utf8)
}
