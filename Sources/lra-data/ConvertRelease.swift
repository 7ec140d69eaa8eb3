import ArgumentParser
import Console
import Datasets

/// `convert lra-release`.
struct ConvertRelease: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lra-release",
    abstract: "LRA's released archive: ListOps, AAN and Pathfinder.",
    discussion: """
      Reads lra_release.gz, a tar.gz whatever its name says, or its folder, and makes every dataset that it \
      finds in one pass: \(LRARelease.names.joined(separator: ", ")). Images stay in memory until they are \
      written, so memory is about the size of the chosen trees (8 GB for the whole archive): pick some \
      with --only on a small machine.

      The release records no split of Pathfinder. Here validation and test are a tenth each, those with \
      the smallest SHA-256 of their path. Empty images are left out and named. \
      Retrieval is what convert aan makes.
      """)

  @Option(help: ArgumentHelp("lra_release.gz or its folder.", valueName: "path"))
  var from: String
  @Option(help: ArgumentHelp("A dataset to make (default: all); repeatable.", valueName: "dataset"))
  var only: [String] = []
  @OptionGroup var conversion: ConversionOptions

  func run() throws {
    var release = LRARelease()
    release.only = only
    try conversion.run(release, from: from)
  }
}

extension ConversionOptions {
  /// Reads the release, and makes its datasets unless this is a dry run.
  func run(_ release: LRARelease, from path: String) throws {
    let command = "convert lra-release"
    let work = Work(
      name: "lra-release", origin: "from \(shownName(path))", splits: [], common: common,
      command: command)
    var options = work.options(threads: threads.count)
    options.shardExamples = shardExamples
    if dryRun {
      let (estimates, skipped) = try common.store.estimate(release, from: [path], options: options)
      return try work.print(estimates, skipped: skipped)
    }
    let result = try common.store.convertRelease(
      release, from: [path], name: name, options: options)
    try work.print(result)
  }
}

extension Work {
  /// Prints what came of the release: one dataset as `convert` does, several as a list.
  func print(_ result: ReleaseResult) throws {
    if let only = result.datasets.first, result.datasets.count == 1 {
      return try print(
        ConversionResult(
          generation: only.generation, sources: only.sources,
          skipped: only.skipped + result.skipped))
    }
    clear()
    if isJSON {
      return try JSONOutput.print(command: command, ReleaseJSON(result))
    }
    for dataset in result.datasets { try print(dataset.generation) }
    show(result.datasets.flatMap(\.skipped) + result.skipped)
    next("lra-data ls \(db)")
  }

  /// Prints what would come of it.
  func print(
    _ estimates: [(name: String, task: String, GenerationEstimate, splits: [SplitSize])],
    skipped: [SkippedFile]
  ) throws {
    if isJSON {
      let objects = estimates.map { EstimateJSON($0.name, task: $0.task, splits: $0.splits, $0.2) }
      if let only = objects.first, objects.count == 1 {
        return try JSONOutput.print(command: command, only)
      }
      return try JSONOutput.print(command: command, PlannedJSON(datasets: objects))
    }
    clear()
    for (name, _, estimate, splits) in estimates { show(estimate, name: name, splits: splits) }
    show(skipped)
  }

  private struct PlannedJSON: Encodable {
    let datasets: [EstimateJSON]
  }

  private struct ReleaseJSON: Encodable {
    let datasets: [ConversionJSON]
    let skipped: [SkippedJSON]

    init(_ result: ReleaseResult) {
      datasets = result.datasets.map(ConversionJSON.init)
      skipped = result.skipped.map(SkippedJSON.init)
    }
  }
}
