import ArgumentParser
import Console
import Train

/// `lra-train report`: the page that shows what was run.
struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report", abstract: "Write a page of all runs: index.html, static, one file.",
    discussion: """
      Leaderboard beside published values, reproductions with their verdicts, speed against accuracy, cost by length, curves, attention \
      span, data, and every run with the command that repeats it. No scripts, nothing from elsewhere.
      """)

  @OptionGroup var common: CommonOptions
  @Option(help: "The folder of the page.") var out = "report"
  @Option(help: "Folder of runs, for those whose rows the index does not have yet.") var runs =
    "runs"
  @Option(
    parsing: .singleValue,
    help: ArgumentHelp(
      "What lra-train bench --json printed, for cost by length (repeatable).", valueName: "file"))
  var bench: [String] = []
  @Option(
    parsing: .singleValue,
    help: ArgumentHelp(
      "A published table of your own, as lra-train reproduce takes it (repeatable).",
      valueName: "file"))
  var reproduction: [String] = []
  @Flag(name: .customLong("dry-run"), help: "Make the page, but write nothing.") var dryRun = false

  func run() throws {
    let outcome = try Report(
      database: common.db, out: out, runs: runs, benches: bench, reproductions: reproduction
    ).write(dryRun: dryRun)
    if !outcome.stale.isEmpty {
      Terminal.err(
        "not shown, since their data is not what \(common.db) holds now: "
          + outcome.stale.joined(separator: ", "))
    }
    if common.json { return try JSONOutput.print(command: "report", outcome) }
    Terminal.out(
      "\(dryRun ? "would write " : "")\(outcome.out)  \(Format.count(outcome.runs)) runs  "
        + Format.bytes(outcome.bytes))
    if outcome.runs == 0 && !common.quiet {
      Terminal.err("Next: lra-train --db \(shellQuoted(common.db))")
    }
  }
}
