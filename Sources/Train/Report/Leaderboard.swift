import Datasets

/// The table of tasks and models, the best first: ours, the published value beneath, trivial rules as rows.
struct Leaderboard {
  /// The tasks of the paper's average.
  static let fiveTasks = TaskDescription.benchmark.filter(\.isAveraged).map(\.name)

  private struct Row {
    let model: String
    let protocolName: String
    /// By dataset, the selected group and how many there are.
    var cells: [String: (group: RunGroup, of: Int)] = [:]

    /// The sum of its accuracies: what is not there counts as nothing.
    var total: Double { cells.values.reduce(0) { $0 + ($1.group.meanTest ?? 0) } }
  }

  private let data: ReportData
  private let columns: [String]
  private let rows: [Row]

  init(_ data: ReportData) {
    self.data = data
    columns = data.columns
    var rows: [Row] = []
    for group in data.groups {
      let place = rows.firstIndex {
        $0.model == group.model && $0.protocolName == group.protocolName
      }
      let index = place ?? rows.count
      if place == nil { rows.append(Row(model: group.model, protocolName: group.protocolName)) }
      let old = rows[index].cells[group.dataset]
      let isBetter = (group.meanValidation ?? -1) > (old?.group.meanValidation ?? -1)
      rows[index].cells[group.dataset] = (
        old == nil || isBetter ? group : old?.group ?? group, (old?.of ?? 0) + 1
      )
    }
    // The best first; equal ones as they were begun.
    self.rows = rows.enumerated()
      .sorted { ($1.element.total, $0.offset) < ($0.element.total, $1.offset) }.map(\.element)
  }

  /// The table, or a sentence when there are no runs.
  func markup(_ rules: [TrivialRules]) -> Markup {
    guard !rows.isEmpty else { return "<p>No runs yet.</p>" }
    let heads = columns.map { name in
      "<th scope=\"col\">\(title(name))<br><small>\(name)</small></th>" as Markup
    }
    let body = rows.map { row in
      let cells = columns.map { cell(row, $0) }
      let note: Markup =
        row.protocolName == "elsewhere" ? "trained elsewhere" : "recipe \(row.protocolName)"
      return """
        <tr><th scope="row">\(row.model)<br><small>\(note)</small></th>\(cells)\
        \(average(row, failures: false))\(average(row, failures: true))</tr>

        """ as Markup
    }
    return """
      <div class="wide"><table class="board">
      <thead><tr><th scope="col">model</th>\(heads)<th scope="col">average of 5</th>\
      <th scope="col">average of 6<br><small>failure as 50</small></th></tr></thead>
      <tbody>\(body)</tbody>
      <tbody class="rules">\(rulesRows(rules))</tbody>
      </table></div>
      \(notes)
      """
  }

  private func title(_ dataset: String) -> String {
    let task = data.datasets.first { $0.summary.name == dataset }?.summary.task
    return TaskDescription.named(ReportData.column(of: dataset) ?? task ?? "")?.title ?? task
      ?? "Dataset"
  }

  private func cell(_ row: Row, _ dataset: String) -> Markup {
    let published = ReportData.column(of: dataset).flatMap {
      PublishedResults.of(protocol: row.protocolName).value(row.model, $0)
    }
    let below: Markup =
      published.map { "<br><span class=\"published\">\($0.fixed(2))</span>" } ?? ""
    guard let (group, count) = row.cells[dataset] else { return "<td>–\(below)</td>" }
    var text: Markup
    if let mean = group.meanTest {
      text = "<b>\((mean * 100).fixed(2))</b>"
      if let deviation = group.deviation {
        text += " ± \((deviation * 100).fixed(2)) <small>(\(group.tests.count))</small>"
      } else if let ci = group.runs.compactMap(\.result).first?.best.ci95 {
        text += " <small>\(ci[0].percentText)–\(ci[1].percentText)</small>"
      }
    } else {
      text = "–"
    }
    let bad = Set(group.runs.map(\.record.state)).subtracting([.finished])
    for state in RunRecord.State.allCases where bad.contains(state) {
      let number = group.runs.count { $0.record.state == state }
      let share: Markup = group.runs.count > 1 ? " \(number)/\(group.runs.count)" : ""
      text += " <span class=\"state\">\(state.rawValue)\(share)</span>"
    }
    if !group.isPlain || count > 1 { text += "<sup>*</sup>" }
    if let test = group.firstToken {
      let side = test.onlyModel > test.onlyOther ? "above" : "not above"
      text += "<br><small>\(side) first token, \(test.text)</small>"
    }
    return "<td>\(text)\(below)</td>"
  }

