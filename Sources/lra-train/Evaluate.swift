import ArgumentParser
import Console
import Train

/// How much is computed at once where nothing is trained.
struct BatchOptions: ParsableArguments {
  @Option(help: "Examples per batch (default: the recipe's); results do not depend on it.")
  var batchSize: Int?

  func size() throws -> Int? {
    if let batchSize, batchSize < 1 {
      throw Failure.usage("--batch-size \(batchSize): at least one is needed")
    }
    return batchSize
  }
}

/// `lra-train eval RUN`: a checkpoint's accuracy on a split.
struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "eval", abstract: "Evaluate a run's checkpoint on a split.",
    discussion: """
      Beside the accuracy stand its 95 % interval and exact paired tests (McNemar) on the same \
      examples: of ListOps against the first-token rule, and against another run if one is named.
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var place: DeviceOptions
  @Argument(help: ArgumentHelp("The run's folder.", valueName: "run")) var folder: String
  @Option(help: "train, validation or test.") var split = "test"
  @Option(help: "best, last or a step.") var checkpoint = "best"
  @Option(help: "Another dataset of the same task (default: the run's own).") var dataset: String?
  @Option(
    help: ArgumentHelp(
      "Another run, whose best checkpoint is compared on the same examples.", valueName: "run"))
  var against: String?
  @OptionGroup var batches: BatchOptions

  func run() throws {
    let found = try Run(folder, note: Terminal.err)
    let database = try found.database(common.namedDatabase)
    let device = try place.start()
    let report = try found.evaluate(
      checkpoint: checkpoint, split: split, database: database, dataset: dataset,
      against: try against.map { try Run($0) }, batchSize: batches.size(), device: device)
    if common.json { return try JSONOutput.print(command: "eval", report) }
    printEvaluation(report, step: report.step)
    Terminal.err("Next: lra-train predict \(shellQuoted(folder)) --split \(split) --out logits.npy")
  }
}
