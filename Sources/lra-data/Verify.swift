import ArgumentParser
import Console
import Datasets

/// `verify`: every example against its digests.
struct Verify: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Check every example against its digests; repair what can be made again.",
    discussion: "Exit 0 when nothing is damaged, or no longer after --repair; else 3.")

  @Argument(help: "Datasets to check; all when none is named.")
  var names: [String] = []
  @Flag(help: "Sizes of files and numbers of rows only.")
  var quick = false
  @Flag(help: "Hashes, checksums and content digests too (the default).")
  var full = false
  @Flag(help: "Put damaged shards into quarantine and make them again from the seed.")
  var repair = false
  @Flag(help: "With --repair: say what is damaged, and change nothing.")
  var dryRun = false
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var common: CommonOptions

  func validate() throws {
    if quick && full { throw ValidationError("--quick and --full exclude each other") }
  }

  func run() throws {
    let line = ProgressLine(quiet: common.quiet)
    var options = VerifyOptions()
    // Quick checks cannot say which shards must be made again.
    options.depth = quick && !repair ? .quick : .full
    options.repair = repair && !dryRun
    options.threads = threads.count
    options.cancellation = Signals.listen()
    options.progress = { line.show($0, done: $1, of: $2) }
    let report = try common.store.verify(names, options)
    line.clear()
    try common.print("verify", VerifyJSON(report)) { VerifyText(report).text }
    hint(report)
    if report.foundDamage { throw ExitStatus(3) }
  }

  private func hint(_ report: VerifyReport) {
    guard !common.json, !common.quiet else { return }
    let hasOrphans = report.datasets.contains { !$0.orphans.isEmpty }
    if !report.foundDamage && !hasOrphans {
      let canTrain = report.datasets.contains { $0.complete }
      return canTrain ? common.next("lra-train \(common.dbWord)") : ()
    }
    let command = "lra-data verify --repair \(common.dbWord)"
    if !report.indexOK && report.datasets.isEmpty {
      Terminal.err("Move \(common.db) aside and make its datasets again with their gen commands")
    } else if report.foundDamage {
      let damaged = report.datasets.filter { !$0.damaged.isEmpty }
      let converted = damaged.filter(\.canConvert).map(\.name).joined(separator: ", ")
      if !converted.isEmpty, repair, !dryRun {
        Terminal.err(
          "Run the convert command that made \(converted) again: it makes what is missing")
      } else if !converted.isEmpty {
        Terminal.err("Repair with: \(command)        (then the convert command of \(converted))")
      } else if !damaged.contains(where: \.canRepair) {
        Terminal.err(
          "The index does not say how the data was made: make it again in a new database")
      } else if !repair || dryRun {
        Terminal.err("Repair with: \(command)        (regenerates them from seed)")
      }
    } else if hasOrphans {
      Terminal.err("Put them into quarantine with: \(command)")
    }
  }
}
