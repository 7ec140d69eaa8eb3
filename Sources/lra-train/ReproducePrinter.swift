import Console
import Datasets
import Foundation
import Train

/// Prints a published table beside ours: what will be run, the rows, what they mean.
struct ReproducePrinter {
  private let common: CommonOptions
  private let plan: ReproductionPlan

  init(_ common: CommonOptions, _ plan: ReproductionPlan) {
    self.common = common
    self.plan = plan
  }

  /// What will be run.
  func begin(jobs: Int) {
    if common.quiet { return }
    let table = plan.reproduction
    let runs = plan.sweep?.trials.count ?? 0
    Terminal.err(
      "\(table.title) · recipe \(table.protocolName) · seeds 0...\(plan.seeds - 1) · "
        + "\(Format.count(runs)) runs, \(jobs) at a time")
  }

  /// The table, or the JSON object.
  func end(_ rows: [ReproductionRow], dryRun: Bool) throws {
    let table = plan.reproduction
    let differs = table.differences(of: rows)
    if common.json {
      struct Difference: Encodable {
        let subject: String
        let words: String
      }
      struct Result: Encodable {
        let reproduction: String
        let title: String
        let recipe: String
        let seeds: Int
        let publishedRuns: Int
        let rows: [ReproductionRow]
        let differs: [Difference]
        let legend: String
      }
      return try JSONOutput.print(
        command: "reproduce",
        Result(
          reproduction: table.name, title: table.title, recipe: table.protocolName,
          seeds: plan.seeds, publishedRuns: table.publishedRuns, rows: rows,
          differs: differs.map { Difference(subject: $0.subject, words: $0.words) },
          legend: Reproduction.legend))
    }
    ReproducePrinter.rows(rows).forEach(Terminal.out)
    if common.quiet { return }
    Terminal.out("")
    for source in rows.map(\.source).uniqued() {
      ReproducePrinter.paragraph("published: \(source)", hanging: 2)
    }
    if rows.contains(where: { $0.ours != nil }) {
      ReproducePrinter.paragraph(Reproduction.legend, hanging: 2)
    }
    if !differs.isEmpty { Terminal.out("\nWhat is known to differ:") }
    for (subject, words) in differs {
      ReproducePrinter.paragraph("\(subject): \(words)", hanging: 2)
    }
    Terminal.err(
      dryRun ? "nothing was done" : "Next: lra-train report --db \(shellQuoted(common.db))")
  }

  /// A block of lines for each task: what it is on, then a line a model, with the verdict on the right.
  static func rows(_ rows: [ReproductionRow]) -> [String] {
    let tasks = rows.map(\.task).uniqued()
    let ours = Dictionary(grouping: rows, by: \.task)
    // Aligned over all tasks.
    let cells = rows.map(cells)
    let widths = (0..<4).map { column in
      max(titles[column].count, cells.map { $0[column].count }.max() ?? 0)
    }
    var lines: [String] = []
    for task in tasks {
      let own = ours[task] ?? []
      if !lines.isEmpty { lines.append("") }
      lines += Format.lines(heading(own), width: Terminal.width, hanging: 2)
      if let line = allNotRun(own) {
        lines += Format.lines(line, width: Terminal.width, indent: 2, hanging: 4)
        continue
      }
      lines.append(line(titles, widths)[0])
      for row in own { lines += line(ReproducePrinter.cells(row), widths) }
    }
    return lines
  }

  private static let titles = ["model", "published", "ours", "95 %", "verdict"]

  private static func cells(_ row: ReproductionRow) -> [String] {
    let mark = row.certainty == .memory ? "?" : ""
    let ours = row.ours.map { ours in
      percent(ours.mean) + (ours.deviation.map { " ± " + percent($0) } ?? "")
    }
    return [
      row.model, percent(row.published) + mark, ours ?? "-",
      row.ours.map { interval($0.ci95) } ?? "-", row.verdict,
    ]
  }

  private static func percent(_ share: Double) -> String { Format.fraction(share * 100, 2) }

  /// The lines of a row: the verdict wraps in its own column.
  private static func line(_ cells: [String], _ widths: [Int]) -> [String] {
    let left =
      "  " + Format.pad(cells[0], widths[0]) + "  "
      + (1..<4).map { Format.pad(cells[$0], widths[$0], right: true) }.joined(separator: "  ")
      + "  "
    let verdict = Format.lines(cells[4], width: max(20, Terminal.width - left.count))
    return verdict.enumerated().map { number, text in
      number == 0 ? left + text : String(repeating: " ", count: left.count) + text
    }
  }

