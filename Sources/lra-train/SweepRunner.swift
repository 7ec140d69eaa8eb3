import Console
import Foundation
import Train

/// Runs the trials of a sweep in child processes, a few at a time, until the end or a signal.
final class SweepRunner {
  private let sweep: Sweep
  private let printer: SweepPrinter
  private let jobs: Int
  private let database: String
  private let machine: String
  private let arguments: [String]
  private let interruption = Interruption()
  private var running: [(trial: Int, child: ChildRun)] = []
  private var states: [SweepRun]

  init(
    _ sweep: Sweep, _ printer: SweepPrinter, jobs: Int, database: String, machine: String,
    arguments: [String]
  ) {
    self.sweep = sweep
    self.printer = printer
    self.jobs = jobs
    self.database = database
    self.machine = machine
    self.arguments = arguments
    states = sweep.trials.map { $0.status() }
  }

  /// Trains what is not done.
  ///
  /// - Returns: how every run stands.
  /// - Throws: `interrupted` after a signal; `disk_full` when a run met it.
  func run() throws -> [SweepRun] {
    var waiting = states.indices.filter { !states[$0].state.isEnd }
    printer.resumed(states)
    var asked = false
    var full: Failure?
    while !running.isEmpty || (!waiting.isEmpty && !interruption.isRequested && full == nil) {
      while running.count < jobs, !waiting.isEmpty, !interruption.isRequested, full == nil {
        let trial = waiting.removeFirst()
        running.append((trial, try ChildRun(command(of: sweep.trials[trial]))))
      }
      if interruption.isRequested && !asked {
        for (_, child) in running { child.stop(SIGTERM) }
        asked = true
      }
      for (trial, child) in running where !child.isRunning {
        running.removeAll { $0.trial == trial }
        if let failure = try end(trial, child) { full = failure }
        printer.ended(states[trial], done: states.count { $0.state.isEnd })
      }
      printer.progress(running.map { sweep.trials[$0.trial] }, states)
      usleep(50_000)
    }
    printer.clear()
    if let full { throw full }
    if interruption.isRequested { throw interrupted() }
    return Sweep.selecting(states)
  }

  private func command(of trial: Sweep.Trial) -> [String] {
    [
      "train", "--db", database, "--task", trial.task, "--dataset", trial.dataset, "--model",
      trial.model, "--seed", String(trial.seed), "--json", "--quiet",
      "--end-with-parent",
    ] + arguments + trial.point.flatMap { ["--set", $0] }
  }

  /// Reads how a run ended; a full disk is returned, since it would stop the others too.
  private func end(_ trial: Int, _ child: ChildRun) throws -> Failure? {
    let problem = ChildRun.problem(in: child.wait())
    states[trial] = sweep.trials[trial].status()
    if states[trial].state.isEnd { return nil }
    if let signal = child.signalNumber {
      states[trial].state = .interrupted
      states[trial].message = "ended by signal \(signal): out of memory?"
      return nil
    }
    states[trial].message = problem?.message ?? "it ended without a result"
    switch (problem?.code, problem?.exit) {
    case ("interrupted", _):
      states[trial].state = .interrupted
      states[trial].message = nil
    case ("disk_full", let exit?):
      states[trial].state = .interrupted
      return Failure(
        exitCode: exit, codeName: "disk_full", problem?.message ?? "the disk is full",
        next: problem?.next)
    case (_, 4?), (_, 6?), (_, 7?):  // what is wrong is not the run itself
      states[trial].state = .failed
    default:
      let state: SweepRun.State = problem?.code == "diverged" ? .diverged : .failed
      try sweep.trials[trial].record(
        state, states[trial].message ?? "", database: database, machine: machine)
      states[trial].state = state
    }
    return nil
  }

  private func interrupted() -> Failure {
    let done = states.count { $0.state.isEnd }
    return Failure(
      exitCode: interruption.exitCode, codeName: "interrupted",
      "interrupted: \(done) of \(states.count) runs are done, the others are safe in their folders")
  }
}
