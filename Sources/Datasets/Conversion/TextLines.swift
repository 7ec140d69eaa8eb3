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
    var number = 0
    var rest: [UInt8] = []
    func give(_ bytes: UnsafeRawBufferPointer) throws {
      number += 1
      var line = bytes
      if number == 1, line.starts(with: [0xEF, 0xBB, 0xBF]) {
        line = UnsafeRawBufferPointer(rebasing: line[3...])
      }
      if line.last == 13 { line = UnsafeRawBufferPointer(rebasing: line.dropLast()) }
      try body(TextLine(bytes: line, number: number, file: self))
    }
    try forEachChunk { chunk in
      var start = 0
      while start < chunk.count, let base = chunk.baseAddress {
        let end = memchr(base + start, 10, chunk.count - start).map { UnsafeRawPointer($0) - base }
        let piece = UnsafeRawBufferPointer(rebasing: chunk[start..<(end ?? chunk.count)])
        guard rest.count + piece.count <= limit else {
          throw malformed(
            "a line of more than \(limit.grouped) bytes", line: number + 1, column: limit + 1)
        }
        start = (end ?? chunk.count) + 1
        guard end != nil else {
          rest += piece
          continue
        }
        if rest.isEmpty {
          try give(piece)
        } else {
          rest += piece
          try rest.withUnsafeBytes(give)
          rest.removeAll(keepingCapacity: rest.count < 1 << 20)
        }
      }
    }
    if !rest.isEmpty { try rest.withUnsafeBytes(give) }
  }
}

/// A line of a text file; valid only inside the body that got it.
struct TextLine {
  let bytes: UnsafeRawBufferPointer
  let number: Int
  let file: SourceFile

  /// The places of its tab-separated fields.
  ///
  /// - Parameter limit: what is behind so many tabs belongs to the last field.
  func fields(limit: Int = 64) -> [Range<Int>] {
    var fields: [Range<Int>] = []
    var start = 0
    while fields.count < limit - 1, let base = bytes.baseAddress, start < bytes.count,
      let tab = memchr(base + start, 9, bytes.count - start)
    {
      let end = UnsafeRawPointer(tab) - base
      fields.append(start..<end)
      start = end + 1
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
    file.malformed(what, line: number, column: place + 1)
  }

  /// A field as it is shown in an error.
  func shown(_ field: Range<Int>) -> String {
    let text = String(decoding: bytes[field].prefix(20), as: UTF8.self)
    return CanonicalJSON.quoted(text) + (field.count > 20 ? "..." : "")
  }
}
