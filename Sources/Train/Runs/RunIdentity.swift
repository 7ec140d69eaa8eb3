import Datasets
import Foundation

/// What a run's folder says of the run besides recipe and metrics: `run.json`.
///
/// The folder is the truth: it is written first, and the rows of the index follow when the index can be written.
public struct RunIdentity: RunFile, Sendable, Equatable {
  /// `run.json`.
  public static let fileName = "run.json"

  /// The form of this file.
  public var schema = 1
  /// The database the run was made from, an absolute path with links resolved.
  public var database: String
  /// The name of its dataset.
  public var dataset: String
  /// The dataset's content digest, 64 hexadecimal digits; empty for a run that failed before it was known.
  public var dataDigest: String
  /// The recipe of the run's last part, YAML; parts differ in `Recipe.changeable` alone.
  public var recipe: String
  /// SHA-256 of that text, in hexadecimal.
  public var recipeSha256: String
  /// The seed.
  public var seed: Int
  /// The machine in words: processor, threads, device.
  public var machine: String
  /// How the run stands.
  public var state: RunRecord.State
  /// Whether the index of `database` has all rows of the run.
  public var isIndexed = false

  /// A database's absolute path with links resolved.
  static func realPath(_ database: String) -> String {
    URL(fileURLWithPath: database).resolvingSymlinksInPath().path
  }

  /// The row of the index.
  func record(_ folder: RunFolder, in database: String) -> RunRecord {
    RunRecord(
      name: folder.name, dataset: dataset, contentDigest: bytes(ofHex: dataDigest) ?? [],
      recipe: recipe, recipeSHA256: bytes(ofHex: recipeSha256) ?? [], seed: seed,
      machine: machine, state: state, path: relativePath(folder.path, toFolderOf: database))
  }
}

extension RunFolder {
  /// The evaluations in `metrics.jsonl` as rows of the index.
  func metricRecords() throws -> [MetricRecord] {
    try MetricsLog.evaluations(metricsPath).flatMap { line in
      [("loss", line.loss), ("accuracy", line.accuracy)].map {
        MetricRecord(step: line.step, split: line.split, name: $0.0, value: $0.1)
      }
    }
  }

  /// Writes the run's rows where the index lacks them, if it can be written now.
  ///
  /// - Parameters:
  ///   - database: the index; nil for the one that the run was made from.
  ///   - patience: seconds to wait for another process.
  /// - Returns: why the rows are not there; nil when they are.
  @discardableResult
  public func index(in database: String? = nil, patience: Double = 0.2) -> String? {
    guard var identity = RunIdentity.read(self) else { return nil }
    let path = database ?? identity.database
    var why: String?
    do {
      try RunTable(at: path).write(
        identity.record(self, in: path), metricRecords(), patience: patience)
    } catch {
      why = (error as? DatasetError)?.message ?? "\(error)"
    }
    if RunIdentity.realPath(path) == identity.database, identity.isIndexed != (why == nil) {
      identity.isIndexed = why == nil
      try? identity.save(in: self)
    }
    return why
  }

  /// The runs of a folder that were made from a database, with their evaluations, by name.
  static func all(in folder: String, of database: String) throws -> [(RunRecord, [MetricRecord])] {
    let real = RunIdentity.realPath(database)
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return try names.sorted().compactMap { name in
      let run = RunFolder(path: "\(folder)/\(name)")
      guard let identity = RunIdentity.read(run), identity.database == real else { return nil }
      return (identity.record(run, in: database), try run.metricRecords())
    }
  }

  /// Gives the run a row in an index that can be written and has none of its name.
  func indexIfMissing(in database: String) {
    guard let runs = try? RunTable(at: database).runs() else { return }
    if !runs.contains(where: { $0.name == name }) { index(in: database) }
  }

  /// The content digest of the data that the run was made with; nil for one that has not begun.
  func dataDigest() -> String? {
    if let identity = RunIdentity.read(self), !identity.dataDigest.isEmpty {
      return identity.dataDigest
    }
    if let result = RunResult.read(self) { return result.dataDigest }
    return checkpointSteps().last.flatMap { try? Checkpoint.open(self, step: $0) }?.state.dataDigest
  }

  /// Refuses data that is not what the run was made with: every command that looks at a run asks here.
  ///
  /// - Throws: `configurationDiffers` with both digests.
  public func require(data digest: String, dataset: String) throws {
    guard let own = dataDigest(), own != digest else { return }
    throw TrainError.dataDiffers(path, dataset: dataset, digest: digest, own: own)
  }
}

extension Recipe {
  /// The keys that may change between parts of one run: none touches what a step computes, but for rates
  /// that follow from the number of steps.
  static let changeable = [
    "train.num_train_steps", "eval.eval_frequency", "eval.num_eval_examples", "eval.select",
    "eval.select_after", "eval.checkpoint_freq", "data.prefetch",
  ]

  /// Refuses a recipe file that was edited since the run's last part.
  ///
  /// - Throws: `configurationDiffers` with the keys that differ.
  func requireUnedited(_ identity: RunIdentity, _ text: String, path: String) throws {
    guard text != identity.recipe else { return }
    let known = try Recipe(yaml: identity.recipe, name: path)
    let edited = known.differences(to: self).filter { line in
      !Recipe.changeable.contains(String(line.prefix { $0 != ":" }))
    }
    if !edited.isEmpty { throw TrainError.recipeEdited(path, edited) }
  }
}