  private static func heading(_ rows: [ReproductionRow]) -> String {
    guard let row = rows.first else { return "" }
    var facts = row.task == row.dataset ? [row.task] : [row.task, row.dataset]
    let examples = row.testExamples
    facts.append(
      examples.ours.map {
        "\(Format.count($0)) test examples, published \(Format.count(examples.published))"
      } ?? "published on \(Format.count(examples.published)) test examples")
    if let steps = rows.first?.steps, rows.allSatisfy({ $0.steps == steps }) {
      facts.append("\(Format.count(steps.ours ?? 0)) steps")
    }
    if let rules = rows.compactMap(\.baselines).first {
      let first = rules.firstToken.map { ", first token \(Format.percent($0))" } ?? ""
      facts.append("majority class \(Format.percent(rules.majority))\(first)")
    }
    return facts.joined(separator: " · ")
  }

  /// The same reason for all models of a task, with the published values; nil when there is another.
  private static func allNotRun(_ rows: [ReproductionRow]) -> String? {
    let verdicts = rows.map(\.verdict).uniqued()
    guard verdicts.count == 1, verdicts[0].hasPrefix("not run: ") else { return nil }
    let values = rows.map { row in
      "\(row.model) \(percent(row.published))" + (row.certainty == .memory ? "?" : "")
    }
    return "\(verdicts[0]) · published: \(values.joined(separator: ", "))"
  }

  private static func paragraph(_ text: String, hanging: Int) {
    Format.lines(text, width: Terminal.width, hanging: hanging).forEach(Terminal.out)
  }
}

extension ReproducePrinter {
  /// The built-in tables.
  static func list(_ common: CommonOptions) throws {
    struct Listed: Encodable {
      let name: String
      let title: String
      let source: String
      let certainty: Reproduction.Certainty
      let recipe: Nullable<String>
      let seeds: Int
      let tasks: [String]
      let models: [String]
      let values: Int
    }
    struct Result: Encodable {
      let reproductions: [Listed]
    }
    if common.json {
      let all = Reproduction.builtIn.map { table in
        Listed(
          name: table.name, title: table.title, source: table.source, certainty: table.certainty,
          recipe: Nullable(table.efficiency == nil ? table.protocolName : nil),
          seeds: table.seeds, tasks: table.tasks.map(\.task), models: table.modelNames,
          values: table.values.count)
      }
      return try JSONOutput.print(command: "reproduce", Result(reproductions: all))
    }
    var rows = Table([
      .text("name"), .text("table"), .text("recipe"), .number("values"), .number("runs"),
    ])
    for table in Reproduction.builtIn {
      let costs = table.efficiency
      let values = costs.map { $0.stepsPerSecond.count * $0.lengths.count } ?? table.values.count
      rows.add([
        table.name, table.title, costs == nil ? table.protocolName : "bench", String(values),
        costs == nil ? String(values * table.seeds) : "-",
      ])
    }
    Terminal.out(rows.text)
    if common.quiet { return }
    Terminal.err(
      "Next: lra-train reproduce nystromformer --only listops --dry-run "
        + "--db \(shellQuoted(common.db))")
  }

  /// A table of costs beside what was measured.
  static func costs(
    _ common: CommonOptions, _ table: Reproduction, _ found: EfficiencyComparison
  ) throws {
    if common.json {
      struct Result: Encodable {
        let reproduction: String
        let title: String
        let machine: String
        let rows: [EfficiencyComparison.Row]
      }
      return try JSONOutput.print(
        command: "reproduce",
        Result(
          reproduction: table.name, title: table.title, machine: found.machine, rows: found.rows))
    }
    func ratio(_ value: Double?) -> String { value.map { "×" + Format.fraction($0, 2) } ?? "-" }
    var rows = Table([
      .text("model"), .number("length"), .number("speed, published"), .number("ours"),
      .number("memory, published"), .number("ours"), .number("steps/s"),
    ])
    for row in found.rows {
      rows.add([
        row.model, Format.count(row.length), ratio(row.published.speedRatio),
        ratio(row.ours?.speedRatio), ratio(row.published.memoryRatio), ratio(row.ours?.memoryRatio),
        row.ours.map { Format.fraction($0.stepsPerS, 2) } ?? "-",
      ])
    }
    Terminal.out(rows.text)
    if common.quiet { return }
    Terminal.out("")
    let lines = [
      "published: \(table.source)",
      "ratios to the Transformer at the same length; ours on \(found.machine). Hardware, batch and "
        + "precision differ: nothing here agrees or differs",
    ]
    for line in lines + table.differs { paragraph(line, hanging: 2) }
  }
}
