import ArgumentParser
import Console
import Datasets

/// `build`: exactly the dataset of a manifest.
struct Build: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make exactly the dataset that a manifest describes, or fail.")

  @Argument(help: "The manifest, e.g. manifests/listops-2k.json.")
  var manifest: String
  @Option(help: ArgumentHelp("The dataset's name (default: the manifest's).", valueName: "name"))
  var name: String?
  @Option(help: ArgumentHelp("What converted data is made from (repeatable).", valueName: "path"))
  var from: [String] = []
  @OptionGroup var threads: ThreadOptions
  @Flag(help: "Say what would be made, and make nothing.")
  var dryRun = false
  @OptionGroup var common: CommonOptions

  func run() throws {
    let expected = try Manifest(contentsOf: manifest)
    let work = Work(
      name: name ?? expected.name, origin: expected.seed.map { "seed \($0)" } ?? "from its sources",
      splits: expected.splits.map {
        SplitSize(name: $0.name, ordinal: $0.ordinal, count: $0.examples)
      }, common: common, command: "build")
    let options = work.options(threads: threads.count)
    if dryRun {
      let examples = expected.splits.reduce(0) { $0 + $1.examples }
      let result = BuildJSON(
        dataset: work.name, expectedDigest: expected.contentDigest, contentDigest: Nullable(nil),
        match: Nullable(nil))
      return try common.print("build", result) {
        "would make \(work.name): \(Format.count(examples)) examples, "
          + "content digest \(Format.digest(expected.contentDigest)); nothing was written"
      }
    }
    let result = try common.store.build(
      expected, path: manifest, name: name, from: from, options: options)
    if common.json {
      try JSONOutput.print(
        command: "build",
        BuildJSON(
          dataset: result.dataset, expectedDigest: expected.contentDigest,
          contentDigest: Nullable(result.contentDigest), match: Nullable(result.manifestMatch)))
      if result.manifestMatch == false { throw ExitStatus(4) }
    } else {
      try work.print(result, "build", manifest: manifest)
    }
  }
}

private struct BuildJSON: Encodable {
  let dataset: String
  let expectedDigest: String
  let contentDigest: Nullable<String>
  let match: Nullable<Bool>
}
