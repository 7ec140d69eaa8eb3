import ArgumentParser
import Datasets

/// What every generator takes.
struct GenOptions: ParsableArguments {
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

  /// How several machines share the work; part of every generator's help.
  static let workers = """
    Several machines: give each --worker i/n and a database in a folder of its own, then put the \
    shares together with lra-data merge. As a Slurm array: \
    --worker $((SLURM_ARRAY_TASK_ID+1))/$SLURM_ARRAY_TASK_COUNT
    """

  /// What is said before, while and after the dataset is made.
  ///
  /// - Parameter name: the dataset's when none was given.
  func work(_ task: String, name: String, splits: [SplitSize], detail: String?) -> Work {
    Work(
      name: self.name ?? name, origin: "seed \(seed)", splits: splits, common: common,
      command: "gen \(task)",
      detail: detail, worker: worker)
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
