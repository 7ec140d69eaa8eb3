import Console
import Datasets
import Foundation

/// What `gen` and `build` say before, while and after they make a dataset.
struct Work: Sendable {
  let name: String
  let seed: Int
  let splits: [SplitSize]
  let db: String
  let command: String
  /// The share of the shards that is made here.
  private let worker: WorkerShare
  /// What the examples are, beyond the dataset's name.
  private let detail: String?
  private let common: Shown
  private let line: ProgressLine

  private struct Shown: Sendable {
    let json: Bool
    let quiet: Bool
  }

  init(
    name: String, seed: Int, splits: [SplitSize], common: CommonOptions, command: String,
    detail: String? = nil, worker: WorkerShare = .all
  ) {
    self.name = name
    self.seed = seed
    self.splits = splits
    db = common.dbWord
    self.command = command
    self.detail = detail
    self.worker = worker
    self.common = Shown(json: common.json, quiet: common.quiet)
    line = ProgressLine(quiet: common.quiet)
  }

  /// Options that listen to signals and show progress.
  func options(threads: Int) -> GenerationOptions {
    let title = Once {
      if !common.quiet && !common.json { Terminal.err(heading) }
    }
    var options = GenerationOptions()
    options.threads = threads
    options.worker = worker
    options.cancellation = Signals.listen()
    options.progress = { [line] progress in
      title.run()
      line.show(progress.split, done: progress.done, of: progress.total)
      if progress.done == progress.total { line.clear() }
    }
    return options
  }

  /// `listops-2k · seed 0 · train 96 000, validation 2 000, test 2 000`.
  private var heading: String {
    let sizes = splits.filter { $0.count > 0 }.map { "\($0.name) \(Format.count($0.count))" }
    let share = worker == .all ? nil : "worker \(worker)"
    let parts: [String?] = [name, detail, "seed \(seed)", sizes.joined(separator: ", "), share]
    return parts.compactMap { $0 }.joined(separator: " · ")
  }

  /// Prints what was made.
  ///
  /// - Parameter manifest: the file that the result should agree with.
  /// - Throws: exit 4 when it does not.
  func print(_ result: GenerationResult, _ command: String, manifest: String?) throws {
    line.clear()
    if let worker = result.worker, !common.json { return print(result, share: worker) }
    if common.json {
      try JSONOutput.print(command: command, GenerationJSON(result))
    } else if result.state == .complete {
      let digest = Format.digest(result.contentDigest)
      Terminal.out("\(result.dataset) is complete (content digest \(digest)): nothing to do")
    } else {
      Terminal.out(summary(result))
    }
    if let manifest, result.manifestMatch == false { try mismatch(result, manifest) }
    guard !common.json else { return }
    if result.state != .complete {
      let known = manifest.map { " = \($0)" } ?? ""
      Terminal.out("content digest \(Format.digest(result.contentDigest))\(known)")
    }
    if !common.quiet { Terminal.err(Paint.standardError.dim("Next: ") + "lra-train \(db)") }
  }

  /// Prints what a worker made; other workers have the rest.
  private func print(_ result: GenerationResult, share worker: WorkerShare) {
    let made = result.state == .complete ? "was made already" : "is made"
    let shards = "\(Format.count(result.shards)) shard\(result.shards == 1 ? "" : "s")"
    Terminal.out(
      "share \(worker) of \(result.dataset) \(made): \(shards), \(Format.bytes(result.bytes)) "
        + "in data/\(result.dataset) · \(Format.seconds(result.seconds))")
    if !common.quiet {
      let own = db.split(separator: " ").dropFirst().joined(separator: " ")
      Terminal.err(
        Paint.standardError.dim("Next: ")
          + "lra-data merge \(own) OTHERS... --db OUT.sqlite     when all workers are done")
    }
  }

  private func summary(_ result: GenerationResult) -> String {
    let examples = result.splits.reduce(0) { $0 + $1.count }
    let resumed = result.state == .resumed ? " (resumed)" : ""
    return [
      "\(Format.count(examples)) examples",
      "\(Format.short(Double(result.tokens))) tokens",
      "\(Format.count(result.shards)) shard\(result.shards == 1 ? "" : "s"), "
        + "\(Format.bytes(result.bytes)) in data/\(result.dataset)",
      Format.seconds(result.seconds) + resumed,
    ].joined(separator: " · ")
  }

  private func mismatch(_ result: GenerationResult, _ manifest: String) throws {
    if common.json { throw ExitStatus(4) }
    throw Failure(
      exitCode: 4, codeName: "checksum_mismatch",
      "\(result.dataset) has content digest \(Format.digest(result.contentDigest)), "
        + "not that of \(manifest)",
      path: manifest, next: "find the cause with: lra-data verify \(result.dataset) \(db)")
  }

  /// Prints what would be made.
  func print(_ estimate: GenerationEstimate) throws {
    if common.json {
      return try JSONOutput.print(command: command, EstimateJSON(self, estimate))
    }
    Terminal.out(heading)
    Terminal.out(
      "would make about \(Format.short(Double(estimate.tokens))) tokens in "
        + "\(Format.count(estimate.shards)) shards, \(Format.bytes(estimate.bytes)) in data/\(name), "
        + "in about \(Format.seconds(estimate.seconds)); nothing was written")
  }
}

/// `gen` and `build` as JSON.
struct GenerationJSON: Encodable {
  let dataset: String
  let task: String
  let state: String
  let splits: [SplitJSON]
  let tokens: Int
  let bytes: Int
  let shards: Int
  let seconds: Double
  let contentDigest: Nullable<String>
  let manifestMatch: Nullable<Bool>

  init(_ result: GenerationResult) {
    dataset = result.dataset
    task = result.task
    state = result.state.rawValue
    splits = result.splits.map { SplitJSON(name: $0.name, count: $0.count) }
    tokens = result.tokens
    bytes = result.bytes
    shards = result.shards
    seconds = result.seconds
    contentDigest = Nullable(result.worker == nil ? result.contentDigest : nil)
    manifestMatch = Nullable(result.manifestMatch)
  }
}

/// A split in every JSON object.
struct SplitJSON: Encodable {
  let name: String
  let count: Int
}

/// `gen --dry-run` as JSON.
private struct EstimateJSON: Encodable {
  let dataset: String
  let task: String
  var state = "planned"
  let splits: [SplitJSON]
  let tokens: Int
  let bytes: Int
  let shards: Int
  let seconds: Double

  init(_ work: Work, _ estimate: GenerationEstimate) {
    task = work.command.split(separator: " ").last.map(String.init) ?? ""
    dataset = work.name
    splits = work.splits.filter { $0.count > 0 }.map { SplitJSON(name: $0.name, count: $0.count) }
    tokens = estimate.tokens
    bytes = estimate.bytes
    shards = estimate.shards
    seconds = estimate.seconds
  }
}

/// Something that happens at the first call only.
private final class Once: @unchecked Sendable {
  private let lock = NSLock()
  private var body: (() -> Void)?

  init(_ body: @escaping () -> Void) { self.body = body }

  func run() {
    let body = lock.withLock {
      defer { self.body = nil }
      return self.body
    }
    body?()
  }
}
