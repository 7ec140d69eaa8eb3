import Console
import Datasets
import Foundation
import Train

/// Prints a sweep as it goes on: what will be done, runs as they end, the table.
struct SweepPrinter {
  private let common: CommonOptions
  private let sweep: Sweep
  private let showsSettings: Bool
  private let line: ProgressLine

  /// - Parameter showsSettings: whether a run that ended is named with its settings, as where several
  ///   are tried.
  init(_ common: CommonOptions, _ sweep: Sweep, showsSettings: Bool = true) {
    self.common = common
    self.sweep = sweep
    self.showsSettings = showsSettings
    line = ProgressLine(quiet: common.quiet)
  }

  /// What will be done, and what cannot be.
  func begin(jobs: Int) {
    if common.quiet { return }
    let tasks = sweep.trials.map(\.task).uniqued()
    let models = sweep.trials.map(\.model).uniqued()
    let trials = sweep.trialsPerModel
    Terminal.err(
      "\(counted(tasks.count, "task")) · \(counted(models.count, "model")) · "
        + "\(counted(trials, "trial")) per model and task · "
        + "\(counted(sweep.trials.count, "run")), \(jobs) at a time")
    if !sweep.withoutDataset.isEmpty {
      Terminal.err(
        "left out, without a dataset in \(common.db): "
          + sweep.withoutDataset.joined(separator: ", "))
    }
    for unfit in sweep.unfit {
      Terminal.err("left out: \(unfit.model) on \(unfit.task): \(unfit.reason)")
    }
  }

  /// Runs that ended before.
  func resumed(_ runs: [SweepRun]) {
    let done = runs.count { $0.state.isEnd }
    let begun = runs.count { $0.state == .interrupted }
    if common.quiet || done + begun == 0 { return }
    Terminal.err("\(done) of \(runs.count) done before, \(begun) begun")
  }

  /// A run that ended.
  func ended(_ run: SweepRun, done: Int) {
    if common.quiet { return }
    line.clear()
    var text = "\(done)/\(sweep.trials.count)  \(name(run))  \(run.state.rawValue)"
    if let validation = run.validation { text += "  validation \(Format.percent(validation))" }
    if let test = run.test { text += "  test \(Format.percent(test))" }
    if let message = run.message { text += "  \(message.split(separator: "\n")[0])" }
    Terminal.err(text)
  }

  /// How far the runs are that are going on.
  func progress(_ trials: [Sweep.Trial], _ runs: [SweepRun]) {
    line.show {
      let done = runs.count { $0.state.isEnd }
      let going = trials.map { trial in
        "\(trial.task) \(trial.model) \(trial.seed)  \(Format.count(trial.lastStep()))/"
          + Format.count(trial.recipe.train.numTrainSteps)
      }
      let text = "\(done)/\(runs.count) done  \(going.joined(separator: " · "))"
      return String(text.prefix(Terminal.width - 1))
    }
  }

  /// Removes the progress line.
  func clear() { line.clear() }

  /// The table of all runs, or the JSON object.
  func end(_ runs: [SweepRun], dryRun: Bool) throws {
    if common.json {
      struct Unfit: Encodable {
        let task: String
        let model: String
        let reason: String
      }
      struct Result: Encodable {
        let runs: [SweepRun]
        let trialsPerModel: Int
        let withoutDataset: [String]
        let leftOut: [Unfit]
      }
      return try JSONOutput.print(
        command: "sweep",
        Result(
          runs: runs, trialsPerModel: sweep.trialsPerModel, withoutDataset: sweep.withoutDataset,
          leftOut: sweep.unfit.map { Unfit(task: $0.task, model: $0.model, reason: $0.reason) }))
    }
    let withGrid = runs.contains { !$0.settings.isEmpty }
    Terminal.out(table(runs, withGrid: withGrid))
    if dryRun { return Terminal.err("nothing was done") }
    let states = runs.map(\.state.rawValue).uniqued()
    let counts = states.map { state in "\(runs.count { $0.state.rawValue == state }) \(state)" }
    Terminal.out(
      "\(counted(runs.count, "run")): \(counts.joined(separator: ", ")) · "
        + "\(counted(sweep.trialsPerModel, "trial")) per model and task"
        + (withGrid ? ", selected by validation accuracy" : ""))
    Terminal.err("Next: lra-train report --db \(shellQuoted(common.db))")
  }

  private func table(_ runs: [SweepRun], withGrid: Bool) -> String {
    var columns: [Table.Column] = [.text("task"), .text("model")]
    if withGrid { columns.append(.text("settings")) }
    columns += [.number("seed"), .text("state"), .number("validation"), .number("test")]
    if withGrid { columns.append(.text("")) }
    var table = Table(columns)
    for run in runs.enumerated().sorted(by: inTable).map(\.element) {
      var cells: [String] = [run.task, run.model]
      if withGrid { cells.append(run.settings.joined(separator: " ")) }
      cells += [String(run.seed), run.state.rawValue]
      cells.append(run.validation.map { Format.percent($0) } ?? "-")
      cells.append(run.test.map { Format.percent($0) } ?? "-")
      if withGrid { cells.append(run.selected ? "selected" : "") }
      table.add(cells)
    }
    return table.text
  }

  private func inTable(
    _ one: (offset: Int, element: SweepRun), _ other: (offset: Int, element: SweepRun)
  ) -> Bool {
    let tasks = sweep.trials.map(\.task)
    let models = sweep.trials.map(\.model)
    func key(_ entry: (offset: Int, element: SweepRun)) -> (Int, Int, Int) {
      let task = tasks.firstIndex(of: entry.element.task) ?? 0
      let model = models.firstIndex(of: entry.element.model) ?? 0
      return (task, model, entry.offset)
    }
    return key(one) < key(other)
  }

  private func name(_ run: SweepRun) -> String {
    ([run.task, run.model] + (showsSettings ? run.settings : []) + ["seed \(run.seed)"])
      .joined(separator: " ")
  }

  private func counted(_ count: Int, _ noun: String) -> String {
    "\(Format.count(count)) \(noun)\(count == 1 ? "" : "s")"
  }
}
