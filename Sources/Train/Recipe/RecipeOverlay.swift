import Yams

/// A part of a recipe: keys with values, in the order of the text that they come from.
struct RecipeOverlay: Sendable, Equatable {
  /// Full keys such as `model.emb_dim` with their values.
  var entries: [(key: String, value: RecipeScalar)] = []
  /// The mistakes that were met on the way.
  var problems: [RecipeProblem] = []
  /// Keys that were met under the name of an earlier version, `model.attention`.
  var formerNames: [String] = []

  static func == (a: RecipeOverlay, b: RecipeOverlay) -> Bool {
    a.problems == b.problems && a.entries.map(\.key) == b.entries.map(\.key)
      && a.entries.map(\.value) == b.entries.map(\.value)
  }

  /// The value of a key, the last one given.
  subscript(key: String) -> RecipeScalar? { entries.last { $0.key == key }?.value }

  /// Takes a key out.
  mutating func remove(_ key: String) { entries.removeAll { $0.key == key } }

  /// The keys of a YAML mapping, flattened; mistakes are collected.
  init(_ node: Node?, under path: String = "") {
    if let node { add(node, path) }
  }

  /// An overlay of one key, `--set key=value`.
  init(setting: String) {
    guard let mark = setting.firstIndex(of: "=") else {
      problems = [.notASetting(setting)]
      return
    }
    let key = setting[..<mark].trimmingWhitespace()
    let value = String(setting[setting.index(after: mark)...])
    guard !key.isEmpty else {
      problems = [.notASetting(setting)]
      return
    }
    do {
      add(try Yams.compose(yaml: value) ?? Node("null"), key)
    } catch {
      problems = [.settingNotYAML(setting)]
    }
  }

  private mutating func add(_ node: Node, _ given: String) {
    let (path, former) = Recipe.currentName(of: given)
    if let former, !formerNames.contains(former) { formerNames.append(former) }
    switch node {
    case .mapping(let mapping):
      guard path.isEmpty || Recipe.isSection(path) else {
        problems.append(Recipe.mistake(at: path, found: "a mapping"))
        return
      }
      for (key, value) in mapping {
        let name = key.scalar?.string ?? "?"
        add(value, path.isEmpty ? name : "\(path).\(name)")
      }
    case .alias:
      problems.append(Recipe.mistake(at: path, found: "an alias"))
    case .scalar, .sequence:
      guard let value = RecipeScalar(node) else {
        problems.append(Recipe.mistake(at: path, found: "a nested list"))
        return
      }
      if path.isEmpty || Recipe.isSection(path) {
        if value != .null { problems.append(.notASection(path.isEmpty ? "recipe" : path)) }
      } else if Recipe.isKnown(path) {
        entries.append((path, value))
      } else {
        problems.append(.unknown(path))
      }
    }
  }
}

extension RecipeScalar {
  /// The value of a scalar or of a list of scalars, nil for anything deeper.
  fileprivate init?(_ node: Node) {
    switch node {
    case .scalar(let scalar):
      let plain = scalar.style == .plain || scalar.style == .any
      self = plain ? RecipeScalar(plain: scalar.string) : .text(scalar.string)
    case .sequence(let sequence):
      var values: [RecipeScalar] = []
      for item in sequence {
        guard case .scalar = item, let value = RecipeScalar(item) else { return nil }
        values.append(value)
      }
      self = .list(values)
    case .mapping, .alias: return nil
    }
  }
}

extension Recipe {
  /// The keys of a recipe that hold other keys.
  static let sections = ["data", "model", "train", "optimizer", "schedule", "eval"]

  /// Names that keys had in earlier versions, with today's.
  static let renamed = ["model.attention": "model.mixer"]

  /// Today's name of a key, and the former name that it was given under, if it was.
  static func currentName(of key: String) -> (name: String, former: String?) {
    for (former, name) in renamed where key == former || key.hasPrefix("\(former).") {
      return (name + key.dropFirst(former.count), former)
    }
    return (key, nil)
  }

  /// What is said of keys that a text has under an earlier version's name.
  static func notes(_ formerNames: [String], path: String?) -> [String] {
    formerNames.map { name in
      (path.map { "\($0): " } ?? "") + "\(name) is called \(renamed[name] ?? name) now"
    }
  }

  /// The keys of sections that hold other keys.
  static let innerSections = ["model.mixer", "model.init"]

  private static let known = Set(fields.map(\.path))

  /// Whether a key holds other keys.
  static func isSection(_ key: String) -> Bool {
    sections.contains(key) || innerSections.contains(key)
  }

  /// Whether a key holds a value; the mechanism's own keys are checked by the mechanism.
  static func isKnown(_ key: String) -> Bool {
    known.contains(key)
      || key.hasPrefix("model.mixer.") && key.split(separator: ".").count == 3
  }

  /// What is wrong with a key that got something which is no value.
  static func mistake(at key: String, found: String) -> RecipeProblem {
    isKnown(key) || isSection(key) ? .wrong(key, must: "a value", found: found) : .unknown(key)
  }

  /// What `schedule.factors` must be.
  static let factorWords =
    "a product of " + Schedule.Factor.allCases.map(\.rawValue).joined(separator: ", ")

  /// The YAML mapping of a text.
  ///
  /// - Throws: `malformed` when it is not YAML, `usage` when a key stands twice.
  static func compose(_ text: String, name: String) throws -> Node? {
    guard text.utf8.count <= 1_000_000 else {
      throw TrainError.recipeTooLarge(name, bytes: text.utf8.count)
    }
    do {
      return try Yams.compose(yaml: text)
    } catch YamlError.duplicatedKeysInMapping(let keys, let context) {
      throw TrainError.recipe(keys.map { .twice($0, line: context.mark.line) }, path: name)
    } catch YamlError.scanner(_, let problem, let mark, _) {
      throw TrainError.notYAML(name, line: mark.line, problem)
    } catch YamlError.parser(_, let problem, let mark, _) {
      throw TrainError.notYAML(name, line: mark.line, problem)
    } catch YamlError.composer(_, let problem, let mark, _) {
      throw TrainError.notYAML(name, line: mark.line, problem)
    } catch {
      throw TrainError.notYAML(name, line: nil, "unreadable text")
    }
  }
}

extension Substring {
  /// The text without spaces and tabs at its ends.
  fileprivate func trimmingWhitespace() -> String {
    var text = self
    while text.first == " " || text.first == "\t" { text.removeFirst() }
    while text.last == " " || text.last == "\t" { text.removeLast() }
    return String(text)
  }
}
