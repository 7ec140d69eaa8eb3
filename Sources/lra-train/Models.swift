import ArgumentParser
import Attention
import Console
import Tensors
import Train

/// `lra-train models`: what can be compared.
struct Models: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the models: mechanism, cost, directions, parameters, paper.",
    discussion: "L is the length, d the width. Parameters are those of the small recipe on text.")

  @Flag(help: "Print one JSON object instead of text.") var json = false
  @Flag(help: "Accepted everywhere; this command shows no progress.") var quiet = false

  private struct Row: Encodable {
    let name: String
    let mechanism: String
    let time: String
    let memory: String
    let directions: [String]
    let parameters: Int
    let paper: String
  }

  private struct List: Encodable {
    let models: [Row]
  }

  func run() throws {
    _ = try Engine.start(threads: 1)
    let rows = try mechanisms.map { mechanism in
      var request = RecipeRequest(task: "text")
      request.model = mechanism.name
      let model = try Classifier(
        request.resolve().modelConfiguration, key: RandomKey(seed: 0))
      return Row(
        name: mechanism.name, mechanism: mechanism.summary, time: mechanism.time,
        memory: mechanism.memory, directions: mechanism.directions.map(\.rawValue),
        parameters: model.parameters.valueCount, paper: mechanism.paper)
    }
    if json { return try JSONOutput.print(command: "models", List(models: rows)) }
    var table = Table([
      .text("model"), .text("mechanism"), .text("time"), .text("memory"), .text("causal"),
      .number("parameters (text)"), .text("paper"),
    ])
    for row in rows {
      table.add([
        row.name, row.mechanism, row.time, row.memory,
        row.directions.contains("causal") ? "yes" : "no", Format.count(row.parameters), row.paper,
      ])
    }
    Terminal.out(table.text)
    Terminal.err("Next: lra-train --db data.sqlite --model transformer")
  }
}
