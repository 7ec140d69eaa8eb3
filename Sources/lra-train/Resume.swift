import ArgumentParser
import Console
import Train

/// `lra-train resume RUN`: goes on from the last checkpoint.
struct Resume: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Go on with a run from its last checkpoint.",
    discussion:
      "The steps that follow are those of an uninterrupted run, bit for bit on the same machine.")

  @OptionGroup var common: CommonOptions
  @OptionGroup var place: DeviceOptions
  @Argument(help: ArgumentHelp("The run's folder.", valueName: "run")) var folder: String
  @Option(help: "Train until this many steps instead of the recipe's.") var steps: Int?

  func run() throws {
    var found = try Run(folder)
    if let steps, steps != found.recipe.train.numTrainSteps {
      found = try found.extended(to: steps)
    }
    try found.recipe.check()
    if let result = RunResult.read(found.folder), result.step == found.recipe.train.numTrainSteps {
      return try RunPrinter(common, found.recipe).alreadyDone(result)
    }
    try train(found.recipe, in: found.folder, common, device: place.start())
  }
}
