import Foundation

/// Lines of a file that comes piece by piece, without copying those that lie in one piece.
///
/// A line ends with LF or CR LF; the last one may have no end. Blank lines at the end of the file are none;
/// of those before other lines the first of each run is given.
struct LineSplitter {
  /// A line, valid only inside the body that gets it.
  struct Line {
    /// Its number in the file, from 1.
    let number: Int
    /// Where it begins in the file.
    let offset: Int
    /// Its bytes without its end.
    let bytes: UnsafeRawBufferPointer
  }

  /// The longest line that is taken, in bytes.
  let limit: Int
  /// Lines given so far.
  private(set) var count = 0
  private var offset = 0
  /// The beginning of a line whose end has not come yet.
  private var beginning: [UInt8] = []
  /// A blank line with nothing but blank lines behind it so far: its number and place.
  private var blank: (number: Int, offset: Int)?

  init(limit: Int = 1 << 28) {
    self.limit = limit
  }

  /// Bytes taken so far.
  var bytes: Int { offset + beginning.count }

  /// The first line that is longer than allowed, if the last `feed` met it.
  private(set) var longLine: Int?

  /// Takes the next piece, and gives every line that ends in it to a body.
  ///
  /// Stops at a line that is too long, and sets `longLine`.
  mutating func feed(_ piece: UnsafeRawBufferPointer, _ body: (Line) throws -> Void) rethrows {
    var rest = piece
    while let end = LineSplitter.firstIndex(of: UInt8(ascii: "\n"), in: rest) {
      let part = UnsafeRawBufferPointer(rebasing: rest[..<end])
      guard beginning.count + part.count <= limit else { return longLine = count + 1 }
      if beginning.isEmpty {
        try give(part, length: end + 1, body)
      } else {
        let length = beginning.count + end + 1
        var line: [UInt8] = []
        swap(&line, &beginning)
        line.append(contentsOf: part)
        try line.withUnsafeBytes { try give($0, length: length, body) }
      }
      rest = UnsafeRawBufferPointer(rebasing: rest[(end + 1)...])
    }
    guard beginning.count + rest.count <= limit else { return longLine = count + 1 }
    beginning.append(contentsOf: rest)
  }

  /// Gives the last line when it has no end.
  mutating func finish(_ body: (Line) throws -> Void) rethrows {
    guard !beginning.isEmpty else { return }
    var line: [UInt8] = []
    swap(&line, &beginning)
    try line.withUnsafeBytes { try give($0, length: $0.count, body) }
  }

  /// - Parameter length: its bytes in the file, its end included.
  private mutating func give(
    _ line: UnsafeRawBufferPointer, length: Int, _ body: (Line) throws -> Void
  ) rethrows {
    count += 1
    let start = offset
    offset += length
    let bytes =
      line.last == UInt8(ascii: "\r") ? UnsafeRawBufferPointer(rebasing: line.dropLast()) : line
    if bytes.isEmpty {
      blank = blank ?? (count, start)
      return
    }
    if let (number, offset) = blank {
      blank = nil
      try body(
        Line(number: number, offset: offset, bytes: UnsafeRawBufferPointer(rebasing: line[..<0])))
    }
    try body(Line(number: count, offset: start, bytes: bytes))
  }

  /// The place of a byte, at the speed of memory.
  static func firstIndex(of byte: UInt8, in bytes: UnsafeRawBufferPointer) -> Int? {
    guard let base = bytes.baseAddress, bytes.count > 0 else { return nil }
    guard let found = memchr(base, Int32(byte), bytes.count) else { return nil }
    return UnsafeRawPointer(found) - base
  }
}
