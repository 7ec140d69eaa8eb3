import ArgumentParser
import Console
import Train

/// `lra-train score`: a row for a model that was trained elsewhere.
struct ScoreCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "score", abstract: "Score the logits of a model that was trained elsewhere.",
    discussion: """
      The predictions are a NumPy file of float32 or float64 [examples, classes]; row i belongs to \
      example i of the split. The report shows the row beside the runs made here.
      """)

  @OptionGroup var common: CommonOptions
  @Option(help: "The dataset (default: the only one).") var dataset: String?
  @Option(help: ArgumentHelp("The logits.", valueName: "file")) var predictions: String
  @Option(help: "The model's name in the report.") var name: String
  @Option(help: "train, validation or test.") var split = "test"
  @Flag(name: .customLong("dry-run"), help: "Score, but write no row.") var dryRun = false

  func run() throws {
    let chosen = try DatasetChoice.choose(from: common.db, task: nil, dataset: dataset)
    let report = try Scoring(
      database: common.db, dataset: chosen.dataset.name, split: split, predictions: predictions,
      name: name
    ).run(dryRun: dryRun)
    if common.json { return try JSONOutput.print(command: "score", report) }
    printEvaluation(report, step: nil)
    Terminal.err(
      dryRun
        ? "nothing was written"
        : "Next: lra-train report --db \(shellQuoted(common.db))")
  }
}
