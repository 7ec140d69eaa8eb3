import Datasets
import Foundation

/// The page that shows what was run: one static file without scripts or anything from elsewhere.
///
/// Every number is from a row of the database, a run's folder or a measurement that was named; only
/// the published values beside them come from tables of the program or files that were named. The same
/// input gives the same bytes.
public struct Report: Sendable {
  /// The database.
  public var database: String
  /// The folder of the page.
  public var out: String
  /// The folder of runs whose rows the index may not have yet.
  public var runs: String
  /// Files that `bench --json` printed.
  public var benches: [String]
  /// Published tables beside the built-in ones, as `Reproduction.open` takes them.
  public var reproductions: [String]

  /// A report of a database's runs.
  public init(
    database: String, out: String, runs: String = "runs", benches: [String] = [],
    reproductions: [String] = []
  ) {
    self.database = database
    self.out = out
    self.runs = runs
    self.benches = benches
    self.reproductions = reproductions
  }

  /// What `report` prints.
  public struct Outcome: Encodable, Sendable {
    /// The page.
    public var out: String
    /// How many runs it shows.
    public var runs: Int
    /// Its size.
    public var bytes: Int
    /// Names of runs of other data than the database holds now, which it does not show.
    public var stale: [String]
  }

  /// Makes the page.
  ///
  /// - Throws: what reading the database throws; `usage` and `malformed` for a file of measurements or
  ///   a published table that is none; `diskFull`, `failure`.
  public func write(dryRun: Bool = false) throws -> Outcome {
    let named = try reproductions.map { try Reproduction.open($0) }
    for table in named { _ = try ReproductionPlan(.init(table, database: database)) }
    let data = try ReportData(
      database: database, folder: runs, benches: benches.map { try BenchFile(reading: $0) },
      reproductions: Reproduction.builtIn.filter { !named.contains($0) } + named)
    let page = Array(ReportPage(data).markup.text.utf8)
    let path = out + "/index.html"
    if !dryRun {
      try Publication.makeFolder(out)
      try Publication.publish(path) { try $0.write(page) }
    }
    return Outcome(
      out: path, runs: data.runs.count, bytes: page.count,
      stale: data.stale.map(\.name))
  }
}

/// The page from top to bottom.
struct ReportPage {
  let data: ReportData

  init(_ data: ReportData) { self.data = data }

  var markup: Markup {
    let charts = Charts(data)
    return """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <meta name="color-scheme" content="light dark">
      <title>Long Range Arena: \(count(data.runs.count, "run"))</title>
      <style>\(ReportStyle.css)</style>
      </head>
      <body>
      <header><h1>Long Range Arena</h1>
      \(what)</header>
      <main>
      \(section("Leaderboard", Leaderboard(data).markup(data.columns.map { TrivialRules($0, data) })))
      \(section("Reproductions", ReproductionSection(data: data).markup))
      \(section("Speed, accuracy and memory", figures(charts.bubbles(), "No run has ended yet.")))
      \(section("Cost by length", CostSection(data: data).markup))
      \(section("Training", figures(charts.curves() + charts.losses(), "No run was evaluated yet.")))
      \(section("Required attention span", figures(charts.spans(), spanHint)))
      \(section("Data", DataSection(data: data).markup))
      \(section("Runs", RunsSection(data: data).markup))
      </main>
      <footer><p>Made by lra-train report from \(data.database). Accuracies of others are published \
      values, named where they stand.</p></footer>
      </body>
      </html>

      """
  }

  private let spanHint = "No run has a span yet: lra-train span RUN."

  private func section(_ title: String, _ content: Markup) -> Markup {
    "<section class=\"part\"><h2>\(title)</h2>\n\(content)\n</section>"
  }

  private func figures(_ list: [Markup], _ none: String) -> Markup {
    list.isEmpty ? "<p>\(none)</p>" : "<div class=\"figures\">\(list)</div>"
  }

  /// What was run, where, and on which data.
  private var what: Markup {
    let own = data.runs.filter { !$0.isScored }
    let models = Set(own.map(\.model)).count
    let seeds = Set(own.map(\.record.seed)).count
    let summary: String = [
      count(data.runs.count, "run"), count(models, "model"),
      count(data.columns.count, "dataset"), count(seeds, "seed"),
    ].joined(separator: " · ")
    let found: [String] = RunRecord.State.allCases.compactMap { state -> String? in
      let number = data.runs.count { $0.record.state == state }
      return number > 0 ? "\(number) \(state.rawValue)" : nil
    }
    let states: String = found.isEmpty ? "" : ": \(found.joined(separator: ", "))"
    let machines = own.map(\.record.machine).uniqued()
    let digests = data.columns.map { name -> Markup in
      let found = Set(
        data.runs.filter { $0.record.dataset == name }.map { Digest.hex($0.record.contentDigest) })
      let codes = found.sorted().map { "<code class=\"digest\">\($0)</code> " as Markup }
      return "<dt>\(name)</dt><dd>\(codes)</dd>"
    }
    let places = machines.map { "<dt>machine</dt><dd>\($0)</dd>" as Markup }
    return "<p>\(summary)\(states)</p>\n<dl>\(places)\(digests)</dl>"
  }
}
