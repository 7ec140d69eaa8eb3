import Console
import Datasets
import Foundation

/// What `gen` and `build` say before, while and after they make a dataset.
struct Work: Sendable {
  let name: String
  /// What decides the content: `seed 0`, `from aclImdb_v1.tar.gz`.
  private let origin: String
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
    /// Where a dataset's shards would lie.
    let folder: @Sendable (String) -> String
  }

  init(
    name: String, origin: String, splits: [SplitSize], common: CommonOptions, command: String,
    detail: String? = nil, worker: WorkerShare = .all
  ) {
    self.name = name
    self.origin = origin
    self.splits = splits
    db = common.dbWord
    self.command = command
    self.detail = detail
    self.worker = worker
    self.common = Shown(
      json: common.json, quiet: common.quiet,
      folder: { [store = common.store] in store.dataFolder(of: $0) })
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

  static func sizes(_ splits: [SplitSize]) -> String {
    splits.filter { $0.count > 0 }.map { "\($0.name) \(Format.count($0.count))" }
      .joined(separator: ", ")
  }

  /// `listops-2k · seed 0 · train 96 000, validation 2 000, test 2 000`.
  private var heading: String {
    let share = worker == .all ? nil : "worker \(worker)"
    let sizes = splits.isEmpty ? nil : Work.sizes(splits)
    let parts: [String?] = [name, detail, origin, sizes, share]
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
    next(result)
  }

  /// What to do with a dataset; one that cannot be trained on needs something else first.
  private func next(_ result: GenerationResult) {
    let lacking = ["train", "validation", "test"].filter { name in
      !result.splits.contains { $0.name == name && $0.count > 0 }
    }
    guard !lacking.isEmpty else { return next("lra-train \(db)") }
    let options = lacking.map { "--\($0) N" }.joined(separator: " ")
    next(
      "lra-train needs examples for \(lacking.joined(separator: " and ")), which \(result.dataset) lacks: "
        + "make it again under another --name with \(options)")
  }

  func next(_ command: String) {
    if !common.quiet { Terminal.err(Paint.standardError.dim("Next: ") + command) }
  }

  /// Prints what was converted, and what was left out.
  func print(_ result: ConversionResult) throws {
    line.clear()
    if common.json {
      return try JSONOutput.print(command: command, ConversionJSON(result))
    }
    show(result.files)
    show(result.skipped)
    if !common.quiet { result.notes.forEach(Terminal.err) }
    try print(result.generation, command, manifest: nil)
  }

  /// Says which file gave which split.
  private func show(_ files: [ReadFile]) {
    guard !common.quiet, files.count > 1 || files.contains(where: { $0.split != nil }) else {
      return
    }
    for file in files.prefix(20) {
      Terminal.err("\(file.path): \(file.split ?? "split by column or by number of the row")")
    }
    if files.count > 20 { Terminal.err("...; all of them with --json") }
  }

  func show(_ skipped: [SkippedFile]) {
    guard !skipped.isEmpty, !common.quiet else { return }
    Terminal.err("left out: \(Format.count(skipped.count)) file\(skipped.count == 1 ? "" : "s")")
    for file in skipped.prefix(5) { Terminal.err("  \(file.path): \(file.reason)") }
    if skipped.count > 5 { Terminal.err("  ...; all of them with --json") }
  }

  /// Prints what a worker made; other workers have the rest.
  private func print(_ result: GenerationResult, share worker: WorkerShare) {
    let made = result.state == .complete ? "was made already" : "is made"
    let shards = "\(Format.count(result.shards)) shard\(result.shards == 1 ? "" : "s")"
    Terminal.out(
      "share \(worker) of \(result.dataset) \(made): \(shards), \(Format.bytes(result.bytes)) "
        + "in \(result.folder) · \(Format.seconds(result.seconds))")
    if !common.quiet {
      let own = db.split(separator: " ").dropFirst().joined(separator: " ")
      Terminal.err(
        Paint.standardError.dim("Next: ")
          + "lra-data merge \(own) OTHERS... --db OUT.sqlite     when all workers are done")
    }
  }

  /// Prints what was made when several datasets are, without what is next.
  func print(_ result: GenerationResult) throws {
    let digest = Format.digest(result.contentDigest)
    Terminal.out(
      result.state == .complete
        ? "\(result.dataset) is complete (content digest \(digest)): nothing to do"
        : "\(result.dataset) · \(summary(result)) · content digest \(digest)")
  }

  /// Ends the progress line.
  func clear() { line.clear() }

  var isJSON: Bool { common.json }

  private func summary(_ result: GenerationResult) -> String {
    let documents = result.splits.first { $0.name == PairSplits.documents }?.count ?? 0
    let examples = result.splits.reduce(-documents) { $0 + $1.count }
    let resumed = result.state == .resumed ? " (resumed)" : ""
    return [
      documents > 0
        ? "\(Format.count(examples)) pairs of \(Format.count(documents)) documents"
        : "\(Format.count(examples)) examples",
      "\(Format.short(Double(result.tokens))) tokens",
      "\(Format.count(result.shards)) shard\(result.shards == 1 ? "" : "s"), "
        + "\(Format.bytes(result.bytes)) in \(result.folder)",
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
  ///
  /// - Parameter found: the splits when only the sources could tell them.
  func print(
    _ estimate: GenerationEstimate, task: String, splits found: [SplitSize]? = nil,
    skipped: [SkippedFile] = []
  ) throws {
    line.clear()
    if common.json {
      let result = EstimateJSON(name, task: task, splits: found ?? splits, estimate)
      return try JSONOutput.print(command: command, result)
    }
    Terminal.out(([heading] + (found.map { [Work.sizes($0)] } ?? [])).joined(separator: " · "))
    show(skipped)
    show(estimate)
  }

  /// Prints what one of several datasets would cost.
  func show(_ estimate: GenerationEstimate, name: String, splits: [SplitSize]) {
    Terminal.out("\(name) · \(Work.sizes(splits))")
    show(estimate, name: name)
  }

  private func show(_ estimate: GenerationEstimate, name: String? = nil) {
    Terminal.out(
      "would make about \(Format.short(Double(estimate.tokens))) tokens in "
        + "\(Format.count(estimate.shards)) shards, \(Format.bytes(estimate.bytes)) in \(common.folder(name ?? self.name)), "
        + "in about \(Format.seconds(estimate.seconds)); nothing was written")
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
