import ArgumentParser
import Console
import Datasets

/// `export`: datasets in the layouts of other tools.
struct ExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Write a dataset in the layout of other tools.",
    discussion: """
      lra: the files of LRA's release, one folder per task below --to. webdataset: tar shards, sequences \
      as uint8 npy (id - 1). croissant: croissant.json with shards and one table per split.
      """)

  @Argument(help: "lra, webdataset or croissant.")
  var format: ExportFormat
  @Argument(help: "The dataset.")
  var name: String
  @Option(help: ArgumentHelp("The folder.", valueName: "folder"))
  var to: String
  @Flag(help: "Say what would be written, and write nothing.")
  var dryRun = false
  @OptionGroup var common: CommonOptions

  func run() throws {
    if dryRun { return try plan() }
    let line = ProgressLine(quiet: common.quiet)
    var options = ExportOptions()
    options.cancellation = Signals.listen()
    options.progress = { line.show(name, done: $0, of: $1) }
    let result: ExportResult
    do {
      result = try common.store.export(name, as: format, to: to, options: options)
    } catch {
      line.clear()
      throw error
    }
    line.clear()
    let bytes = result.files.reduce(0) { $0 + $1.bytes }
    try common.print("export", ExportJSON(result)) {
      "\(Format.count(result.examples)) examples of \(name) in \(result.folder) · "
        + "\(Format.count(result.files.count)) files, \(Format.bytes(bytes))"
    }
  }

  private func plan() throws {
    let dataset = try common.store.listing().first { $0.summary.name == name }
    let reader = try common.store.open(
      dataset: name, split: dataset?.summary.splits.first?.name ?? "")
    let examples = dataset?.summary.splits.reduce(0) { $0 + $1.count } ?? reader.count
    try common.print("export", PlanJSON(format: format.rawValue, examples: examples, files: [])) {
      "would write \(Format.count(examples)) examples of \(name) as \(format.rawValue) into \(to); "
        + "nothing was written"
    }
  }
}

private struct PlanJSON: Encodable {
  let format: String
  let examples: Int
  let files: [String]
}

private struct ExportJSON: Encodable {
  struct File: Encodable {
    let path: String
    let bytes: Int
    let sha256: String
  }

  let format: String
  let examples: Int
  let files: [File]

  init(_ result: ExportResult) {
    format = result.format.rawValue
    examples = result.examples
    files = result.files.map {
      File(path: $0.path, bytes: $0.bytes, sha256: Digest.hex($0.sha256))
    }
  }
}

extension ExportFormat: ExpressibleByArgument {}
