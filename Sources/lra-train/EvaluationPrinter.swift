import Console
import Train

/// Prints what a model reaches on a split: accuracy, trivial rules, and the strata as a small table.
func printEvaluation(_ report: Run.Report, step: Int?) {
  let at = step.map { "  step \(Format.count($0))" } ?? ""
  Terminal.out(
    "\(report.split)  \(Format.count(report.n)) examples\(at)  "
      + "\(Format.percent(report.accuracy)) \(interval(report.ci95))  "
      + "loss \(Format.fraction(report.loss, 4))")
  var rules = "majority class \(Format.percent(report.baselines.majority))"
  if let first = report.baselines.firstToken { rules += "   first token \(Format.percent(first))" }
  Terminal.out(rules)
  for test in report.mcnemar ?? [] { Terminal.out(pairedTest(test)) }
  guard let strata = report.strata else { return }
  var table = Table([
    .text("by"), .text("range"), .number("examples"), .number("accuracy"), .text("95 %"),
  ])
  for stratum in strata {
    table.add([
      stratum.by == "touching" ? "targets touch" : stratum.by, range(stratum),
      Format.count(stratum.n), Format.percent(stratum.accuracy), interval(stratum.ci95),
    ])
  }
  Terminal.out(table.text)
}

/// A paired test in a line.
private func pairedTest(_ test: PairedTest) -> String {
  let name = test.against == "first_token" ? "the first token" : test.against
  return "against \(name): \(Format.count(test.onlyModel)) right that it misses, "
    + "\(Format.count(test.onlyOther)) the other way round, \(test.text) (McNemar, exact)"
}

private func range(_ stratum: Stratum) -> String {
  if stratum.by == "touching" { return stratum.from == 1 ? "yes" : "no" }
  return stratum.from == stratum.through
    ? Format.count(stratum.from)
    : "\(Format.count(stratum.from))–\(Format.count(stratum.through))"
}

/// An interval of shares in percent: `[19.0, 20.1]`.
func interval(_ ci95: [Double]) -> String {
  "[" + ci95.map { Format.fraction($0 * 100, 1) }.joined(separator: ", ") + "]"
}
