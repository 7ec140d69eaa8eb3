/// One mistake in a recipe; a `TrainError` reports all of them at once.
enum RecipeProblem: Sendable, Equatable {
  /// A key that does not exist.
  case unknown(String)
  /// A key whose value is of the wrong kind or outside its range; the words of what it must be.
  case wrong(String, must: String, found: String)
  /// A key that stands twice in one mapping.
  case twice(String, line: Int)
  /// A key that a complete recipe lacks.
  case missing(String)
  /// A section that is not a mapping.
  case notASection(String)
  /// A number that must divide another.
  case doesNotDivide(String, Int, String, Int)
  /// A number that must not be above another.
  case above(String, Int, String, Int)
  /// A number that must be even, and why.
  case odd(String, Int, String)
  /// An override without `=`.
  case notASetting(String)
  /// A value of an override that is not YAML.
  case settingNotYAML(String)
  /// A protocol that does not exist.
  case unknownProtocol(String, [String])
  /// A task that does not exist.
  case unknownTask(String)
  /// A task that a protocol says nothing about.
  case taskNotInProtocol(String, task: String, [String])
  /// No task was named.
  case noTask

  /// An unknown factor of a schedule.
  static func factors(_ text: String) -> RecipeProblem {
    .wrong("schedule.factors", must: Recipe.factorWords, found: text)
  }

  /// The sentence that the user reads.
  var message: String {
    switch self {
    case .unknown(let key):
      "recipe key \(key) is unknown"
        + (nearestKey(to: key).map { "; did you mean \($0)?" } ?? "")
    case .wrong(let key, let must, let found): "recipe key \(key) must be \(must), found \(found)"
    case .twice(let key, let line): "recipe key \(key) is given twice (line \(line))"
    case .missing(let key): "recipe key \(key) is missing"
    case .notASection(let key): "recipe key \(key) must hold keys of its own"
    case .doesNotDivide(let part, let value, let whole, let size):
      "\(part) = \(value) does not divide \(whole) = \(size)"
    case .above(let small, let value, let large, let size):
      "\(small) = \(value) is above \(large) = \(size)"
    case .odd(let key, let value, let reason): "\(key) must be even for \(reason), found \(value)"
    case .notASetting(let text): "--set wants key=value, found \(text)"
    case .settingNotYAML(let text): "--set \(text): the value is not YAML"
    case .unknownProtocol(let name, let names):
      "recipe \(name) is neither a file nor one of \(names.joined(separator: ", "))"
    case .unknownTask(let name):
      "task \(name) is not one of \(Recipe.tasks.joined(separator: ", "))"
    case .taskNotInProtocol(let name, let task, let tasks):
      "recipe \(name) is not for task \(task), only for \(tasks.joined(separator: ", "))"
    case .noTask:
      "no task is named; choose one with --task: "
        + Recipe.tasks.joined(separator: ", ")
    }
  }
}

extension TrainError {
  /// A recipe with mistakes, one line for each.
  static func recipe(_ problems: [RecipeProblem], path: String? = nil) -> TrainError {
    TrainError(.usage, problems.map(\.message).joined(separator: "\n"), path: path)
  }

  /// A recipe file that is not YAML.
  static func notYAML(_ name: String, line: Int?, _ problem: String) -> TrainError {
    let place = line.map { "\(name):\($0)" } ?? name
    return TrainError(.malformed, "\(place): not YAML: \(problem)", path: name, position: line)
  }

  /// A recipe file that is far larger than any recipe.
  static func recipeTooLarge(_ path: String, bytes: Int) -> TrainError {
    TrainError(
      .malformed, "\(path) has \(bytes) bytes; a recipe has at most 1000000", path: path)
  }
}

/// The known key that is most like an unknown one, nil when none is close.
private func nearestKey(to key: String) -> String? {
  let known = Recipe.fields.map(\.path) + Recipe.sections + Recipe.innerSections
  let last = key.split(separator: ".").last ?? ""
  if let moved = known.first(where: { $0.split(separator: ".").last == last }) { return moved }
  return nearest(to: key, among: known)
}

/// The known word that is most like an unknown one, nil when none is close.
func nearest(to word: String, among known: [String]) -> String? {
  let ranked = known.map { (distance(Array(word.utf8), Array($0.utf8)), $0) }
  guard let best = ranked.min(by: { $0.0 < $1.0 }), best.0 <= max(2, word.utf8.count / 4) else {
    return nil
  }
  return best.1
}

/// The number of bytes to insert, delete or replace to turn one text into the other (Levenshtein).
private func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
  var row = Array(0...b.count)
  for (i, x) in a.prefix(200).enumerated() {
    var diagonal = row[0]
    row[0] = i + 1
    for (j, y) in b.enumerated() {
      let replaced = diagonal + (x == y ? 0 : 1)
      diagonal = row[j + 1]
      row[j + 1] = min(replaced, diagonal + 1, row[j] + 1)
    }
  }
  return row[b.count]
}
