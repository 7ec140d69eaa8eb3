import Foundation
import GRDB

/// A row of `run`: one training run.
public struct RunRecord: Sendable, Equatable {
  /// How a run stands.
  public enum State: String, Codable, Sendable, CaseIterable {
    /// It trains, or was killed.
    case running
    /// It did all its steps.
    case finished
    /// A signal stopped it; it can go on.
    case interrupted
    /// The loss became infinite or not a number.
    case diverged
    /// It never left the level of the trivial baselines.
    case plateau
    /// It ended with another error, such as one of the model.
    case failed
  }

  /// The run's name, such as `listops-transformer-small-0`.
  public var name: String
  /// The name of its dataset.
  public var dataset: String
  /// The dataset's content digest, 32 bytes.
  public var contentDigest: [UInt8]
  /// The resolved recipe as YAML.
  public var recipe: String
  /// SHA-256 of that text, 32 bytes.
  public var recipeSHA256: [UInt8]
  /// The seed.
  public var seed: Int
  /// The machine in words: processor, threads, device.
  public var machine: String
  /// How the run stands.
  public var state: State
  /// The run's folder.
  public var path: String

  /// Makes a row.
  public init(
    name: String, dataset: String, contentDigest: [UInt8], recipe: String, recipeSHA256: [UInt8],
    seed: Int, machine: String, state: State, path: String
  ) {
    self.name = name
    self.dataset = dataset
    self.contentDigest = contentDigest
    self.recipe = recipe
    self.recipeSHA256 = recipeSHA256
    self.seed = seed
    self.machine = machine
    self.state = state
    self.path = path
  }
}

/// A row of `metric`: one number of an evaluation.
public struct MetricRecord: Sendable, Equatable {
  /// The training step.
  public let step: Int
  /// `train`, `validation` or `test`.
  public let split: String
  /// `loss`, `accuracy` and so on.
  public let name: String
  /// The number; nil when it was not finite.
  public let value: Double?

  /// Makes a row; a number that is not finite becomes nil.
  public init(step: Int, split: String, name: String, value: Double?) {
    (self.step, self.split, self.name) = (step, split, name)
    self.value = value.flatMap { $0.isFinite ? $0 : nil }
  }
}

/// The runs and their evaluations in an index.
///
/// Every change is one short IMMEDIATE transaction on a connection of its own; no lock is held
/// between.
public struct RunTable: Sendable {
  /// The database's path.
  public let path: String

  /// The tables of a database; nothing is opened yet.
  public init(at path: String) { self.path = path }

  /// Writes a run and all its numbers, in place of what the index has of it.
  ///
  /// - Parameter patience: seconds to wait for another process that has the index locked.
  public func write(_ run: RunRecord, _ metrics: [MetricRecord], patience: Double = 10) throws {
    try Index(at: path, .write, patience: patience).write { database in
      try RunTable.put(run, in: database)
      try database.execute(
        sql: "DELETE FROM metric WHERE run_id=(SELECT id FROM run WHERE name=?)",
        arguments: [run.name])
      for metric in metrics {
        try database.execute(
          sql: """
            INSERT OR REPLACE INTO metric(run_id, step, split, name, value)
            SELECT id, ?, ?, ?, ? FROM run WHERE name=?
            """, arguments: [metric.step, metric.split, metric.name, metric.value, run.name])
      }
    }
  }

  /// Writes the row of a run in place of one of the same name.
  private static func put(_ run: RunRecord, in database: Database) throws {
    try database.execute(
      sql: """
        INSERT INTO run
         (name, dataset, content_digest, recipe, recipe_sha256, seed, machine, state, path)
        VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT(name) DO UPDATE SET dataset=excluded.dataset,
         content_digest=excluded.content_digest, recipe=excluded.recipe,
         recipe_sha256=excluded.recipe_sha256, seed=excluded.seed, machine=excluded.machine,
         state=excluded.state, path=excluded.path
        """,
      arguments: [
        run.name, run.dataset, Data(run.contentDigest), run.recipe, Data(run.recipeSHA256),
        run.seed, run.machine, run.state.rawValue, run.path,
      ])
  }

  /// All runs, by the order in which they were begun.
  public func runs() throws -> [RunRecord] {
    try read { database in
      try Row.fetchAll(database, sql: "SELECT * FROM run ORDER BY id").map { row in
        RunRecord(
          name: try row.text("name"), dataset: try row.text("dataset"),
          contentDigest: try row.blob("content_digest"), recipe: try row.text("recipe"),
          recipeSHA256: try row.blob("recipe_sha256"), seed: try row.integer("seed"),
          machine: try row.text("machine"),
          state: RunRecord.State(rawValue: try row.text("state")) ?? .interrupted,
          path: try row.text("path"))
      }
    }
  }

  /// The numbers of a run's evaluations, by step, split and name.
  public func metrics(of run: String) throws -> [MetricRecord] {
    try read { database in
      let sql = """
        SELECT step, split, metric.name AS name, value FROM metric JOIN run ON run.id=run_id
        WHERE run.name=? ORDER BY step, split, metric.name
        """
      return try Row.fetchAll(database, sql: sql, arguments: [run]).map { row in
        let value: Double? =
          if case .double(let number) = (row["value"] as DatabaseValue).storage { number } else {
            nil
          }
        return MetricRecord(
          step: try row.integer("step"), split: try row.text("split"), name: try row.text("name"),
          value: value)
      }
    }
  }

  private func read<Result>(_ body: (Database) throws -> Result) throws -> Result {
    do {
      return try Index(at: path, .read).read(body)
    } catch let error as UnexpectedValue {
      throw DatasetError.indexDamaged(path, "column \(error.column) holds no valid value")
    }
  }
}