  /// The mean of a row over LRA's tasks; nil until all are there.
  private func mean(_ row: Row, failures: Bool) -> Double? {
    let wanted = Leaderboard.fiveTasks + (failures ? ["pathx"] : [])
    var sum = 0.0
    for task in wanted {
      let name = columns.first { ReportData.column(of: $0) == task }
      guard let group = name.flatMap({ row.cells[$0]?.group }) else { return nil }
      let failed = task == "pathx" && !group.runs.contains { $0.record.state == .finished }
      guard let value = failed ? 0.5 : group.meanTest else { return nil }
      sum += value * 100
    }
    return sum / Double(wanted.count)
  }

  private func average(_ row: Row, failures: Bool) -> Markup {
    let ours = mean(row, failures: failures)
    let results = PublishedResults.of(protocol: row.protocolName)
    let published =
      failures ? results.averageOfSix(row.model) : results.averageOfFive(row.model)
    let below: Markup =
      published.map { "<br><span class=\"published\">\($0.fixed(2))</span>" } ?? ""
    let value: Markup = ours.map { "<b>\($0.fixed(2))</b>" } ?? "–"
    return "<td>\(value)\(below)</td>"
  }

  private func rulesRows(_ rules: [TrivialRules]) -> Markup {
    let kinds: [(String, (TrivialRules) -> Double?)] = [
      ("chance", { $0.chance }), ("majority class", { $0.majority }),
      ("first token", { $0.firstToken }),
    ]
    return kinds.map { name, value in
      let cells = columns.map { column -> Markup in
        let found = rules.first { $0.dataset == column }.flatMap(value)
        return "<td>\(found.map { ($0 * 100).fixed(2) } ?? "–")</td>"
      }
      return "<tr><th scope=\"row\">\(name)</th>\(cells)<td></td><td></td></tr>\n" as Markup
    }.joined()
  }

  private var notes: Markup {
    let protocols = Set(rows.map(\.protocolName)).subtracting(["elsewhere"]).sorted()
    let sources = protocols.map { name in
      "<li>recipe \(name): beneath in grey, \(PublishedResults.of(protocol: name).source)</li>"
        as Markup
    }
    return """
      <p>Accuracy on the test split in percent, of the checkpoint with the best validation accuracy. \
      With several seeds: mean ± deviation (seeds); with one: its 95 % interval. The average of five \
      leaves Path-X out; the average of six counts a failure there as 50. Beneath a ListOps accuracy \
      stands the exact paired test (McNemar) against the first-token rule on the same examples, of several \
      seeds the one with the largest p. A star marks a recipe that \
      differs from its protocol, or the best of several by validation accuracy: see the runs.</p>
      <ul class="notes">\(sources)</ul>
      """
  }
}

/// What rules without a model reach on a dataset's test split.
struct TrivialRules {
  let dataset: String
  /// One over the number of classes; nil when it is not known.
  let chance: Double?
  let majority: Double?
  let firstToken: Double?

  /// Those of a result when there is one, else measured on the data.
  init(_ dataset: String, _ data: ReportData) {
    self.dataset = dataset
    let own = data.runs.filter { $0.record.dataset == dataset }
    let recipe = own.compactMap(\.recipe).first
    chance = recipe.map { 1 / Double($0.modelConfiguration.numClasses) }
    let result = own.compactMap(\.result).first
    let measured = result == nil ? TrivialRules.measured(dataset, data) : nil
    majority = result?.baselines.majority ?? measured?.majority
    firstToken = result?.baselines.firstToken ?? measured?.firstToken
  }

  private static func measured(_ dataset: String, _ data: ReportData) -> BaselineScores? {
    let store = DatasetStore(at: data.database)
    guard let train = try? store.open(dataset: dataset, split: "train"),
      let test = try? store.open(dataset: dataset, split: "test"),
      let rules = try? Baselines(train).measure(on: test)
    else { return nil }
    return BaselineScores(rules)
  }
}

extension Double {
  /// A share as a number of percent with one decimal.
  var percentText: String { (self * 100).fixed(1) }
}
