import Datasets
import Foundation

/// Every run: how it ended, seed, digests, recipe, and the command that repeats it.
struct RunsSection {
  let data: ReportData

  /// A part per run.
  var markup: Markup {
    data.runs.isEmpty ? "<p>No runs yet.</p>" : data.runs.map(part).joined()
  }

  private func part(_ run: ReportRun) -> Markup {
    """
    <section class="run"><h3>\(run.record.name)</h3>
    <p>\(facts(run).joined(separator: " · "))</p>
    <dl><dt>data</dt><dd>\(run.record.dataset) \
    <code class="digest">\(Digest.hex(run.record.contentDigest))</code></dd>\
    <dt>recipe</dt><dd><code class="digest">\(Digest.hex(run.record.recipeSHA256))</code></dd>\
    <dt>machine</dt><dd>\(run.record.machine)</dd></dl>
    <pre class="command">\(command(run))</pre>
    <details><summary>\(run.isScored ? "Predictions" : "Recipe")</summary><pre>\(run.record.recipe)</pre></details>
    \(strata(run))</section>

    """
  }

  private func facts(_ run: ReportRun) -> [String] {
    var facts = [run.record.state.rawValue]
    if !run.isScored { facts.append("seed \(run.record.seed)") }
    if let test = run.test { facts.append("test \((test * 100).fixed(2)) %") }
    if let validation = run.validation {
      facts.append("validation \((validation * 100).fixed(2)) %")
    }
    if let result = run.result {
      facts.append("best of \(result.step.grouped) steps: \(result.best.step.grouped)")
      facts.append("last \((result.last.test * 100).fixed(2)) %")
      let left = result.nonzeroParameters.map { ", \($0.grouped) not zero" } ?? ""
      facts.append("\(result.parameters.grouped) parameters\(left)")
      facts.append("\(result.stepsPerS.short) steps/s")
      facts.append(result.peakBytes.byteText)
    }
    return facts
  }

  /// What makes the same run again.
  private func command(_ run: ReportRun) -> String {
    guard let recipe = run.recipe else {
      return "lra-train score --db \(word(data.database)) --dataset \(word(run.record.dataset)) "
        + "--predictions FILE --name \(word(run.record.name))"
    }
    let words = ["lra-train", "--db", data.database] + recipe.arguments
    return words.map(word).joined(separator: " ")
  }

  private func strata(_ run: ReportRun) -> Markup {
    guard let strata = run.result?.strata else { return .none }
    let rows = strata.map { stratum -> Markup in
      let range =
        stratum.from == stratum.through
        ? stratum.from.grouped : "\(stratum.from.grouped)–\(stratum.through.grouped)"
      let shown = stratum.by == "touching" ? (stratum.from == 1 ? "yes" : "no") : range
      let ci = stratum.ci95.map(\.percentText).joined(separator: "–")
      return """
        <tr><th scope="row">\(stratum.by == "touching" ? "targets touch" : stratum.by) \(shown)</th>\
        <td>\(stratum.n.grouped)</td><td>\(stratum.accuracy.percentText)</td><td>\(ci)</td></tr>
        """
    }
    return """
      <details><summary>By depth, length or touching targets</summary><div class="wide"><table>
      <thead><tr><th scope="col">test examples</th><th scope="col">n</th><th scope="col">%</th>\
      <th scope="col">95 %</th></tr></thead><tbody>\(rows)</tbody></table></div></details>
      """
  }

  /// One word of a command line, quoted when a shell would split or expand it.
  private func word(_ text: String) -> String {
    let safe = text.utf8.allSatisfy {
      ($0 >= 97 && $0 <= 122) || ($0 >= 65 && $0 <= 90) || ($0 >= 48 && $0 <= 57)
        || "-_./=:,+@%".utf8.contains($0)
    }
    return safe && !text.isEmpty ? text : "'" + text.replacing("'", with: "'\\''") + "'"
  }
}

extension Recipe {
  /// The arguments of `lra-train` that give this recipe: task, model, protocol, seed, and what else
  /// differs from what these say.
  var arguments: [String] {
    var request = RecipeRequest(task: task)
    request.recipe = protocolName
    request.model = model.modelType
    request.seed = train.randomSeed
    if isOwnTask {
      request.dataset = .init(
        name: data.dataset, maxLength: nil, named: true,
        ownShape: .init(numClasses: data.numClasses, vocabularySize: data.vocabularySize))
    }
    var words = [
      "--task", task, "--dataset", data.dataset, "--model", model.modelType, "--recipe",
      protocolName, "--seed", String(train.randomSeed),
    ]
    guard let plain = try? request.resolve() else { return words }
    let fixed = ["protocol", "task", "data.dataset", "model.model_type", "train.random_seed"]
    for field in Recipe.fields
    where (field.belongs(to: self) || field.belongs(to: plain)) && !fixed.contains(field.path) {
      let value = field.load(self)
      if value != field.load(plain) { words += ["--set", "\(field.path)=\(value.yaml)"] }
    }
    for (name, value) in model.mixer.sorted(by: { $0.key < $1.key })
    where plain.model.mixer[name] != value {
      words += ["--set", "model.mixer.\(name)=\(value.yaml)"]
    }
    // A flag that is off is left out of a recipe; the protocol may have it on.
    for name in plain.model.mixer.keys.sorted() where model.mixer[name] == nil {
      words += ["--set", "model.mixer.\(name)=false"]
    }
    return words
  }
}
