import Datasets
import Foundation

/// How a run of a sweep stands.
public struct SweepRun: Encodable, Sendable {
  /// How a run of a sweep can stand.
  public enum State: String, Codable, Sendable {
    /// It has not begun.
    case waiting
    /// It did all its steps.
    case finished
    /// It did all its steps and never left the level of the majority class.
    case plateau
    /// The loss became infinite or not a number.
    case diverged
    /// It ended with another error.
    case failed
    /// A signal stopped it; it can go on.
    case interrupted

    /// Whether the run is done and is not begun again.
    public var isEnd: Bool { self != .waiting && self != .interrupted }
  }

  /// The task.
  public var task: String
  /// The model.
  public var model: String
  /// The seed.
  public var seed: Int
  /// How it stands.
  public var state: State
  /// Share of right predictions of the best checkpoint on the validation split; nil without a result.
  public var validation: Double?
  /// The same on the test split.
  public var test: Double?
  /// The grid point.
  public var settings: [String]
  /// Whether its grid point has the best mean validation accuracy of its task and model.
  public var selected = false
  /// The run's folder.
  public var run: String
  /// What went wrong; nil when nothing did.
  public var message: String?

  enum CodingKeys: CodingKey {
    case task, model, seed, state, validation, test, settings, selected, run, message
  }

  /// Writes null, not nothing, where there is no result.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(task, forKey: .task)
    try container.encode(model, forKey: .model)
    try container.encode(seed, forKey: .seed)
    try container.encode(state, forKey: .state)
    try container.encode(validation, forKey: .validation)
    try container.encode(test, forKey: .test)
    try container.encode(settings, forKey: .settings)
    try container.encode(selected, forKey: .selected)
    try container.encode(run, forKey: .run)
    try container.encodeIfPresent(message, forKey: .message)
  }
}

/// The end of a run that has no result: `failure.json` in its folder.
struct RunFailure: Codable {
  var schema = 1
  var state: SweepRun.State
  var message: String
  var recipeDigest: String

  static func path(_ folder: RunFolder) -> String { folder.path + "/failure.json" }

  static func read(_ folder: RunFolder) -> RunFailure? {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return FileManager.default.contents(atPath: path(folder))
      .flatMap { try? decoder.decode(RunFailure.self, from: $0) }
  }
}

extension Sweep.Trial {
  /// How the run stands by what lies in its folder.
  public func status() -> SweepRun {
    var run = SweepRun(
      task: task, model: model, seed: seed, state: .waiting, settings: point, run: folder.path)
    if let result = RunResult.read(folder), result.recipeDigest == recipe.digestText {
      run.state = result.state == .plateau ? .plateau : .finished
      run.validation = result.best.validation
      run.test = result.best.test
    } else if let failure = RunFailure.read(folder), failure.recipeDigest == recipe.digestText {
      run.state = failure.state
      run.message = failure.message
    } else if !folder.checkpointSteps().isEmpty {
      run.state = .interrupted
    }
    return run
  }

  /// Keeps a run that ended without a result from being begun again, and says so in the database.
  ///
  /// - Parameter machine: the machine in words, for a run that never came to its own row.
  public func record(
    _ state: SweepRun.State, _ message: String, database: String, machine: String
  ) throws {
    let failure = RunFailure(state: state, message: message, recipeDigest: recipe.digestText)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    let json = try encoder.encode(failure)
    try Publication.makeFolder(folder.path)
    try Publication.publish(RunFailure.path(folder)) { try $0.write(Array(json) + [10]) }
    let table = RunTable(at: database)
    let row: RunRecord.State = state == .diverged ? .diverged : .failed
    if try table.runs().contains(where: { $0.name == folder.name }) {
      return try table.set(row, of: folder.name)
    }
    let data = try DatasetStore(at: database).datasets().first { $0.name == dataset }
    try table.begin(
      RunRecord(
        name: folder.name, dataset: dataset,
        contentDigest: data?.contentDigest.flatMap(bytes(ofHex:)) ?? [], recipe: recipe.yaml,
        recipeSHA256: [UInt8](recipe.digest), seed: seed, machine: machine, state: row,
        path: relativePath(folder.path, toFolderOf: database)))
  }

  /// The last step of the run's log; 0 when there is none.
  public func lastStep() -> Int {
    guard let file = FileHandle(forReadingAtPath: folder.metricsPath) else { return 0 }
    defer { try? file.close() }
    guard let end = try? file.seekToEnd() else { return 0 }
    try? file.seek(toOffset: end > 1000 ? end - 1000 : 0)
    let tail = String(decoding: (try? file.readToEnd()) ?? Data(), as: UTF8.self)
    guard let last = tail.split(separator: "\n").last(where: { $0.hasSuffix("}") }),
      let digits = last.firstMatch(of: #/"step": ([0-9]+)/#)
    else { return 0 }
    return Int(digits.1) ?? 0
  }
}

extension Sweep {
  /// How every run stands, with the best grid point of every task and model marked.
  ///
  /// A point's score is its mean validation accuracy over the seeds that ended with one; the earlier
  /// point keeps a tie.
  public func status() -> [SweepRun] { Sweep.selecting(trials.map { $0.status() }) }

  /// Marks the runs of the best grid points.
  public static func selecting(_ runs: [SweepRun]) -> [SweepRun] {
    var runs = runs
    for group in Set(runs.map { [$0.task, $0.model] }) {
      let own = runs.indices.filter { [runs[$0].task, runs[$0].model] == group }
      var best: (score: Double, point: [String])?
      for index in own {
        let point = runs[index].settings
        let scores = own.filter { runs[$0].settings == point }.compactMap { runs[$0].validation }
        guard !scores.isEmpty else { continue }
        let score = scores.reduce(0, +) / Double(scores.count)
        if score > best?.score ?? -1 { best = (score, point) }
      }
      for index in own where runs[index].validation != nil {
        runs[index].selected = runs[index].settings == best?.point
      }
    }
    return runs
  }
}

/// The bytes that hexadecimal digits stand for; nil for other text.
func bytes(ofHex text: String) -> [UInt8]? {
  let digits = text.compactMap(\.hexDigitValue)
  guard digits.count == text.count, digits.count % 2 == 0 else { return nil }
  return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] * 16 + digits[$0 + 1]) }
}
