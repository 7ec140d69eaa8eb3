/// The lines of label and text of all files.
struct LabelledTable {
  private(set) var symbols: [UInt8] = []
  private(set) var examples = OwnExamples()

  /// Reads a file.
  mutating func add(_ file: SourceFile) throws {
    var file = file
    file.advice = OwnTask.advice
    var columns = Columns(split: nil, label: 0, text: 1, count: 2)
    let split = OwnSplit(path: file.path)
    try file.forEachLine { line in
      let fields = line.fields()
      if line.number == 1, let named = try Columns(line, fields) {
        columns = named
        return
      }
      try add(line, fields, columns, split)
    }
  }

  private mutating func add(
    _ line: TextLine, _ fields: [Range<Int>], _ columns: Columns, _ fileSplit: OwnSplit?
  ) throws {
    guard fields.count == columns.count else {
      throw line.malformed(
        "expected \(columns.count) tab-separated fields, found \(fields.count)",
        at: fields[min(columns.count, fields.count) - 1].upperBound)
    }
    let field = fields[columns.label]
    guard let label = line.number(field), label <= OwnTask.greatestLabel else {
      throw line.malformed(
        "the label is \(line.shown(field)); an integer from 0 to \(OwnTask.greatestLabel) expected",
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

  /// The columns of a first line that names them; nil when it is an example.
  init?(_ line: TextLine, _ fields: [Range<Int>]) throws {
    let names = fields.map { $0.count > 20 ? "" : line.text($0).lowercased() }
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
