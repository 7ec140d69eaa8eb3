import Foundation

/// A class as a source says it.
enum SourceLabel: Equatable {
  case number(Int)
  case name(String)
}

/// The classes of a task of one's own: numbers from 0, or names.
///
/// Names are those that the user gives, in their order, or those that the sources have, in the order of
/// their bytes. Numbers and names do not mix.
struct ClassLabels {
  /// The names that the user gave.
  let given: [String]
  /// Whether the sources may name classes without that.
  let takesNames: Bool
  private var found: [String: Int] = [:]
  private var firstName: (String, place: String)?
  private var firstNumber: (Int, place: String)?

  init(given: [String] = [], takesNames: Bool = false) {
    self.given = given
    self.takesNames = takesNames
  }

  /// What a label may be, for messages.
  var expected: String {
    if !given.isEmpty { return "one of \(given.joined(separator: ", ")), or its number from 0" }
    return "an integer from 0 to \(OwnTask.greatestLabel)" + (takesNames ? " or a name" : "")
  }

  /// Takes a label.
  ///
  /// - Parameter place: where it stands, for messages.
  /// - Returns: its class, negative while the names are not all known; nil when there is no such class.
  mutating func take(_ label: SourceLabel, at place: @autoclosure () -> String) -> Int? {
    switch label {
    case .number(let number):
      guard (0...OwnTask.greatestLabel).contains(number), given.isEmpty || number < given.count
      else { return nil }
      if firstNumber == nil { firstNumber = (number, place()) }
      return number
    case .name(let name):
      if !given.isEmpty { return given.firstIndex(of: name) }
      guard takesNames, !name.isEmpty, name.utf8.count <= 200,
        !name.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }),
        found[name] != nil || found.count <= OwnTask.greatestLabel
      else { return nil }
      if firstName == nil { firstName = (name, place()) }
      let number = found[name] ?? found.count
      found[name] = number
      return ~number
    }
  }

  /// The names by class; empty when classes are numbers.
  var names: [String] {
    given.isEmpty
      ? found.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) } : given
  }

  /// What every label that was taken is in the end.
  ///
  /// - Throws: `malformedInput` when some were numbers and others names.
  func final(of sources: String) throws -> (Int) -> Int {
    guard let (name, there) = firstName else { return { $0 } }
    if let (number, here) = firstNumber {
      throw DatasetError.sourceMalformed(
        sources, member: nil,
        "labels are numbers and names: \(number) (\(here)) and \(CanonicalJSON.quoted(name)) (\(there))",
        next: "nothing was written; use one or the other")
    }
    let order = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
    var final = [Int](repeating: 0, count: found.count)
    for (name, number) in found { final[number] = order[name] ?? 0 }
    return { final[~$0] }
  }

  /// Names as the text that the index holds.
  static func encoded(_ names: [String]) -> ParameterValue {
    .string("[\(names.map(CanonicalJSON.quoted).joined(separator: ","))]")
  }

  /// The names in a dataset's parameters; empty when there are none.
  static func names(in parameters: [String: ParameterValue], key: String = "class_names")
    -> [String]
  {
    guard case .string(let text) = parameters[key] else { return [] }
    return (try? JSONDecoder().decode([String].self, from: Data(text.utf8))) ?? []
  }
}

extension DatasetRecord {
  /// The names of the classes from 0; empty when they are numbers only.
  var classNames: [String] { ClassLabels.names(in: parameters) }
}
