/// The lines of label and text of all files.
struct LabelledTable {
  private(set) var symbols: [UInt8] = []
  private(set) var examples: OwnExamples
  private let format: LabelledText.Format
  private let asked: OwnColumns?
  private let hasHeader: Bool

  /// - Parameters:
  ///   - columns: nil for label and text, or what a first line names.
  ///   - header: the first line is no example, whatever it says.
  init(
    _ format: LabelledText.Format = .tsv, classes: [String] = [], columns: OwnColumns? = nil,
    header: Bool = false
  ) {
    self.format = format
    examples = OwnExamples(labels: ClassLabels(given: classes, takesNames: format == .csv))
    asked = columns
    hasHeader = header || columns?.needsHeader == true
  }

  /// Reads a file.
  mutating func add(_ file: SourceFile) throws {
    var file = file
    file.advice = OwnTask.advice
    guard let split = examples.begin(file, suffixes: [".\(format)"]) else { return }
    var columns: Columns?
    func take(_ line: TextLine, _ fields: [Range<Int>]) throws {
      if line.number == 1 {
        let (found, isHeader) = try Columns.first(line, fields, asked: asked, hasHeader: hasHeader)
        columns = found
        examples.hasSplitColumn = found.split != nil || examples.hasSplitColumn
        if isHeader { return }
      }
      try add(line, fields, columns ?? Columns(split: nil, label: 0, text: 1, count: 2), split)
    }
    switch format {
    case .tsv: try file.forEachLine { try take($0, $0.fields()) }
    case .csv: try CSVRecords.forEach(of: file, take)
    }
  }

  private mutating func add(
    _ line: TextLine, _ fields: [Range<Int>], _ columns: Columns, _ fileSplit: OwnSplit?
  ) throws {
    guard fields.count == columns.count else {
      throw line.malformed(
        "expected \(columns.count) \(format == .tsv ? "tab" : "comma")-separated fields, "
          + "found \(fields.count)",
        at: fields[min(columns.count, fields.count) - 1].upperBound)
    }
    let field = fields[columns.label]
    let source = line.wholeNumber(field).map(SourceLabel.number) ?? .name(line.text(field))
    guard let label = examples.labels.take(source, at: "line \(line.number)") else {
      throw line.malformed(
        "the label is \(line.shown(field)); \(examples.labels.expected) expected",
        at: field.lowerBound)
    }
    var split = fileSplit
    if let column = columns.split {
      split = OwnSplit(word: line.text(fields[column]))
      guard split != nil else {
        throw line.malformed(
          "the split is \(line.shown(fields[column])); train, validation or test expected",
          at: fields[column].lowerBound)
      }
    }
    let place = fields[columns.text]
    let text = UnsafeRawBufferPointer(rebasing: line.bytes[place])
    guard !text.isEmpty else { throw line.malformed("the text is empty", at: place.lowerBound) }
    if let zero = text.firstIndex(of: 0) {
      throw line.malformed(
        "a zero byte, which no text has; save the file as UTF-8", at: place.lowerBound + zero)
    }
    examples.add(
      SequenceRow(
        start: symbols.count, count: text.count, label: label,
        meta: #"{"line":\#(line.number)}"#), split)
    symbols.append(contentsOf: text)
  }
}

/// Which field is which.
private struct Columns {
  var split: Int?
  var label: Int
  var text: Int
  var count: Int

  init(split: Int?, label: Int, text: Int, count: Int) {
    (self.split, self.label, self.text, self.count) = (split, label, text, count)
  }

  /// The columns that a file's first line shows, and whether it is a header.
  static func first(
    _ line: TextLine, _ fields: [Range<Int>], asked: OwnColumns?, hasHeader: Bool
  ) throws -> (Columns, isHeader: Bool) {
    if let asked { return (try Columns(asked, line, fields), hasHeader) }
    if let named = try Columns(line, fields) { return (named, true) }
    return (Columns(split: nil, label: 0, text: 1, count: 2), hasHeader)
  }

  /// The columns that the user asks for; all others are left out.
  private init(_ asked: OwnColumns, _ line: TextLine, _ fields: [Range<Int>]) throws {
    let names = fields.map(line.text)
    func field(_ place: OwnColumns.Place) throws -> Int {
      switch place {
      case .number(let number):
        guard number <= fields.count else {
          throw line.malformed(
            "there is no column \(number) (--columns \(asked)): the line has \(fields.count)",
            at: line.bytes.count)
        }
        return number - 1
      case .name(let name):
        guard names.count(where: { $0 == name }) == 1, let number = names.firstIndex(of: name)
        else {
          throw line.malformed(
            "the header has no column \(CanonicalJSON.quoted(name)), or has it twice "
              + "(--columns \(asked)); it has \(fields.map(line.shown).joined(separator: ", "))")
        }
        return number
      }
    }
    self.init(
      split: try asked.split.map(field), label: try field(asked.label), text: try field(asked.text),
      count: fields.count)
  }

  /// The columns of a first line that names them; nil when it is an example.
  private init?(_ line: TextLine, _ fields: [Range<Int>]) throws {
    let names = fields.map { $0.count > 20 ? "" : line.text($0).lowercased() }
      .map { $0 == "sentence" ? "text" : $0 }
    guard let label = names.firstIndex(of: "label") else { return nil }
    for (name, field) in zip(names, fields)
    where !["split", "label", "text"].contains(name) || names.count(where: { $0 == name }) > 1 {
      throw line.malformed(
        "column \(line.shown(field)) is unknown or there twice; label, text and split allowed",
        at: field.lowerBound)
    }
    guard let text = names.firstIndex(of: "text") else {
      throw line.malformed("there is no column text", at: line.bytes.count)
    }
    self.init(
      split: names.firstIndex(of: "split"), label: label, text: text, count: names.count)
  }
}

extension TextLine {
  /// A whole number, also as AAN has it (`1.0`); nil for anything else.
  func wholeNumber(_ field: Range<Int>) -> Int? {
    guard let point = bytes[field].firstIndex(of: UInt8(ascii: ".")) else { return number(field) }
    let fraction = bytes[(point + 1)..<field.upperBound]
    guard !fraction.isEmpty, fraction.allSatisfy({ $0 == UInt8(ascii: "0") }) else { return nil }
    return number(field.lowerBound..<point)
  }
}
