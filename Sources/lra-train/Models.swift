import ArgumentParser
import Attention
import Console
import Tensors
import Train

/// `lra-train models`: what can be compared.
struct Models: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the models: mechanism, cost, directions, parameters, paper.",
    discussion: """
      L is the length, d the width. Parameters are those of the recipe, for every task; a second count leaves \
      out tensors that grow with the length, such as tables of positions. A star marks what is more than 10 % \
      above the transformer: LRA does not compare such models.
      """)

  @Option(help: "Compare sizes on one task only.") var task: String?
  @Option(help: "The recipe whose sizes are counted.") var recipe = "small"
  @Flag(help: "Print one JSON object instead of text.") var json = false
  @Flag(help: "Accepted everywhere; this command shows no progress.") var quiet = false

  private struct Row: Encodable {
    let name: String
    let mechanism: String
    let time: String
    let memory: String
    let directions: [String]
    let parameters: Int?
    let paper: String
    let parametersByTask: [String: Int]
    let withoutLengthTied: [String: Int]
    let within10Percent: [String: Bool]

    enum CodingKeys: String, CodingKey {
      case name, mechanism, time, memory, directions, parameters, paper
      case parametersByTask = "parameters_by_task"
      case withoutLengthTied = "without_length_tied"
      case within10Percent = "within_10_percent"
    }
  }

  private struct List: Encodable {
    let recipe: String
    let models: [Row]
  }

  func run() throws {
    _ = try Engine.start(threads: 1)
    let tasks = try task.map { [$0] } ?? tasksOfRecipe()
    let sizes = try mechanisms.map { mechanism in
      try tasks.map { try size(of: mechanism.name, $0) }
    }
    if json { return try printJSON(tasks, sizes) }
    if task == nil { Terminal.out(list + "\n") }
    Terminal.out(
      "parameters, recipe \(recipe) (* more than 10 % above the transformer)\n"
        + table(tasks, sizes) { $0.parameters } + "\n")
    Terminal.out(
      "the same without tensors that grow with the length\n"
        + table(tasks, sizes) { $0.withoutLengthTied })
    Terminal.err("Next: lra-train --db data.sqlite --model transformer")
  }

  /// The sizes of a model; nil when the recipe has what the model refuses, such as rotary positions.
  private func size(of model: String, _ task: String) throws -> ModelSizes? {
    do {
      return try ModelSizes(model: model, task: task, recipe: recipe)
    } catch let error as AttentionError {
      if model == mechanisms[0].name { throw error }
      return nil
    }
  }

  /// The tasks for which the recipe is made.
  private func tasksOfRecipe() throws -> [String] {
    let able = Recipe.tasks.filter { task in
      (try? ModelSizes(model: "transformer", task: task, recipe: recipe)) != nil
    }
    // None: the first task's error tells why.
    if able.isEmpty { _ = try ModelSizes(model: "transformer", task: "listops", recipe: recipe) }
    return able
  }

  /// Mechanisms, costs and papers.
  private var list: String {
    var table = Table([
      .text("model"), .text("mechanism"), .text("time"), .text("memory"), .text("causal"),
      .text("paper"),
    ])
    for mechanism in mechanisms {
      table.add([
        mechanism.name, mechanism.summary, mechanism.time, mechanism.memory,
        mechanism.directions.contains(.causal) ? "yes" : "no", mechanism.paper,
      ])
    }
    return table.text
  }

  /// A row of counts for each model, a column for each task.
  private func table(
    _ tasks: [String], _ sizes: [[ModelSizes?]], _ count: (ModelSizes) -> Int
  ) -> String {
    var table = Table([.text("model")] + tasks.map { .number($0 + " ") })
    for (mechanism, row) in zip(mechanisms, sizes) {
      let cells = zip(row, sizes[0]).map { own, transformer -> String in
        guard let own, let transformer else { return "- " }
        let comparable = ModelSizes.isComparable(count(own), to: count(transformer))
        return Format.count(count(own)) + (comparable ? " " : "*")
      }
      table.add([mechanism.name] + cells)
    }
    return table.text
  }

  private func printJSON(_ tasks: [String], _ sizes: [[ModelSizes?]]) throws {
    let rows = zip(mechanisms, sizes).map { mechanism, row in
      let known = zip(tasks, zip(row, sizes[0])).compactMap { task, pair in
        pair.0.flatMap { own in pair.1.map { (task: task, own: own, transformer: $0) } }
      }
      let first = known.first { $0.task == "text" } ?? known.first
      return Row(
        name: mechanism.name, mechanism: mechanism.summary, time: mechanism.time,
        memory: mechanism.memory, directions: mechanism.directions.map(\.rawValue),
        parameters: first?.own.parameters, paper: mechanism.paper,
        parametersByTask: byTask(known) { ($0.task, $0.own.parameters) },
        withoutLengthTied: byTask(known) { ($0.task, $0.own.withoutLengthTied) },
        within10Percent: byTask(known) {
          ($0.task, ModelSizes.isComparable($0.own.parameters, to: $0.transformer.parameters))
        })
    }
    try JSONOutput.print(command: "models", List(recipe: recipe, models: rows))
  }

  private func byTask<Known, Value>(_ rows: [Known], _ pair: (Known) -> (String, Value)) -> [String:
    Value]
  {
    Dictionary(uniqueKeysWithValues: rows.map(pair))
  }
}
