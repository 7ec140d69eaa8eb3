import ArgumentParser
import Console
import Train

/// `lra-train predict RUN`: a checkpoint's logits on a split, for other tools.
struct Predict: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a checkpoint's logits on a split as an npy file.",
    discussion: "float32 [examples, classes], row i belongs to example i of the split.")

  @OptionGroup var common: CommonOptions
  @OptionGroup var place: DeviceOptions
  @Argument(help: ArgumentHelp("The run's folder.", valueName: "run")) var folder: String
  @Option(help: "train, validation or test.") var split = "test"
  @Option(help: "best, last or a step.") var checkpoint = "best"
  @Option(help: "The file to write.") var out = "logits.npy"
  @OptionGroup var batches: BatchOptions

  @Flag(name: .customLong("dry-run"), help: "Say what would be written and stop.") var dryRun =
    false

  func run() throws {
    if dryRun { return try printPlan() }
    let found = try Run(folder, note: Terminal.err)
    let database = try found.database(common.namedDatabase)
    let device = try place.start()
    let prediction = try found.predict(
      checkpoint: checkpoint, split: split, to: out, database: database,
      batchSize: batches.size(), device: device)
    if common.json { return try JSONOutput.print(command: "predict", prediction) }
    Terminal.out(
      "\(prediction.out)  \(Format.count(prediction.shape[0])) x \(prediction.shape[1]) float32  "
        + "sha256 \(prediction.digest)")
    Terminal.err("Next: python3 -c \"import numpy; print(numpy.load('\(out)').argmax(1))\"")
  }

  private func printPlan() throws {
    struct Plan: Encodable {
      let out: String
      let split: String
      let step: Int
    }
    let plan = Plan(out: out, split: split, step: try Run(folder).checkpoint(checkpoint).state.step)
    if common.json { return try JSONOutput.print(command: "predict", plan) }
    Terminal.out("would write \(out): logits of step \(Format.count(plan.step)) on \(split)")
  }
}
