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

      \(GenOptions.workers)
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
  @OptionGroup var generation: GenOptions

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
    do {
      try configuration.validate()
    } catch let error as DatasetError {
      guard let len else { throw error }
      throw Failure.usage("\(error.message) (--len \(len.typed) stands for these)")
    }
    let splits = SplitSize.standard(train: train, validation: validation, test: test)
    let seed = generation.seed
    let work = generation.work(
      "listops", name: configuration.datasetName, splits: splits, detail: nil)
    var options = generation.options(work)
    if generation.dryRun {
      let estimate = try configuration.estimate(seed: seed, splits: splits, options: options)
      return try work.print(estimate, task: ListOpsConfiguration.task)
    }
    let expected = KnownManifest.find(configuration, seed: seed, splits: splits)
    options.expected = expected?.manifest
    let result = try generation.common.store.generateListOps(
      configuration, name: generation.name, seed: seed, splits: splits, options: options)
    try work.print(result, work.command, manifest: expected?.path)
  }
}
