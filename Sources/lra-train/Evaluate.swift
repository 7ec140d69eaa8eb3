import ArgumentParser
import Console
import Train

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

  func run() throws {
    let device = try place.start()
    let report = try Run(folder).evaluate(
      checkpoint: checkpoint, split: split, database: common.db, dataset: dataset,
      against: try against.map { try Run($0) }, device: device)
    if common.json { return try JSONOutput.print(command: "eval", report) }
    printEvaluation(report, step: report.step)
    Terminal.err(
      "Next: lra-train predict \(folder) --split \(split) --out logits.npy --db \(common.db)")
  }
}
