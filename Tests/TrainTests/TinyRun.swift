import Datasets
import Foundation
import Tensors
import Testing

@testable import Train

/// A small dataset and a recipe that trains on it in a moment.
final class TinyRun {
  let folder: TemporaryFolder
  let recipe: Recipe

  /// Makes the data; 12 steps with every kind of dropout on.
  init(seed: Int = 0, _ change: (inout Recipe) -> Void = { _ in }) throws {
    folder = try TemporaryFolder()
    try TinyRun.generate(at: folder.file("data.sqlite"), seed: seed)
    var recipe = TinyRun.recipe
    change(&recipe)
    self.recipe = recipe
    _ = try Engine.start(threads: 2)
  }

  static func generate(at database: String, seed: Int) throws {
    _ = try DatasetStore(at: database).generate(
      ListOpsConfiguration(minLength: 8, maxLength: 48, maxDepth: 3, maxArgs: 4), name: "tiny",
      seed: seed, splits: SplitSize.standard(train: 120, validation: 40, test: 30))
  }

  static var recipe: Recipe {
    var recipe = Recipe()
    recipe.data.dataset = "tiny"
    recipe.data.maxLength = 48
    recipe.data.bucketBatches = 4
    recipe.model.embDim = 16
    recipe.model.qkvDim = 16
    recipe.model.mlpDim = 24
    recipe.train.numTrainSteps = 12
    recipe.train.batchSize = 8
    recipe.schedule.warmup = 2
    recipe.optimizer.learningRate = 0.003
    recipe.eval.evalFrequency = 5
    recipe.eval.checkpointFreq = 4
    return recipe
  }

  var database: String { folder.file("data.sqlite") }

  /// The folder of runs `name`, one run in it.
  func runFolder(_ name: String = "runs") throws -> RunFolder {
    try RunFolder.make(for: recipe, under: folder.file(name)).folder
  }

  /// A trainer at the run's last checkpoint, or at its beginning.
  func trainer(in runs: String = "runs", database: String? = nil) throws -> Trainer {
    let data = try RunData(recipe, database: database ?? self.database)
    return try Trainer(recipe, in: runFolder(runs), data: data, device: .cpu)
  }

  /// Trains to the end.
  @discardableResult
  func train(in runs: String = "runs") throws -> RunResult { try trainer(in: runs).run() }

  /// The lines of metrics without times.
  func metrics(_ runs: String = "runs") throws -> [MetricsLine] {
    try MetricsLog.read(runFolder(runs).metricsPath).map {
      var line = $0
      (line.seconds, line.wait) = (nil, nil)
      return line
    }
  }

  /// The tensors of a checkpoint: model, then optimiser.
  func tensors(_ runs: String = "runs", step: Int) throws -> [Data] {
    let path = try runFolder(runs).checkpointPath(step: step)
    return try ["model", "optimizer"].map {
      try Data(contentsOf: URL(fileURLWithPath: "\(path)/\($0).safetensors"))
    }
  }

  /// Model weights of a checkpoint by name.
  func weights(_ runs: String = "runs", step: Int) throws -> [String: [Float]] {
    let path = try runFolder(runs).checkpointPath(step: step)
    return try Safetensors.read("\(path)/model.safetensors").mapValues { try $0.floats() }
  }

  /// How the database says that the run stands.
  func state(_ runs: String = "runs") throws -> RunRecord.State? {
    let name = try runFolder(runs).name
    return try RunTable(at: database).runs().first { $0.name == name }?.state
  }
}

/// Says yes at one call.
final class CancelAt {
  private var left: Int
  init(call: Int) { left = call }
  func ask() -> Bool {
    left -= 1
    return left == 0
  }
}

/// The largest difference between weights of two runs.
func largestDifference(_ a: [String: [Float]], _ b: [String: [Float]]) -> Float {
  guard a.keys == b.keys else { return .infinity }
  return a.map { name, values in
    zip(values, b[name] ?? []).map { abs($0 - $1) }.max() ?? .infinity
  }.max() ?? .infinity
}
