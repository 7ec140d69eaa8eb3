import ArgumentParser
import Console
import Train

/// `lra-train span RUN`: how far a trained Transformer looks.
struct Span: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure the required attention span of a run, per layer and head.",
    discussion: """
      The mean distance between a token and what it attends to, weighted by the attention, over \
      random examples (Tay and others 2020, section 2.3), beside the same of uniform attention. \
      The result is kept in the run's folder as span.json. For models that weigh all pairs of \
      tokens: transformer.
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var place: DeviceOptions
  @Argument(help: ArgumentHelp("The run's folder.", valueName: "run")) var folder: String
  @Option(help: "train, validation or test.") var split = "validation"
  @Option(help: "Random examples of the split.") var examples = 1000
  @Option(help: "best, last or a step.") var checkpoint = "best"

  func run() throws {
    let found = try Run(folder, note: Terminal.err)
    let database = try found.database(common.namedDatabase)
    let device = try place.start()
    let report = try found.span(
      checkpoint: checkpoint, split: split, examples: examples, database: database, device: device)
    if common.json { return try JSONOutput.print(command: "span", report) }
    var table = Table([.text("layer"), .number("mean"), .text("heads")])
    for (number, layer) in report.layers.enumerated() {
      let mean = layer.heads.reduce(0, +) / Double(max(1, layer.heads.count))
      table.add([
        "\(number)", Format.fraction(mean, 1),
        layer.heads.map { Format.fraction($0, 1) }.joined(separator: "  "),
      ])
    }
    Terminal.out(table.text)
    Terminal.out(
      "span \(Format.fraction(report.mean, 1)) tokens   uniform attention "
        + "\(Format.fraction(report.uniform, 1))   \(Format.count(report.examples)) sequences of "
        + "\(report.split), step \(Format.count(report.step))")
    Terminal.err("Next: lra-train report --db \(shellQuoted(database))")
  }
}
