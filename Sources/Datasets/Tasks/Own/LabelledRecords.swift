import Foundation

/// A user's own text classification from JSON Lines: an object per line, with a label and a text.
///
/// Keys are `label`, `text` and perhaps `split`, or those that `columns` names; other keys are left out. A
/// label is a whole number from 0, or the name of a class: names are numbered in the order of their bytes,
/// or as the user gives them, and kept. Texts may have line breaks; their UTF-8 bytes are stored, id = byte
/// + 1. Splits come to be as those of `LabelledText`. The meta text holds the line.
public struct LabelledRecords: Converter {
  /// Changes whenever the same files give another content.
  public static let version = 1
  /// Classes, longest text and number of ids.
  public static var measured: Set<String> { OwnTask.measured }
  /// People keep single files compressed.
  public static var readsCompressedFiles: Bool { true }

  /// Its name and splits.
  public var own: OwnTask
  /// Which key is which; nil for `label`, `text` and `split`.
  public var columns: OwnColumns?

  /// A task of one's own.
  public init(_ own: OwnTask) { self.own = own }

  /// The converter of a manifest's parameters; nil when they are not its own.
  init?(task: String, parameters: [String: ParameterValue]) {
    own = OwnTask(task: task, parameters: parameters)
    if case .string(let typed) = parameters["columns"] { columns = try? OwnColumns(typed) }
    guard self.parameters == parameters.filter({ !LabelledRecords.measured.contains($0.key) })
    else { return nil }
  }

  /// The user's name for it.
  public var task: String { own.task }
  /// The task.
  public var datasetName: String { own.task }
  /// Everything that decides the content, apart from the files.
  public var parameters: [String: ParameterValue] {
    var parameters = own.parameters("jsonl")
    if let columns { parameters["columns"] = .string("\(columns)") }
    return parameters
  }

  /// - Throws: `usage`.
  public func validate() throws { try own.validate() }

  /// Reads all lines.
  ///
  /// - Throws: `malformedInput` with the line.
  public func read(_ sources: SourceReader) throws -> ConvertedContent {
    var records = RecordTable(classes: own.classes, columns: columns)
    try sources.forEachFile { try records.add($0) }
    guard !records.examples.rows.isEmpty else {
      throw DatasetError.nothingFound(
        sources.names, "examples",
        expected: "a JSON object per line with \(records.keys.label) and \(records.keys.text)")
    }
    return try records.examples.content(
      of: own, records.symbols, vocabularySize: 257, from: sources.names)
  }
}

/// The objects of all files.
private struct RecordTable {
  struct Keys {
    let label: String
    let text: String
    /// nil when no key is asked for; then `split` is taken where it is.
    let split: String?
  }

  private(set) var symbols: [UInt8] = []
  private(set) var examples: OwnExamples
  let keys: Keys
  private let decoder = JSONDecoder()

  init(classes: [String], columns: OwnColumns?) {
    examples = OwnExamples(labels: ClassLabels(given: classes, takesNames: true))
    keys = Keys(
      label: columns?.label.description ?? "label", text: columns?.text.description ?? "text",
      split: columns?.split?.description)
    if let key = Record.keys { decoder.userInfo[key] = keys }
  }

  mutating func add(_ file: SourceFile) throws {
    var file = file
    file.advice = OwnTask.advice
    guard let split = examples.begin(file, suffixes: [".jsonl", ".ndjson"]) else { return }
    try file.forEachLine { try add($0, split) }
  }

