/// One of the three files of pairs, `new_aan_pairs.{train,eval,test}.tsv`.
enum AANFile: Int, CaseIterable {
  case train, eval, test

  /// - Parameter name: without folders.
  init?(_ name: Substring) {
    guard let file = AANFile.allCases.first(where: { $0.name == name }) else { return nil }
    self = file
  }

  /// The file's name.
  var name: String { "new_aan_pairs.\(self).tsv" }

  /// The split that it becomes.
  var split: String { self == .eval ? "validation" : "\(self)" }

  /// How many pairs the released file has (mlpen/Nystromformer, LRA/code/lra_config.py).
  var released: Int {
    switch self {
    case .train: 147_086
    case .eval: 18_090
    case .test: 17_437
    }
  }
}

/// Reads the pairs of a file: a line each of label, id1, id2, text1, text2, with tabs between them.
///
/// No header, no quoting: every other byte belongs to its field. A label is `0.0` or `1.0`. An id is text of
/// 1 to 256 bytes without control characters. A text may have any bytes but tab and line feed, and none at
/// all; a carriage return at the very end of a line belongs to the line's end.
struct AANReader {
  private let kind: AANFile
  private let file: SourceFile
  private var pairs: [DocumentPair] = []
  private var tabs: [Int] = []

  init(_ kind: AANFile, _ file: SourceFile) {
    self.kind = kind
    self.file = file
    pairs.reserveCapacity(kind.released)
  }

  /// All pairs; documents are named by their numbers in the pool.
  ///
  /// - Throws: `malformedInput` with the line.
  mutating func read(into documents: inout DocumentPool) throws -> [DocumentPair] {
    let home = try documents.map(file)
    var lines = LineSplitter()
    try file.forEachChunk(of: 1 << 22) { piece in
      try lines.feed(piece) { try add($0, to: &documents, home) }
      if let line = lines.longLine {
        throw malformed(DatasetError.pairLineLong(lines.limit), line: line)
      }
    }
    try lines.finish { try add($0, to: &documents, home) }
    if let home, lines.bytes != documents.bytes(ofFile: home) { throw changed }
    guard !pairs.isEmpty else {
      throw DatasetError.pairsEmpty(file.source, member: member, released: kind.released)
    }
    return pairs
  }

  private mutating func add(
    _ line: LineSplitter.Line, to documents: inout DocumentPool, _ home: Int?
  ) throws {
    let bytes = line.bytes
    let found = split(bytes)
    guard found == 5 else { throw malformed(DatasetError.pairFields(found), line: line.number) }
    func field(_ number: Int) -> UnsafeRawBufferPointer {
      let start = number == 0 ? 0 : tabs[number - 1] + 1
      return UnsafeRawBufferPointer(
        rebasing: bytes[start..<(number == 4 ? bytes.count : tabs[number])])
    }
    let label = try label(field(0), line.number)
    func document(_ number: Int) throws -> Int {
      let id = try id(field(number), number, line.number)
      let text = field(number + 2)
      let offset = line.offset + tabs[number + 1] + 1
      if let found = documents.number(of: text, id: id, in: home, at: offset) { return found }
      throw home == nil
        ? DatasetError.documentsTooLarge(file.source, limit: documents.memoryLimit) : changed
    }
    pairs.append(
      DocumentPair(document1: try document(1), document2: try document(2), label: label))
  }

  /// Finds the first tabs of a line.
  ///
  /// - Returns: how many fields it has.
  private mutating func split(_ line: UnsafeRawBufferPointer) -> Int {
    tabs.removeAll(keepingCapacity: true)
    var count = line.isEmpty ? 0 : 1
    var start = 0
    while let tab = LineSplitter.firstIndex(
      of: UInt8(ascii: "\t"), in: UnsafeRawBufferPointer(rebasing: line[start...]))
    {
      if tabs.count < 4 { tabs.append(start + tab) }
      count += 1
      start += tab + 1
    }
    return count
  }

  private func label(_ field: UnsafeRawBufferPointer, _ line: Int) throws -> Int {
    if field.elementsEqual("0.0".utf8) { return 0 }
    if field.elementsEqual("1.0".utf8) { return 1 }
    let shown = String(decoding: field.prefix(20), as: UTF8.self) + (field.count > 20 ? "…" : "")
    throw malformed(DatasetError.pairLabel(shown), line: line)
  }

  private func id(_ field: UnsafeRawBufferPointer, _ number: Int, _ line: Int) throws -> String {
    let text = String(decoding: field, as: UTF8.self)
    // Bytes that are no UTF-8 do not come back.
    guard (1...256).contains(field.count), text.utf8.elementsEqual(field),
      !field.contains(where: { $0 < 0x20 || $0 == 0x7F })
    else { throw malformed(DatasetError.pairID(number), line: line) }
    return text
  }

  private var member: String? { file.location == file.source ? nil : file.path }

  private func malformed(_ what: String, line: Int) -> DatasetError {
    .pairLine(file.source, member: member, line: line, what, released: kind.released)
  }

  private var changed: DatasetError { .sourceChanged(file.location ?? file.source) }
}
