import Datasets

/// Published tables of which runs of the database reproduce something: theirs, ours, the verdict.
struct ReproductionSection {
  let data: ReportData

  /// A table for each published table that has rows with a result; a sentence when there is none.
  var markup: Markup {
    let parts = data.reproductions.compactMap(part)
    guard !parts.isEmpty else {
      return """
        <p>No run has the recipe and the dataset of a published table: <code>lra-train reproduce</code> \
        lists what can be run again.</p>
        """
    }
    return parts.joined() + legend
  }

  /// The rows of a table that have a result; empty when its protocol is not one of this version.
  func rows(_ table: Reproduction) -> [ReproductionRow] {
    var request = ReproductionPlan.Request(table, database: data.database)
    let recipes = data.runs.compactMap(\.recipe)
    // What no run can match need not be resolved.
    request.tasks = table.tasks.map(\.task).filter { task in recipes.contains { $0.task == task } }
    request.models = table.modelNames.filter { model in
      recipes.contains { $0.model.modelType == model }
    }
    guard let plan = try? ReproductionPlan(request) else { return [] }
    return plan.rows.compactMap { row in
      guard let recipe = row.trials.first?.recipe else { return nil }
      let own = runs(recipe, digest: row.digest)
      guard own.contains(where: { $0.test != nil }) else { return nil }
      let baselines = data.runs.first { run in own.contains { $0.run == run.record.path } }
      return ReproductionRow(row.facts, own, baselines: baselines?.result?.baselines)
    }
  }

  /// The runs of a recipe, whatever their seed, on the data of a dataset.
  private func runs(_ recipe: Recipe, digest: String?) -> [ReproductionRow.Run] {
    let found = data.runs.compactMap { run -> ReproductionRow.Run? in
      guard var own = run.recipe, Digest.hex(run.record.contentDigest) == digest else { return nil }
      let seed = own.train.randomSeed
      own.train.randomSeed = recipe.train.randomSeed
      guard own == recipe else { return nil }
      let state = SweepRun.State(run.record.state)
      return ReproductionRow.Run(
        seed: seed, state: state, test: state.isEnd ? run.test : nil, run: run.record.path)
    }
    return found.sorted { ($0.seed, $0.run) < ($1.seed, $1.run) }
  }

  private func part(_ table: Reproduction) -> Markup? {
    let rows = rows(table)
    guard !rows.isEmpty else { return nil }
    let body = rows.map { row -> Markup in
      let mark: Markup = row.certainty == .memory ? "<br><small>from memory</small>" : ""
      return """
        <tr><th scope="row">\(row.model)<br><small>\(row.task)</small></th>\
        <td>\((row.published * 100).fixed(2))\(mark)</td><td>\(ours(row))</td>\
        <td>\(rules(row.baselines))</td><td class="verdict">\(row.verdict)</td></tr>

        """
    }
    let sources = rows.map(\.source).uniqued()
    return """
      <h3>\(table.title)</h3>
      <p class="notes">\(sources.joined(separator: "; ")) · recipe \(table.protocolName)</p>
      <div class="wide"><table class="board"><thead><tr><th scope="col">model</th>\
      <th scope="col">published</th><th scope="col">ours</th>\
      <th scope="col">majority class<br><small>first token</small></th>\
      <th scope="col" class="verdict">verdict</th></tr></thead>
      <tbody>\(body)</tbody></table></div>
      \(differs(table, rows))
      """
  }

  private func ours(_ row: ReproductionRow) -> Markup {
    guard let ours = row.ours else { return "–" }
    let deviation: Markup = ours.deviation.map { " ± \(($0 * 100).fixed(2))" } ?? ""
    let seeds = count(ours.seeds, "seed")
    return """
      <b>\((ours.mean * 100).fixed(2))</b>\(deviation) \
      <small>(\(seeds))<br>\(ours.ci95[0].percentText)–\(ours.ci95[1].percentText)</small>
      """
  }

  private func rules(_ rules: BaselineScores?) -> Markup {
    let first: Markup = rules?.firstToken.map { "<br><small>\($0.percentText)</small>" } ?? ""
    return "\(rules?.majority.percentText ?? "–")\(first)"
  }

  private func differs(_ table: Reproduction, _ rows: [ReproductionRow]) -> Markup {
    let items = table.differences(of: rows).map { subject, words in
      "<li>\(subject): \(words)</li>" as Markup
    }
    guard !items.isEmpty else { return .none }
    return """
      <details><summary>What is known to differ</summary><ul class="notes">\(items)</ul></details>

      """
  }

  private var legend: Markup {
    "<p class=\"notes\">Accuracy on the test split in percent. \(Reproduction.legend)</p>"
  }
}

extension SweepRun.State {
  /// How a run of the index stands as one of a sweep: what goes on or was killed can go on.
  fileprivate init(_ state: RunRecord.State) {
    self =
      switch state {
      case .running, .interrupted: .interrupted
      case .finished: .finished
      case .plateau: .plateau
      case .diverged: .diverged
      case .failed: .failed
      }
  }
}
