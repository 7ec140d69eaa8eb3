import ArgumentParser
import Console
import Foundation
import Train

/// `lra-train reproduce`: a sweep that knows which published values it is to reach.
struct Reproduce: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Rerun a published table and compare: published, ours with its interval, verdict.",
    discussion: """
      Without a name it lists the tables (reproductions/ holds their files: values, sources, what is known \
      to differ, and what reruns them). A row is run on the dataset that the table names, with every seed, \
      in processes of their own as lra-train sweep does; the same command goes on where it was stopped, and \
      only prints when all is done. A table of costs is compared with --bench instead.
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var place: DeviceOptions
  @Argument(help: "A built-in table or the path of a YAML file like those in reproductions/.")
  var name: String?
  @Option(parsing: .singleValue, help: "Tasks, comma separated (repeatable; default: all of it).")
  var only: [String] = []
  @Option(help: "Models, comma separated (default: all of it).") var models: String?
  @Option(help: "How many seeds: 3 takes 0, 1 and 2 (default: the table's).") var seeds: Int?
  @Option(
    parsing: .singleValue,
    help: "A dataset in the place of the usual one of its task (repeatable); the verdict says so.")
  var dataset: [String] = []
  @Option(
    name: .customLong("set"), parsing: .singleValue,
    help: "Override a recipe key (repeatable); the verdict says so.")
  var settings: [String] = []
  @Option(help: "Runs at the same time; threads are divided among them.") var jobs = 2
  @Option(help: "Folder of runs.") var out = "runs"
  @Option(help: "What lra-train bench --json printed, for a table of costs.") var bench: String?
  @Flag(name: .customLong("dry-run"), help: "Show the table as it stands and stop.") var dryRun =
    false

  func run() throws {
    guard (1...256).contains(jobs) else {
      throw Failure.usage("--jobs is \(jobs), 1...256 allowed")
    }
    guard let name else { return try ReproducePrinter.list(common) }
    let table = try Reproduction.open(name)
    if let bench {
      return try ReproducePrinter.costs(
        common, table, try EfficiencyComparison(table, bench: bench))
    }
    let plan = try ReproductionPlan(request(table))
    let printer = ReproducePrinter(common, plan)
    if dryRun {
      printer.begin(jobs: jobs)
      return try printer.end(plan.table(), dryRun: true)
    }
    let sweep = try plan.requireRuns(in: common.db)
    printer.begin(jobs: jobs)
    let device = try place.start()
    let threads = max(1, (place.threads ?? processorCount()) / jobs)
    let runs = try SweepRunner(
      sweep, SweepPrinter(common, sweep, showsSettings: false), jobs: jobs, database: common.db,
      machine: Machine(device: device).description,
      arguments: [
        "--recipe", table.protocolName, "--out", out, "--device", device.description, "--threads",
        String(threads),
      ]
    ).run()
    try printer.end(plan.table(runs), dryRun: false)
    if runs.contains(where: { $0.state == .failed || !$0.state.isEnd }) { throw ExitStatus(1) }
  }

  private func request(_ table: Reproduction) -> ReproductionPlan.Request {
    var request = ReproductionPlan.Request(table, database: common.db)
    request.tasks = only.isEmpty ? nil : only.flatMap { list($0) }
    request.models = models.map { list($0) }
    request.seeds = seeds
    request.datasets = dataset
    request.settings = settings
    request.out = out
    return request
  }
}
