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

  @Flag(name: .customLong("dry-run"), help: "Say what would be done and stop.") var dryRun = false

  func run() throws {
    if dryRun { return try printPlan(Run(folder)) }
    let (device, group) = try place.join()
    let found = try group.firstAlone {
      let found = try Run(folder, note: Terminal.err)
      let wanted = steps ?? found.recipe.train.numTrainSteps
      return wanted == found.recipe.train.numTrainSteps ? found : try found.extended(to: wanted)
    }
    try found.recipe.check()
    let database = try found.database(common.namedDatabase)
    let printer = RunPrinter(common, found.recipe, database: database, rank: group.rank)
    if let result = try found.folder.result(of: found.recipe, in: database) {
      return try printer.alreadyDone(result)
    }
    try train(
      found.recipe, in: found.folder, database: database, printer, device: device, group: group)
  }

  private func printPlan(_ found: Run) throws {
    struct Plan: Encodable {
      let run: String
      let from: Int
      let to: Int
    }
    let plan = Plan(
      run: found.folder.path, from: found.folder.checkpointSteps().last ?? 0,
      to: steps ?? found.recipe.train.numTrainSteps)
    if common.json { return try JSONOutput.print(command: "resume", plan) }
    Terminal.out(
      "\(plan.run) would go on from step \(Format.count(plan.from)) to \(Format.count(plan.to))")
  }
}
