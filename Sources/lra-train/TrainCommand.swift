import ArgumentParser
import Console
import Foundation
import Tensors
import Train

/// `lra-train [train]`: a new run, or the rest of one that was interrupted.
struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train", abstract: "Train a model (the default command).",
    discussion: """
      The run's folder is named after task, model, recipe and seed. The same command goes on with a run that
      was interrupted, and does nothing when it is finished. Several processes, started by torchrun \
      --no-python or srun, share every batch: the result is the same up to rounding.
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var place: DeviceOptions
  @Option(help: "The task (default: the only one in the database).") var task: String?
  @Option(help: "The dataset (default: the only one of the task).") var dataset: String?
  @Option(help: "The model; see: lra-train models.") var model: String?
  @Option(help: "A protocol (small, skyformer, modern, paper, released, demo) or a YAML file.")
  var recipe = "small"
  @Option(
    name: .customLong("set"), parsing: .singleValue,
    help: "Override a recipe key: --set train.batch_size=16 (repeatable).") var settings: [String] =
      []
  @Option(help: "Seed of weights, order and dropout (default: the recipe's, 0).") var seed: Int?
  @Option(help: "float32, bfloat16 or float64 (default: the recipe's).") var precision: String?
  @Option(help: "Folder of runs.") var out = "runs"
  @Flag(name: .customLong("dry-run"), help: "Print the resolved recipe and stop.") var dryRun =
    false
  @Flag(name: .customLong("end-with-parent"), help: .hidden) var endWithParent = false

  func run() throws {
    let choice = try DatasetChoice.choose(from: common.db, task: task, dataset: dataset)
    var request = RecipeRequest(task: choice.task)
    request.dataset = choice.dataset
    request.recipe = recipe
    request.model = model
    request.seed = seed
    request.precision = precision
    request.settings = settings
    let resolved = try request.resolve(note: Terminal.err)
    try resolved.check()
    if dryRun { return try printPlan(resolved) }
    let (device, group) = try place.join()
    let (folder, _) = try group.firstAlone { try RunFolder.make(for: resolved, under: out) }
    let printer = RunPrinter(common, resolved, database: common.db, rank: group.rank)
    if let result = try folder.result(of: resolved, in: common.db) {
      return try printer.alreadyDone(result)
    }
    try train(
      resolved, in: folder, database: common.db, printer, device: device, group: group,
      endWithParent: endWithParent)
  }

  private func printPlan(_ recipe: Recipe) throws {
    let folder = RunFolder.of(recipe, under: out).path
    if common.json {
      struct Plan: Encodable {
        let run: String
        let recipe: String
        let recipeDigest: String
        let groups: [GroupDescription]
      }
      return try JSONOutput.print(
        command: "train",
        Plan(
          run: folder, recipe: recipe.yaml, recipeDigest: recipe.digestText,
          groups: recipe.groupDescriptions()))
    }
    Terminal.write(recipe.yaml, to: .output)
    Terminal.err("nothing was done; the run would be \(folder)")
  }
}

/// Trains in a folder until the end or a signal, showing progress.
func train(
  _ recipe: Recipe, in folder: RunFolder, database: String, _ printer: RunPrinter, device: Device,
  group: ProcessGroup, endWithParent: Bool = false
) throws {
  let interruption = Interruption()
  if endWithParent { interruption.endWithParent() }
  let data = try RunData(recipe, database: database)
  let trainer = try Trainer(recipe, in: folder, data: data, device: device, group: group)
  printer.begin(trainer, device: device, processes: group.world)
  do {
    let result = try trainer.run(isCancelled: { interruption.isRequested }, report: printer.show)
    try printer.end(result)
    printer.finish(result)
  } catch let error as TrainError where error.code == .interrupted {
    printer.clear()
    let exitCode = Interruption.exitCode(of: group.signal(interruption.signalNumber) ?? SIGINT)
    if group.rank > 0 { throw ExitStatus(exitCode) }  // the first process says it
    throw Failure(
      exitCode: exitCode, codeName: "interrupted", error.message, path: error.path,
      position: error.position, next: error.next)
  } catch {
    printer.clear()
    throw error
  }
}

/// The processors this process may use.
func processorCount() -> Int { max(1, ProcessInfo.processInfo.activeProcessorCount) }

extension ProcessGroup {
  /// The signal that ended the work, whichever process it came to; that of the first one when several got
  /// theirs, this process's own when others are gone.
  fileprivate func signal(_ own: Int32?) -> Int32? {
    let mine = (0..<world).map { $0 == rank ? Double(own ?? 0) : 0 }
    let all = (try? sum(mine)) ?? mine
    return all.first { $0 > 0 }.map { Int32($0) }
  }
}
