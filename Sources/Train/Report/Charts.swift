import Foundation

/// The drawings of a report that come from runs: speed against accuracy, curves, attention span.
struct Charts {
  let data: ReportData
  let numbers: [String: Int]

  init(_ data: ReportData) {
    self.data = data
    numbers = data.modelNumbers
  }

  private func number(_ model: String) -> Int { numbers[model] ?? 0 }

  /// Speed across, accuracy up, memory as area: one drawing per dataset and protocol.
  func bubbles() -> [Markup] {
    pairs.compactMap { dataset, name in
      let groups = data.groups.filter { $0.dataset == dataset && $0.protocolName == name }
      return bubble(groups, "\(dataset), recipe \(name)")
    }
  }

  private func bubble(_ groups: [RunGroup], _ title: String) -> Markup? {
    // A model that fits into what the process held before has no peak of its own: the smallest disc.
    let known: [(group: RunGroup, speed: Double, accuracy: Double, bytes: Double)] =
      groups.compactMap { group in
        guard let speed = group.stepsPerSecond, let accuracy = group.meanTest else { return nil }
        return (group, speed, accuracy * 100, group.peakBytes ?? 0)
      }
    guard let most = known.map({ max($0.bytes, 1) }).max() else { return nil }
    let accuracies = known.map(\.accuracy)
    var plot = Plot(
      "Speed and accuracy, \(title)",
      x: Axis(known.map { $0.speed * 0.9 } + known.map { $0.speed * 1.1 }, log: true) { $0.tick },
      y: Axis(accuracies.map { $0 - 1 } + accuracies.map { $0 + 1 }) { $0.tick },
      xLabel: "training steps per second", yLabel: "test accuracy, %")
    plot.discs = known.map { group, speed, accuracy, bytes in
      Plot.Disc(
        number: number(group.model), label: group.model,
        title: "\(group.model): \(speed.short) steps/s, \(accuracy.fixed(2)) %, "
          + Int(bytes).byteText,
        x: speed, y: accuracy, radius: max(3, 22 * (bytes / most).squareRoot()))
    }
    plot.height = 300 + Double(max(0, known.count - 12)) * 8
    return figure(
      plot,
      "\(title). Area is peak memory of training; the largest disc is \(Int(most).byteText). "
        + "Steps per second while it trained, beside whatever else the machine did.")
  }

  /// Validation accuracy against steps: one drawing per dataset and protocol.
  func curves() -> [Markup] {
    pairs.compactMap { dataset, name in
      let runs = data.runs.filter {
        $0.record.dataset == dataset && $0.protocolName == name && !$0.validations.isEmpty
      }
      guard !runs.isEmpty else { return nil }
      let lines = named(runs) { run in
        run.validations.map { (Double($0.step), $0.accuracy * 100) }
      }
      let points = lines.flatMap(\.points)
      var plot = Plot(
        "Validation accuracy, \(dataset), recipe \(name)",
        x: Axis(points.map(\.x), fromZero: true) { Int($0).grouped },
        y: Axis(points.map(\.y)) { $0.tick }, xLabel: "step",
        yLabel: "validation accuracy, %")
      plot.lines = lines
      plot.height = 300 + Double(max(0, Set(runs.map(\.model)).count - 18)) * 13
      return figure(plot, "\(dataset), recipe \(name): \(count(runs.count, "run")).")
    }
  }

  /// Training loss against steps: one drawing per dataset and protocol.
  func losses() -> [Markup] {
    pairs.compactMap { dataset, name in
      let runs = data.runs.filter {
        $0.record.dataset == dataset && $0.protocolName == name
      }
      let lines = named(runs) { run in run.lossCurve().map { (Double($0.step), $0.loss) } }
        .filter { !$0.points.isEmpty }
      guard !lines.isEmpty else { return nil }
      let points = lines.flatMap(\.points)
      var plot = Plot(
        "Training loss, \(dataset), recipe \(name)",
        x: Axis(points.map(\.x), fromZero: true) { Int($0).grouped },
        y: Axis(points.map(\.y)) { $0.tick }, xLabel: "step", yLabel: "training loss, nats")
      plot.lines = lines
      plot.height = 300 + Double(max(0, Set(lines.map(\.title)).count - 18)) * 13
      return figure(plot, "\(dataset), recipe \(name): means over up to 60 equal parts.")
    }
  }

  /// A line per run; only the first of a model has a label.
  private func named(
    _ runs: [ReportRun], _ points: (ReportRun) -> [(x: Double, y: Double)]
  ) -> [Plot.Line] {
    var seen: Set<String> = []
    return runs.map { run in
      let values = points(run)
      let isFirst = values.isEmpty ? false : seen.insert(run.model).inserted
      return Plot.Line(
        number: number(run.model), label: isFirst ? run.model : "", title: run.record.name,
        points: values)
    }
  }

  /// Datasets with the protocols that were trained on them.
  private var pairs: [(dataset: String, protocolName: String)] {
    data.columns.flatMap { dataset -> [(String, String)] in
      let names = Set(
        data.groups.filter { $0.dataset == dataset && $0.runs.contains { !$0.isScored } }
          .map(\.protocolName))
      return names.sorted().map { (dataset, $0) }
    }
  }

  /// Mean attended distance per head beside that of uniform attention: a drawing per run.
  func spans() -> [Markup] {
    data.runs.compactMap { run in run.span.map { span(run, $0) } }
  }

  private func span(_ run: ReportRun, _ span: SpanReport) -> Markup {
    let heads = span.layers.enumerated().flatMap { layer, heads in
      heads.heads.enumerated().map { ("layer \(layer + 1), head \($0 + 1)", $1) }
    }
    let axis = Axis(heads.map(\.1) + [span.uniform], fromZero: true) { Int($0).grouped }
    let (left, width, row) = (110.0, 320.0, 17.0)
    let floor = Double(heads.count) * row + 8
    let bars = heads.enumerated().map { index, head -> Markup in
      let y = 6 + Double(index) * row
      return """
        <text class="tick end" x="\(left - 6)" y="\(y + 11)">\(head.0)</text>\
        <rect class="bar" x="\(left)" y="\(y)" width="\(axis.place(head.1) * width)" height="12"/>\
        <text class="tick" x="\(left + axis.place(head.1) * width + 4)" y="\(y + 10)">\(head.1.short)</text>
        """
    }
    let uniform = left + axis.place(span.uniform) * width
    let title = "Required attention span of \(run.record.name)"
    return """
      <figure><svg viewBox="0 0 480 \(floor + 24)" role="img" aria-label="\(title)">\
      <title>\(title)</title>\(bars)\
      <line class="level" x1="\(uniform)" y1="0" x2="\(uniform)" y2="\(floor)"/>\
      <text class="tick middle" x="\(uniform)" y="\(floor + 14)">uniform \(span.uniform.short)</text></svg>
      <figcaption>\(run.record.dataset) · \(run.model) · seed \(run.record.seed): tokens between a \
      position and what it attends to, mean \(span.mean.short), over \(span.examples.grouped) examples \
      of \(span.split).</figcaption></figure>
      """
  }
}

/// A drawing with its caption.
func figure(_ plot: Plot, _ caption: String) -> Markup {
  "<figure>\(plot.svg)<figcaption>\(caption)</figcaption></figure>\n"
}

/// A number with its noun: `1 run`, `24 runs`.
func count(_ number: Int, _ noun: String) -> String {
  "\(number.grouped) \(noun)\(number == 1 ? "" : "s")"
}
