import ArgumentParser
import Console
import Datasets
import Foundation

/// `gen`: the generators.
struct Gen: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make a dataset from a seed.", subcommands: [GenListOps.self, GenPathfinder.self])
}

/// `gen listops`.
struct GenListOps: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "listops", abstract: "Make ListOps: nested operations on digits, ten classes.",
    discussion: """
      An example depends on parameters, seed, split and position alone: threads, shard size, split \
      sizes and restarts change nothing. The same command goes on where it was interrupted.
      """)

  @Option(help: ArgumentHelp("L/4 < tokens < L; k is 1000 (default: 2000).", valueName: "L"))
  var len: TokenCount?
  @Option(help: ArgumentHelp("More tokens than this (default: 500).", valueName: "n"))
  var minLength: TokenCount?
  @Option(help: ArgumentHelp("Fewer tokens than this (default: 2000).", valueName: "n"))
  var maxLength: TokenCount?
  @Option(help: ArgumentHelp("Levels of an expression (default: 10).", valueName: "n"))
  var maxDepth: Int?
  @Option(help: ArgumentHelp("Arguments of an operator at most.", valueName: "n"))
  var maxArgs = 10
  @Option(help: ArgumentHelp("Training examples.", valueName: "n"))
  var train = 96_000
  @Option(help: ArgumentHelp("Validation examples.", valueName: "n"))
  var validation = 2000
  @Option(help: ArgumentHelp("Test examples.", valueName: "n"))
  var test = 2000
  @Option(help: ArgumentHelp("The seed, 0 or more.", valueName: "n"))
  var seed = 0
  @Option(help: ArgumentHelp("The name (default: listops-2k for 2000).", valueName: "name"))
  var name: String?
  @Option(help: ArgumentHelp("Examples per shard.", valueName: "n"))
  var shardExamples = 4096
  @OptionGroup var threads: ThreadOptions
  @Flag(help: "Say what would be made, and make nothing.")
  var dryRun = false
  @OptionGroup var common: CommonOptions

  func validate() throws {
    if len != nil && (minLength != nil || maxLength != nil) {
      throw ValidationError("--len stands for --min-length and --max-length; give one or the other")
    }
  }

  private var listOps: ListOpsConfiguration {
    var configuration = ListOpsConfiguration(length: (len ?? maxLength)?.value ?? 2000)
    if len == nil { configuration.minLength = minLength?.value ?? 500 }
    configuration.maxDepth = maxDepth ?? configuration.maxDepth
    configuration.maxArgs = maxArgs
    return configuration
  }

  func run() throws {
    let configuration = listOps
    let splits = SplitSize.standard(train: train, validation: validation, test: test)
    let work = Work(
      name: name ?? configuration.datasetName, origin: "seed \(seed)", splits: splits,
      common: common,
      command: "gen listops")
    var options = work.options(threads: threads.count)
    options.shardExamples = shardExamples
    if dryRun {
      let estimate = try configuration.estimate(seed: seed, splits: splits, options: options)
      return try work.print(estimate, task: ListOpsConfiguration.task)
    }
    let expected = KnownManifest.find(configuration, seed: seed, splits: splits)
    options.expected = expected?.manifest
    let result = try common.store.generateListOps(
      configuration, name: name, seed: seed, splits: splits, options: options)
    try work.print(result, work.command, manifest: expected?.path)
  }
}
