import ArgumentParser
import Console
import Train

/// `lra-train eval RUN`: a checkpoint's accuracy on a split.
struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "eval", abstract: "Evaluate a run's checkpoint on a split.")

  @OptionGroup var common: CommonOptions
  @OptionGroup var place: DeviceOptions
  @Argument(help: ArgumentHelp("The run's folder.", valueName: "run")) var folder: String
  @Option(help: "train, validation or test.") var split = "test"
  @Option(help: "best, last or a step.") var checkpoint = "best"
  @Option(help: "Another dataset of the same task (default: the run's own).") var dataset: String?

  func run() throws {
    let device = try place.start()
    let report = try Run(folder).evaluate(
      checkpoint: checkpoint, split: split, database: common.db, dataset: dataset, device: device)
    if common.json { return try JSONOutput.print(command: "eval", report) }
    let interval =
      "[\(Format.fraction(report.ci95[0] * 100, 1)), \(Format.fraction(report.ci95[1] * 100, 1))]"
    Terminal.out(
      "\(split)  \(Format.count(report.n)) examples  step \(Format.count(report.step))  "
        + "\(Format.percent(report.accuracy)) \(interval)  loss \(Format.fraction(report.loss, 4))")
    var rules = "majority class \(Format.percent(report.baselines.majority))"
    if let first = report.baselines.firstToken {
      rules += "   first token \(Format.percent(first))"
    }
    Terminal.out(rules)
    Terminal.err(
      "Next: lra-train predict \(folder) --split \(split) --out logits.npy --db \(common.db)")
  }
}
