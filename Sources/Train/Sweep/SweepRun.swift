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
  @OrNull public var validation: Double? = nil
  /// The same on the test split.
  @OrNull public var test: Double? = nil
  /// The grid point.
  public var settings: [String]
  /// Whether its grid point has the best mean validation accuracy of its task and model.
  public var selected = false
  /// The run's folder.
  public var run: String
  /// What went wrong; nil when nothing did.
  public var message: String?
}

/// The end of a run that has no result: `failure.json` in its folder.
struct RunFailure: RunFile {
  static let fileName = "failure.json"

  var schema = 1
  var state: SweepRun.State
  var message: String
  var recipeDigest: String
}

extension Sweep.Trial {
  /// How the run stands by what lies in its folder.
  public func status() -> SweepRun {
    var run = SweepRun(
      task: task, model: model, seed: seed, state: .waiting, settings: point, run: folder.path)
    if let result = RunResult.read(folder), recipe.isNamed(by: result.recipeDigest) {
      run.state = result.state == .plateau ? .plateau : .finished
      run.validation = result.best.validation
      run.test = result.best.test
    } else if let failure = RunFailure.read(folder), recipe.isNamed(by: failure.recipeDigest) {
      run.state = failure.state
      run.message = failure.message
    } else if !folder.checkpointSteps().isEmpty {
      run.state = .interrupted
    }
    return run
  }

  /// Keeps a run that ended without a result from being begun again, and says so in the database when
  /// that can be written.
  ///
  /// - Parameter machine: the machine in words, for a run that never came to its own row.
  public func record(
    _ state: SweepRun.State, _ message: String, database: String, machine: String
  ) throws {
    try Publication.makeFolder(folder.path)
    try RunFailure(state: state, message: message, recipeDigest: recipe.digestText).save(in: folder)
    let data = try DatasetStore(at: database).datasets().first { $0.name == dataset }
    var identity =
      RunIdentity.read(folder)
      ?? RunIdentity(
        database: RunIdentity.realPath(database), dataset: dataset,
        dataDigest: data?.contentDigest ?? "", recipe: recipe.yaml,
        recipeSha256: recipe.digestText, seed: seed, machine: machine, state: .failed)
    identity.state = state == .diverged ? .diverged : .failed
    try identity.save(in: folder)
    folder.index(in: database, patience: 2)
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
