import Foundation

/// Steps per second and memory against length, from the files that `bench --json` printed.
struct CostSection {
  let data: ReportData

  /// Drawings and a table per file; a sentence when there is none.
  var markup: Markup {
    guard !data.benches.isEmpty else {
      return """
        <p>No measurements were given. Make them with <code>lra-train bench --json &gt; bench.json</code> \
        and name the file with <code>--bench</code>.</p>
        """
    }
    return data.benches.map(section).joined()
  }

  private func section(_ bench: BenchFile) -> Markup {
    let facts = [
      bench.machine, bench.batch.map { "batch \($0)" }, bench.precision,
    ].compactMap { $0 }.joined(separator: " · ")
    return """
      <p>\(facts)</p>
      <div class="figures">\(speed(bench))\(memory(bench))</div>
      \(table(bench))
      """
  }

  private func speed(_ bench: BenchFile) -> Markup {
    figure(
      plot(bench, "Training steps per second by length", "steps per second") {
        $0.stepsPerS.median
      }, "Median training steps per second; both axes logarithmic.")
  }

  private func memory(_ bench: BenchFile) -> Markup {
    figure(
      plot(bench, "Peak memory of training by length", "peak memory, MB") {
        Double($0.peakBytes) / 1e6
      }, "Peak memory above what the process held before the model was built.")
  }

  private func plot(
    _ bench: BenchFile, _ title: String, _ yLabel: String, _ value: (Benchmark.Case) -> Double
  ) -> Plot {
    let numbers = data.modelNumbers
    let cases = bench.cases.filter { value($0) > 0 }
    let lengths = Set(cases.map(\.length)).sorted().map { Double($0) }
    var plot = Plot(
      title, x: Axis(lengths, log: true, labelled: lengths) { Int($0).grouped },
      y: Axis(cases.map(value), log: true) { $0.tick }, xLabel: "length in tokens",
      yLabel: yLabel)
    plot.lines = models(bench).map { model in
      let own = cases.filter { $0.model == model }.sorted { $0.length < $1.length }
      return Plot.Line(
        number: numbers[model] ?? 0, label: model, title: model,
        points: own.map { (Double($0.length), value($0)) }, hasMarks: true)
    }
    plot.height = 300 + Double(max(0, plot.lines.count - 18)) * 13
    return plot
  }

  private func models(_ bench: BenchFile) -> [String] {
    bench.cases.reduce(into: []) { if !$0.contains($1.model) { $0.append($1.model) } }
  }

  private func table(_ bench: BenchFile) -> Markup {
    let lengths = Set(bench.cases.map(\.length)).sorted()
    let heads = lengths.map { "<th scope=\"col\">\($0.grouped)</th>" as Markup }
    let rows = models(bench).map { model -> Markup in
      let own = bench.cases.filter { $0.model == model }
      let cells = lengths.map { length -> Markup in
        guard let found = own.first(where: { $0.length == length }) else { return "<td>–</td>" }
        return "<td>\(cell(found, bench))</td>"
      }
      let time = Benchmark.exponent(own).map { $0.fixed(2) } ?? "–"
      let memory = Benchmark.memoryExponent(own).map { $0.fixed(2) } ?? "–"
      return """
        <tr><th scope="row">\(model)</th>\(cells)<td>\(time)</td><td>\(memory)</td></tr>

        """
    }
    return """
      <div class="wide"><table class="board"><thead><tr><th scope="col">model</th>\(heads)\
      <th scope="col">time ~ L<sup>a</sup></th><th scope="col">memory ~ L<sup>a</sup></th></tr></thead>
      <tbody>\(rows)</tbody></table></div>
      <p>Median steps per second, peak memory, and the ratio to the Transformer; beneath in grey that \
      of Tay and others 2020, table 2 (16 TPU v3 chips, batch 32). A star marks a case that other work \
      on the machine disturbed each time it was measured.</p>
      """
  }

  private func cell(_ found: Benchmark.Case, _ bench: BenchFile) -> Markup {
    let isReference = found.model == "transformer"
    let reference = bench.cases.first { $0.model == "transformer" && $0.length == found.length }
    let ratio = reference.map { found.stepsPerS.median / $0.stepsPerS.median }
    let ours: Markup = isReference ? "" : ratio.map { " <small>×\($0.fixed(2))</small>" } ?? ""
    let paper = isReference ? nil : Benchmark.paperRatio(found.model, length: found.length)
    let below: Markup =
      paper.map { "<br><span class=\"published\">×\($0.fixed(2))</span>" } ?? ""
    let star: Markup = found.disturbed == true ? "<sup>*</sup>" : ""
    return """
      <b>\(found.stepsPerS.median.short)</b>\(ours)\(star)<br><small>\(found.peakBytes.byteText)</small>\(below)
      """
  }
}