  private mutating func add(_ line: TextLine, _ fileSplit: OwnSplit?) throws {
    let record: Record
    do {
      record = try decoder.decode(Record.self, from: Data(line.bytes))
    } catch let error as Wrong {
      throw line.malformed(error.what)
    } catch {
      throw line.malformed("not a JSON object")
    }
    if let twice = ObjectKeys(line.bytes).repeated(among: [
      keys.label, keys.text, keys.split ?? "split",
    ]) {
      throw line.malformed("the key \(CanonicalJSON.quoted(twice)) is there twice")
    }
    guard let label = examples.labels.take(record.label, at: "line \(line.number)") else {
      throw line.malformed("the label is \(record.shown); \(examples.labels.expected) expected")
    }
    var split = fileSplit
    if let word = record.split {
      examples.hasSplitColumn = true
      split = OwnSplit(word: word)
      guard split != nil else {
        throw line.malformed(
          "the split is \(CanonicalJSON.quoted(word)); train, validation or test expected")
      }
    }
    guard !record.text.isEmpty else { throw line.malformed("the text is empty") }
    guard !record.text.utf8.contains(0) else {
      throw line.malformed("a zero byte, which no text has")
    }
    examples.add(
      SequenceRow(
        start: symbols.count, count: record.text.utf8.count, label: label,
        meta: #"{"line":\#(line.number)}"#), split)
    symbols.append(contentsOf: record.text.utf8)
  }
}

/// What is wrong with an object.
private struct Wrong: Error {
  let what: String
}

/// An object of a line.
private struct Record: Decodable {
  static let keys = CodingUserInfoKey(rawValue: "keys")

  let label: SourceLabel
  let text: String
  let split: String?

  /// The label as it is shown in an error.
  var shown: String {
    switch label {
    case .number(let number): "\(number)"
    case .name(let name):
      CanonicalJSON.quoted(String(name.prefix(20))) + (name.count > 20 ? "..." : "")
    }
  }

  private struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(_ name: String) { stringValue = name }
    init?(stringValue: String) { self.init(stringValue) }
    init?(intValue: Int) { nil }
  }

  init(from decoder: any Decoder) throws {
    guard let key = Record.keys, let keys = decoder.userInfo[key] as? RecordTable.Keys else {
      throw Wrong(what: "no keys were asked for")
    }
    let object = try decoder.container(keyedBy: Key.self)
    func missing(_ key: String) -> Wrong {
      let found = object.allKeys.map(\.stringValue).sorted().prefix(10)
        .map { CanonicalJSON.quoted(String($0.prefix(40))) }.joined(separator: ", ")
      return Wrong(
        what:
          "no key \(CanonicalJSON.quoted(key)); the object has \(found.isEmpty ? "none" : found) "
          + "(name them with --columns label=KEY,text=KEY)")
    }
    guard object.contains(Key(keys.label)) else { throw missing(keys.label) }
    guard object.contains(Key(keys.text)) else { throw missing(keys.text) }
    guard let text = try? object.decode(String.self, forKey: Key(keys.text)) else {
      throw Wrong(what: "\(CanonicalJSON.quoted(keys.text)) is no string")
    }
    self.text = text
    label = try Record.label(object, Key(keys.label))
    let split = Key(keys.split ?? "split")
    if let asked = keys.split, !object.contains(split) { throw missing(asked) }
    self.split = object.contains(split) ? try? object.decode(String.self, forKey: split) : nil
    if keys.split != nil, self.split == nil {
      throw Wrong(what: "\(CanonicalJSON.quoted(split.stringValue)) is no string")
    }
  }

  private static func label(
    _ object: KeyedDecodingContainer<Key>, _ key: Key
  ) throws -> SourceLabel {
    if let name = try? object.decode(String.self, forKey: key) {
      // Tables that become records have numbers as texts, also as AAN has them.
      let whole = name.wholeMatch(of: /([0-9]{1,18})(\.0+)?/).flatMap { Int($0.1) }
      return whole.map(SourceLabel.number) ?? .name(name)
    }
    if let flag = try? object.decode(Bool.self, forKey: key) { return .number(flag ? 1 : 0) }
    if let number = try? object.decode(Double.self, forKey: key) {
      guard let whole = Int(exactly: number) else {
        throw Wrong(what: "the label is \(number); a whole number or a name expected")
      }
      return .number(whole)
    }
    throw Wrong(what: "the label is neither a number nor a name")
  }
}

/// The keys of a JSON object itself, not of those within it, as they are written.
///
/// A decoder takes one of two values of a key without a word.
private struct ObjectKeys {
  private(set) var keys: [String] = []

  /// - Parameter bytes: a sound object.
  init(_ bytes: UnsafeRawBufferPointer) {
    var depth = 0
    var place = 0
    while place < bytes.count {
      switch bytes[place] {
      case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
      case UInt8(ascii: "\""):
        let start = place + 1
        place = start
        while place < bytes.count, bytes[place] != UInt8(ascii: "\"") {
          place += bytes[place] == UInt8(ascii: "\\") ? 2 : 1
        }
        var next = place + 1
        while next < bytes.count, [9, 13, 32].contains(bytes[next]) { next += 1 }
        if depth == 1, next < bytes.count, bytes[next] == UInt8(ascii: ":"), place <= bytes.count {
          keys.append(String(decoding: bytes[start..<place], as: UTF8.self))
        }
      default: break
      }
      place += 1
    }
  }

  /// The first of some keys that is there more than once.
  func repeated(among names: [String]) -> String? {
    names.first { name in keys.count(where: { $0 == name }) > 1 }
  }
}
