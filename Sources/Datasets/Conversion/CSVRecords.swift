/// The records of a CSV file, by RFC 4180.
///
/// Fields stand between commas, records end with CR LF or LF; a field in quotes may hold commas, line ends and
/// quotes, which are doubled there. Everything else belongs to the fields, spaces too: bytes are kept as they
/// are. A byte order mark at the beginning is left out, and so are blank lines at the end.
struct CSVRecords {
  private enum State {
    case start
    case plain
    case quoted(line: Int, column: Int)
    case closed
  }

  private let file: SourceFile
  /// The fields of the record so far, end to end, without their quotes.
  private var bytes: [UInt8] = []
  private var fields: [Range<Int>] = []
  private var state = State.start
  /// Where the next byte stands, from 1.
  private var (line, column) = (1, 1)
  /// The line on which the record began.
  private var first = 1
  private var blanks: [Int] = []

  private init(_ file: SourceFile) { self.file = file }

  /// Gives every record of a file to a body: its fields as one line without separators, and their places.
  ///
  /// - Throws: `malformedInput` with line and column, and what the body throws.
  static func forEach(
    of file: SourceFile, _ body: (TextLine, [Range<Int>]) throws -> Void
  ) throws {
    var content = try file.contents(limit: 1 << 31)
    if content.starts(with: [0xEF, 0xBB, 0xBF]) { content.removeFirst(3) }
    var records = CSVRecords(file)
    var place = 0
    while place < content.count {
      let byte = content[place]
      let next = place + 1 < content.count ? content[place + 1] : 0
      place += try records.take(byte, next: next, body)
    }
    try records.finish(body)
  }

  /// Takes a byte.
  ///
  /// - Returns: how many bytes were used: two for a doubled quote and for CR LF.
  private mutating func take(
    _ byte: UInt8, next: UInt8, _ body: (TextLine, [Range<Int>]) throws -> Void
  ) throws -> Int {
    let quote = UInt8(ascii: "\"")
    if case .quoted = state {
      guard byte == quote else {
        bytes.append(byte)
        advance(byte)
        return 1
      }
      guard next == quote else {
        state = .closed
        column += 1
        return 1
      }
      bytes.append(quote)
      column += 2
      return 2
    }
    switch byte {
    case UInt8(ascii: ","):
      endField()
      column += 1
    case UInt8(ascii: "\n"):
      try endRecord(body)
    case UInt8(ascii: "\r"):
      guard next == UInt8(ascii: "\n") else {
        throw file.malformed(
          "a carriage return that ends no line; put the field into quotes", line: line,
          column: column)
      }
      try endRecord(body)
      return 2
    case quote:
      guard case .start = state else {
        throw file.malformed(
          "a quote within a field; put the field into quotes and double it", line: line,
          column: column)
      }
      state = .quoted(line: line, column: column)
      column += 1
    default:
      if case .closed = state {
        throw file.malformed("text behind a closing quote", line: line, column: column)
      }
      state = .plain
      bytes.append(byte)
      column += 1
    }
    return 1
  }

  private mutating func advance(_ byte: UInt8) {
    if byte == UInt8(ascii: "\n") {
      (line, column) = (line + 1, 1)
    } else {
      column += 1
    }
  }

  /// Whether the line so far has neither text nor quote nor comma.
  private var isBlank: Bool {
    if case .start = state { fields.isEmpty } else { false }
  }

  private mutating func endField() {
    fields.append((fields.last?.upperBound ?? 0)..<bytes.count)
    state = .start
  }

  private mutating func endRecord(_ body: (TextLine, [Range<Int>]) throws -> Void) throws {
    if isBlank {
      blanks.append(line)
    } else {
      try giveBlanks(body)
      endField()
      try give(body)
    }
    (line, column) = (line + 1, 1)
    first = line
  }

  /// Blank lines before others are records of one empty field.
  private mutating func giveBlanks(_ body: (TextLine, [Range<Int>]) throws -> Void) throws {
    for number in blanks {
      let line = TextLine(
        bytes: UnsafeRawBufferPointer(start: nil, count: 0), number: number, file: file,
        hasColumns: false)
      try body(line, [0..<0])
    }
    blanks = []
  }

  private mutating func give(_ body: (TextLine, [Range<Int>]) throws -> Void) throws {
    try bytes.withUnsafeBytes {
      try body(TextLine(bytes: $0, number: first, file: file, hasColumns: false), fields)
    }
    bytes.removeAll(keepingCapacity: true)
    fields.removeAll(keepingCapacity: true)
  }

  private mutating func finish(_ body: (TextLine, [Range<Int>]) throws -> Void) throws {
    if case .quoted(let line, let column) = state {
      throw file.malformed("a quote that is never closed", line: line, column: column)
    }
    if isBlank { return }
    try giveBlanks(body)
    endField()
    try give(body)
  }
}
