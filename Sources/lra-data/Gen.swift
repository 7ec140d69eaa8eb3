import ArgumentParser
import Console
import Datasets
import Foundation

/// `gen`: the generators.
struct Gen: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make a dataset from a seed.", subcommands: [GenListOps.self, GenPathfinder.self])

  /// How several machines share the work; part of every generator's help.
  static let workers = """
    Several machines: give each --worker i/n and a database in a folder of its own, then put the \
    shares together with lra-data merge. As a Slurm array: \
    --worker $((SLURM_ARRAY_TASK_ID+1))/$SLURM_ARRAY_TASK_COUNT
    """
}

/// A generator's command: it says its parameters; what is then done is the same for all.
protocol GenCommand: ParsableCommand {
  associatedtype Configuration: GeneratorConfiguration
  /// What every generator takes.
  var generation: GenOptions<Configuration> { get }
  /// The parameters that the options say.
  ///
  /// - Throws: `usage` for those that cannot be.
  func generator() throws -> Configuration
  /// What is said of the examples at the start.
  static func detail(_ configuration: Configuration) -> String?
}

extension GenCommand {
  static func detail(_ configuration: Configuration) -> String? { nil }

  func run() throws {
    let configuration = try generator()
    let (seed, splits) = (generation.seed, generation.splits)
    let work = generation.work(configuration, detail: Self.detail(configuration))
    var options = generation.options(work)
    if generation.dryRun {
      let estimate = try configuration.estimate(seed: seed, splits: splits, options: options)
      return try work.print(estimate, task: Configuration.task)
    }
    let expected = KnownManifest.find(configuration, seed: seed, splits: splits)
    options.expected = expected?.manifest
    let result = try generation.common.store.generate(
      configuration, name: generation.name, seed: seed, splits: splits, options: options)
    try work.print(result, work.command, manifest: expected?.path)
  }
}
