import Attention
import Yams

extension Reproduction {
  /// Reads a table.
  ///
  /// - Parameter name: the file's name for messages.
  /// - Throws: `malformed` when it is not YAML; `usage` with all mistakes: unknown keys, models and
  ///   tasks with the nearest known one, missing keys, values of the wrong kind or range.
  public init(yaml text: String, name file: String) throws {
    var reader = ReproductionReader()
    let root = reader.part(
      try Recipe.compose(text, name: file), "",
      keys: [
        "reproduction", "title", "source", "certainty", "protocol", "seeds", "published_runs",
        "settings", "differs", "tasks", "models", "values", "lengths", "steps_per_s", "gigabytes",
      ])
    name = reader.text(root, "reproduction", "") ?? ""
    title = reader.text(root, "title", "") ?? ""
    source = reader.text(root, "source", "") ?? ""
    certainty = reader.certainty(root, "") ?? .memory
    settings = reader.texts(root, "settings", "")
    differs = reader.texts(root, "differs", "")
    if root["certainty"] == nil { reader.problems.append(.missing("certainty")) }
    if root["lengths"] != nil || root["steps_per_s"] != nil {
      efficiency = reader.efficiency(root)
    } else {
      protocolName = reader.text(root, "protocol", "") ?? ""
      seeds = reader.count(root, "seeds", "", most: 1000) ?? 1
      if root["published_runs"] != nil {
        publishedRuns = reader.count(root, "published_runs", "", most: 1000) ?? 1
      }
      tasks = reader.tasks(root)
      models = reader.models(root)
      values = reader.values(root, tasks, source, certainty)
    }
    guard reader.problems.isEmpty else { throw TrainError.reproduction(reader.problems, file) }
  }
}

/// Takes the parts of a table out of its YAML and collects what is wrong.
struct ReproductionReader {
  var problems: [ReproductionProblem] = []

  /// The entries of a mapping; keys that are not known are problems.
  mutating func part(_ node: Node?, _ path: String, keys: [String]) -> [String: Node] {
    Dictionary(
      entries(node, path, known: keys, { .unknown($0, nearest: $1) }), uniquingKeysWith: { $1 })
  }

  /// The entries of a mapping in their order; a name that is not known becomes a problem.
  private mutating func entries(
    _ node: Node?, _ path: String, known: [String],
    _ unknown: (String, String?) -> ReproductionProblem
  ) -> [(String, Node)] {
    guard let node else { return [] }
    guard let mapping = node.mapping else {
      problems.append(.wrong(path.isEmpty ? "the file" : path, must: "a mapping"))
      return []
    }
    return mapping.compactMap { key, value in
      let name = key.scalar?.string ?? "?"
      if known.contains(name) { return (name, value) }
      problems.append(unknown(join(path, name), nearest(to: name, among: known)))
      return nil
    }
  }

  private func join(_ path: String, _ key: String) -> String {
    path.isEmpty ? key : "\(path).\(key)"
  }

  /// A text that must be there.
  mutating func text(_ part: [String: Node], _ key: String, _ path: String) -> String? {
    guard let node = part[key] else {
      problems.append(.missing(join(path, key)))
      return nil
    }
    guard let text = node.scalar?.string, !text.isEmpty, !text.contains("\n") else {
      problems.append(.wrong(join(path, key), must: "a line of text"))
      return nil
    }
    return text
  }

  /// A list of texts; empty when it is not there.
  mutating func texts(_ part: [String: Node], _ key: String, _ path: String) -> [String] {
    guard let node = part[key] else { return [] }
    let items = node.sequence.map { $0.compactMap { $0.scalar?.string } }
    guard let items, items.count == node.sequence?.count else {
      problems.append(.wrong(join(path, key), must: "a list of texts"))
      return []
    }
    return items
  }

  /// A whole number of at least 1 that must be there.
  mutating func count(
    _ part: [String: Node], _ key: String, _ path: String, most: Int = 1 << 40
  ) -> Int? {
    guard let node = part[key] else {
      problems.append(.missing(join(path, key)))
      return nil
    }
    guard let number = node.scalar.flatMap({ Int($0.string) }), (1...most).contains(number) else {
      let range = most < 1 << 40 ? "1...\(most)" : "at least 1"
      problems.append(.wrong(join(path, key), must: "a whole number of \(range)"))
      return nil
    }
    return number
  }

