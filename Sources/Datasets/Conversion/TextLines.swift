import Foundation

extension SourceFile {
  /// The longest line that is read.
  static let longestLine = 1 << 26

  /// Gives every line to a body, with its number from 1, without line end.
  ///
  /// Lines end with LF or CRLF; the last one may lack its end. A byte order mark at the beginning is
  /// left out. One line is in memory at a time.
  /// - Throws: `malformedInput` for a line of more bytes than allowed, and what the body throws.
  func forEachLine(
    limit: Int = SourceFile.longestLine, _ body: (TextLine) throws -> Void
  ) throws {
    var lines = LineSplitter(limit: limit)
    func give(_ line: LineSplitter.Line) throws {
      var bytes = line.bytes
      if line.number == 1, bytes.starts(with: [0xEF, 0xBB, 0xBF]) {
        bytes = UnsafeRawBufferPointer(rebasing: bytes[3...])
      }
      try body(TextLine(bytes: bytes, number: line.number, file: self))
    }
    try forEachChunk { chunk in
      try lines.feed(chunk, give)
      if let number = lines.longLine {
        throw malformed(
          "a line of more than \(limit.grouped) bytes", line: number, column: limit + 1)
      }
    }
    try lines.finish(give)
  }
}

/// A line of a text file; valid only inside the body that got it.
struct TextLine {
  let bytes: UnsafeRawBufferPointer
  let number: Int
  let file: SourceFile
  /// Whether its bytes stand in the file as they are, so that an error can name a column.
  var hasColumns = true

  /// The places of its tab-separated fields.
  ///
  /// - Parameter limit: what is behind so many tabs belongs to the last field.
  func fields(limit: Int = 64) -> [Range<Int>] {
    var fields: [Range<Int>] = []
    var start = 0
    while fields.count < limit - 1,
      let tab = LineSplitter.firstIndex(
        of: UInt8(ascii: "\t"), in: UnsafeRawBufferPointer(rebasing: bytes[start...]))
    {
      fields.append(start..<start + tab)
      start += tab + 1
    }
    return fields + [start..<bytes.count]
  }

  func text(_ field: Range<Int>) -> String { String(decoding: bytes[field], as: UTF8.self) }

  /// A number of digits only, nil for anything else.
  func number(_ field: Range<Int>) -> Int? {
    guard (1...18).contains(field.count) else { return nil }
    var value = 0
    for byte in bytes[field] {
      guard (48...57).contains(byte) else { return nil }
      value = 10 * value + Int(byte - 48)
    }
    return value
  }

  /// An error at a byte of this line.
  func malformed(_ what: String, at place: Int = 0) -> DatasetError {
    file.malformed(what, line: number, column: hasColumns ? place + 1 : nil)
  }

  /// A field as it is shown in an error.
  func shown(_ field: Range<Int>) -> String {
    let text = String(decoding: bytes[field].prefix(20), as: UTF8.self)
    return CanonicalJSON.quoted(text) + (field.count > 20 ? "..." : "")
  }
}
