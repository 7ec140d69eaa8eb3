/// One file that data is converted from: a member of an archive, a file of a folder, or a file alone.
///
/// Its content can be read once, inside the body that got it.
struct SourceFile {
  /// The source as the user named it, for messages.
  let source: String
  /// Which of the sources it belongs to, from 0.
  let sourceNumber: Int
  /// Its place within the archive or folder, with `/` between names; a file alone has its name.
  ///
  /// Relative, without `.` and `..`, without control characters.
  let path: String
  /// Its size as announced; -1 when an archive does not say it before the content.
  let bytes: Int
  /// Where it lies on disk; nil in an archive.
  let location: String?
  /// The user named it, not a folder or an archive: it belongs whatever its name is.
  var isAlone = false
  /// Gives the next bytes to a buffer; 0 at the end.
  let read: (UnsafeMutableRawBufferPointer) throws -> Int
  /// What to do about a malformed file; nil for the files of others.
  var advice: String?

  /// Its name without folders.
  var name: Substring {
    path[(path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex)...]
  }

  /// The names on its path, its own last.
  var components: [Substring] { path.split(separator: "/") }

  /// Appends its content.
  ///
  /// - Parameter limit: more bytes than this are refused before memory is taken for them.
  /// - Returns: how many bytes were appended.
  /// - Throws: `malformedInput`.
  @discardableResult
  func append(to target: inout [UInt8], limit: Int = 1 << 28) throws -> Int {
    guard bytes <= limit else {
      throw malformed("\(bytes.grouped) bytes, at most \(limit.grouped) allowed")
    }
    let start = target.count
    // A header may lie: memory grows with what is read.
    var step = bytes >= 0 ? min(max(bytes, 1), 1 << 20) : 1 << 16
    while true {
      let filled = target.count
      target.append(contentsOf: repeatElement(0, count: step))
      let count = try target.withUnsafeMutableBytes {
        try read(UnsafeMutableRawBufferPointer(rebasing: $0[filled...]))
      }
      target.removeLast(step - count)
      if count == 0 { return target.count - start }
      guard target.count - start <= limit else {
        throw malformed("more than \(limit.grouped) bytes")
      }
      step = min(max(bytes - (target.count - start), 1 << 12), 1 << 20)
    }
  }

  /// Its content.
  func contents(limit: Int = 1 << 28) throws -> [UInt8] {
    var content: [UInt8] = []
    try append(to: &content, limit: limit)
    return content
  }

  /// Gives the content to a body piece by piece, for files that shall not lie in memory.
  func forEachChunk(
    of size: Int = 1 << 20, _ body: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    try withUnsafeTemporaryAllocation(byteCount: size, alignment: 16) { buffer in
      while true {
        let count = try read(buffer)
        if count == 0 { return }
        try body(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      }
    }
  }

  /// Fills a buffer, less only at the end of the file.
  ///
  /// - Returns: how many bytes were read.
  func fill(_ buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    var filled = 0
    while filled < buffer.count {
      let count = try read(UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]))
      if count == 0 { break }
      filled += count
    }
    return filled
  }

  /// An error that names the file, and line and column or the byte when there is one.
  func malformed(
    _ what: String, line: Int? = nil, column: Int? = nil, byte: Int? = nil
  ) -> DatasetError {
    .sourceMalformed(
      source, member: location == source ? nil : path, line: line, column: column, byte: byte,
      what, next: advice)
  }

  /// The error of a parser, with the file's name.
  func malformed(_ error: MalformedBytes) -> DatasetError {
    malformed(error.what, byte: error.byte)
  }
}

/// A file that was left out of a dataset, and why.
public struct SkippedFile: Sendable, Equatable {
  /// The file's place within its source.
  public let path: String
  /// Why, in a few words.
  public let reason: String
}

/// What a parser of bytes in memory found, before a file's name is put to it.
struct MalformedBytes: Error, Equatable {
  /// Where, from 0.
  let byte: Int
  /// What is wrong there.
  let what: String

  init(_ byte: Int, _ what: String) {
    self.byte = byte
    self.what = what
  }
}