  /// `read` or `memory`; nil when it is not there.
  mutating func certainty(_ part: [String: Node], _ path: String) -> Reproduction.Certainty? {
    guard let node = part["certainty"] else { return nil }
    let found = node.scalar.flatMap { Reproduction.Certainty(rawValue: $0.string) }
    if found == nil { problems.append(.wrong(join(path, "certainty"), must: "read or memory")) }
    return found
  }

  mutating func tasks(_ root: [String: Node]) -> [Reproduction.TaskPart] {
    if root["tasks"] == nil { problems.append(.missing("tasks")) }
    return entries(root["tasks"], "tasks", known: Recipe.tasks) { .unknownTask($0, nearest: $1) }
      .map { task, node in
        let path = "tasks.\(task)"
        let own = part(
          node, path, keys: ["dataset", "test_examples", "steps", "settings", "differs"])
        return Reproduction.TaskPart(
          task: task, dataset: own["dataset"] == nil ? nil : text(own, "dataset", path),
          testExamples: count(own, "test_examples", path) ?? 1,
          steps: own["steps"] == nil ? nil : count(own, "steps", path),
          settings: texts(own, "settings", path), differs: texts(own, "differs", path))
      }
  }

  mutating func models(_ root: [String: Node]) -> [Reproduction.ModelPart] {
    modelEntries(root["models"], "models").map { model, node in
      let path = "models.\(model)"
      let own = part(node, path, keys: ["settings", "differs"])
      return Reproduction.ModelPart(
        model: model, settings: texts(own, "settings", path), differs: texts(own, "differs", path))
    }
  }

  mutating func values(
    _ root: [String: Node], _ tasks: [Reproduction.TaskPart], _ source: String,
    _ certainty: Reproduction.Certainty
  ) -> [Reproduction.Value] {
    if root["values"] == nil { problems.append(.missing("values")) }
    let known = tasks.map(\.task)
    return modelEntries(root["values"], "values").flatMap { model, node in
      entries(node, "values.\(model)", known: known) { .unknownTask($0, nearest: $1) }
        .compactMap { task, node in
          value(node, "values.\(model).\(task)", task, model, source, certainty)
        }
    }
  }

  /// A number, or a mapping of value, source and certainty.
  private mutating func value(
    _ node: Node, _ path: String, _ task: String, _ model: String, _ source: String,
    _ certainty: Reproduction.Certainty
  ) -> Reproduction.Value? {
    var own: [String: Node] = ["value": node]
    if node.mapping != nil {
      own = part(node, path, keys: ["value", "source", "certainty"])
    }
    guard let number = own["value"]?.scalar.flatMap({ Double($0.string) }),
      (0...100).contains(number)
    else {
      problems.append(.wrong(path, must: "an accuracy in percent, 0...100"))
      return nil
    }
    return Reproduction.Value(
      task: task, model: model, percent: number,
      source: own["source"] == nil ? source : text(own, "source", path) ?? source,
      certainty: self.certainty(own, path) ?? certainty)
  }

  mutating func efficiency(_ root: [String: Node]) -> Reproduction.Efficiency {
    let lengths = numbers(root["lengths"], "lengths").map { Int($0) }
    var found = Reproduction.Efficiency(lengths: lengths, stepsPerSecond: [:], gigabytes: [:])
    for (model, node) in modelEntries(root["steps_per_s"], "steps_per_s") {
      found.stepsPerSecond[model] = numbers(node, "steps_per_s.\(model)", count: lengths.count)
    }
    for (model, node) in modelEntries(root["gigabytes"], "gigabytes") {
      found.gigabytes[model] = numbers(node, "gigabytes.\(model)", count: lengths.count)
    }
    return found
  }

  private mutating func modelEntries(_ node: Node?, _ path: String) -> [(String, Node)] {
    entries(node, path, known: mechanisms.map(\.name)) { .unknownModel($0, nearest: $1) }
  }

  /// A list of numbers above 0, of a certain count where one is given.
  private mutating func numbers(_ node: Node?, _ path: String, count: Int? = nil) -> [Double] {
    let items = node?.sequence?.map { $0.scalar.flatMap { Double($0.string) } ?? 0 } ?? []
    let fits = items.allSatisfy { $0 > 0 && $0 < 1e9 } && !items.isEmpty
    if !fits || items.count != count ?? items.count {
      let words = count.map { "\($0) numbers above 0, one for each length" }
      problems.append(.wrong(path, must: words ?? "a list of numbers above 0"))
    }
    return items
  }
}
