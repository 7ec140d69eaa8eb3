import ArgumentParser
import Console
import Foundation
import Train

/// `lra-train sweep`: tasks x models x seeds, one run each.
struct SweepCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sweep", abstract: "Train many models on many tasks, with several seeds.",
    discussion: """
      Every run is one that `lra-train train` would make, in a process of its own. The same command \
      goes on where it was stopped; runs that ended are not repeated (remove a run's folder to repeat \
      it). With --grid every model gets the same number of trials, and validation accuracy selects.
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var place: DeviceOptions
  @Option(help: "Tasks, comma separated, or all that the database holds.") var tasks = "all"
  @Option(help: "The dataset, with one task (default: the usual one of every task).")
  var dataset: String?
  @Option(help: "Models, comma separated, or all.") var models = "all"
  @Option(help: "How many seeds: 3 takes 0, 1 and 2.") var seeds = 1
  @Option(
    parsing: .singleValue,
    help: "Values to try of a recipe key: --grid optimizer.learning_rate=1e-4,3e-4 (repeatable).")
  var grid: [String] = []
  @Option(help: "What selects among the grid: validation, never test.") var select = "validation"
  @Option(help: "Runs at the same time; threads are divided among them.") var jobs = 1
  @Option(help: "A protocol (small, skyformer, modern, paper, released, demo) or a YAML file.")
  var recipe = "small"
  @Option(
    name: .customLong("set"), parsing: .singleValue, help: "Override a recipe key (repeatable).")
  var settings: [String] = []
  @Option(help: "Folder of runs.") var out = "runs"
  @Flag(name: .customLong("dry-run"), help: "List the runs and stop.") var dryRun = false

  func run() throws {
    guard select == "validation" else {
      throw Failure.usage(
        "--select \(select): models are selected by validation accuracy only",
        next: "leave --select out")
    }
    guard (1...256).contains(jobs) else {
      throw Failure.usage("--jobs is \(jobs), 1...256 allowed")
    }
    var request = Sweep.Request(database: common.db)
    request.tasks = tasks == "all" ? nil : list(tasks)
    request.dataset = dataset
    request.models = models == "all" ? nil : list(models)
    request.seeds = seeds
    request.grid = grid
    request.recipe = recipe
    request.settings = settings
    request.out = out
    let sweep = try Sweep(request)
    let printer = SweepPrinter(common, sweep)
    printer.begin(jobs: jobs)
    if dryRun { return try printer.end(sweep.status(), dryRun: true) }
    let device = try place.start()
    let threads = max(1, (place.threads ?? processorCount()) / jobs)
    let runs = try SweepRunner(
      sweep, printer, jobs: jobs, database: common.db, machine: Machine(device: device).description,
      arguments: [
        "--recipe", recipe, "--out", out, "--device", device.description, "--threads",
        String(threads),
      ] + settings.flatMap { ["--set", $0] }
    ).run()
    try printer.end(runs, dryRun: false)
    if runs.contains(where: { $0.state == .failed || !$0.state.isEnd }) { throw ExitStatus(1) }
  }
}

/// The words of a comma-separated list.
func list(_ text: String) -> [String] {
  text.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
}
