import ArgumentParser
import Datasets

/// What every generator takes.
struct GenOptions<Configuration: GeneratorConfiguration>: ParsableArguments {
  @Option(help: ArgumentHelp("Training \(Configuration.unit).", valueName: "n"))
  var train = Configuration.standardSplits[0].count
  @Option(help: ArgumentHelp("Validation \(Configuration.unit).", valueName: "n"))
  var validation = Configuration.standardSplits[1].count
  @Option(help: ArgumentHelp("Test \(Configuration.unit).", valueName: "n"))
  var test = Configuration.standardSplits[2].count
  @Option(help: ArgumentHelp("The seed, 0 or more.", valueName: "n"))
  var seed = 0
  @Option(help: ArgumentHelp("The name (default: as the parameters say).", valueName: "name"))
  var name: String?
  @Option(help: ArgumentHelp("Examples per shard.", valueName: "n"))
  var shardExamples = 4096
  @Option(
    help: ArgumentHelp("Make share i of n only; then merge. (default: 1/1)", valueName: "i/n"),
    transform: WorkerShare.init(typed:))
  var worker = WorkerShare.all
  @OptionGroup var threads: ThreadOptions
  @Flag(help: "Say what would be made, and make nothing.")
  var dryRun = false
  @OptionGroup var common: CommonOptions

  /// The splits that are asked for.
  var splits: [SplitSize] {
    SplitSize.standard(train: train, validation: validation, test: test)
  }

  /// What is said before, while and after the dataset is made.
  ///
  /// - Parameter detail: what is said of the examples.
  func work(_ configuration: Configuration, detail: String?) -> Work {
    Work(
      name: name ?? configuration.datasetName, origin: "seed \(seed)", splits: splits,
      common: common, command: "gen \(Configuration.task)", detail: detail, worker: worker)
  }

  /// How the generation runs.
  func options(_ work: Work) -> GenerationOptions {
    var options = work.options(threads: threads.count)
    options.shardExamples = shardExamples
    return options
  }
}

extension WorkerShare {
  /// A share as it is typed: `2/4`.
  init(typed: String) throws {
    let numbers = typed.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
    guard numbers.count == 2, let number = numbers[0], let count = numbers[1] else {
      throw ValidationError("two numbers expected, as in 1/4")
    }
    guard count >= 1 else { throw ValidationError("there is at least 1 worker, as in 1/1") }
    guard let share = WorkerShare(number: number, of: count) else {
      throw ValidationError("workers count from 1: 1/\(count) to \(count)/\(count)")
    }
    self = share
  }
}
