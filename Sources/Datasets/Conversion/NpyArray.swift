/// The header of a NumPy file, versions 1.0 to 3.0: what elements there are, and how many.
///
/// Integers of 1, 2, 4 and 8 bytes and texts, in C order, and real numbers where they are asked for.
/// Everything else is refused, pickled objects before all, and nothing is allocated before sizes are
/// checked.
struct NpyArray: Equatable {
  enum Element: Equatable {
    case integer(bytes: Int, isSigned: Bool)
    /// Fixed-width text of so many bytes (`S`) or of so many code points of four bytes (`U`).
    case text(width: Int, isWide: Bool)
    /// An IEEE number of 4 or 8 bytes.
    case real(bytes: Int)

    /// Bytes of one element.
    var bytes: Int {
      switch self {
      case .integer(let bytes, _), .real(let bytes): bytes
      case .text(let width, let isWide): isWide ? 4 * width : width
      }
    }
  }

  /// Whether real numbers are read.
  enum Reals { case none, too, only }

  private(set) var element: Element
  let isBigEndian: Bool
  let shape: [Int]
  /// Where the elements begin.
  let start: Int

  /// How many elements there are.
  var count: Int { shape.reduce(1, *) }

  /// The same array with the bits of its elements as signed integers.
  func bits(_ width: Int) -> NpyArray {
    var copy = self
    copy.element = .integer(bytes: width, isSigned: true)
    return copy
  }

  /// Bytes before the text of the header, by major version.
  private static func prefix(_ major: UInt8) -> Int { major == 1 ? 10 : 12 }
  private static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
  private static let longestHeader = 1 << 16

  static func isMagic(_ bytes: some Sequence<UInt8>) -> Bool { bytes.starts(with: magic) }

  /// How many bytes the header has, from its first 12.
  static func headerBytes(_ head: UnsafeRawBufferPointer) throws(MalformedBytes) -> Int {
    guard head.count == 12, isMagic(head) else {
      throw MalformedBytes(0, "not a NumPy file: its first bytes are not \\x93NUMPY")
    }
    guard (1...3).contains(head[6]), head[7] == 0 else {
      throw MalformedBytes(6, "format version \(head[6]).\(head[7]); 1.0, 2.0 and 3.0 are read")
    }
    var length = Int(head[8]) | Int(head[9]) << 8
    if head[6] > 1 { length |= Int(head[10]) << 16 | Int(head[11]) << 24 }
    guard length <= longestHeader else {
      throw MalformedBytes(
        8, "a header of \(length.grouped) bytes; at most \(longestHeader.grouped) allowed")
    }
    return max(12, prefix(head[6]) + length)
  }

  /// Reads a header.
  ///
  /// - Parameters:
  ///   - header: so many bytes as `headerBytes` says.
  ///   - fileBytes: the size of the whole file; nil when it is not known.
  ///   - reals: whether real numbers may be there, or nothing else.
  init(
    _ header: UnsafeRawBufferPointer, fileBytes: Int?, reals: Reals = .none
  ) throws(MalformedBytes) {
    let bytes = try NpyArray.headerBytes(
      UnsafeRawBufferPointer(rebasing: header[..<min(12, header.count)]))
    guard header.count >= bytes else { throw MalformedBytes(header.count, "cut in its header") }
    let from = NpyArray.prefix(header[6])
    var text = HeaderText(UnsafeRawBufferPointer(rebasing: header[..<bytes]), at: from)
    let fields = try text.dictionary()
    guard let descr = fields.descr, let isFortran = fields.isFortran, let shape = fields.shape
    else {
      throw MalformedBytes(from, "a header without descr, fortran_order or shape")
    }
    (element, isBigEndian) = try NpyArray.element(
      descr.text, at: descr.byte, reals: reals)
    guard !isFortran.value else {
      throw MalformedBytes(
        isFortran.byte,
        "Fortran order; only C order is read: save it with numpy.ascontiguousarray")
    }
    self.shape = shape.value
    start = bytes
    var total = element.bytes
    for size in shape.value {
      let (product, overflow) = total.multipliedReportingOverflow(by: size)
      guard size >= 0, !overflow, product <= 1 << 46 else {
        throw MalformedBytes(shape.byte, "a shape that no file has")
      }
      total = product
    }
    if let fileBytes, fileBytes != bytes + total {
      throw MalformedBytes(
        shape.byte,
        "the file has \(fileBytes.grouped) bytes; header and shape ask for "
          + "\((bytes + total).grouped)")
    }
  }

  private static func element(
    _ descr: String, at byte: Int, reals: Reals
  ) throws(MalformedBytes) -> (Element, isBigEndian: Bool) {
    let order = descr.first ?? " "
    let kind = descr.dropFirst().first ?? " "
    let width = descr.count <= 10 ? Int(descr.dropFirst(2)) ?? -1 : -1
    let isBigEndian = order == ">"
    guard "<>|=".contains(order) else { throw unread(descr, at: byte, reals: reals) }
    switch (kind, width) {
    case ("f", 4) where reals != .none, ("f", 8) where reals != .none:
      return (.real(bytes: width), isBigEndian)
    case _ where reals == .only: throw unread(descr, at: byte, reals: reals)
    case ("u", 1), ("i", 1), ("u", 2), ("i", 2), ("u", 4), ("i", 4), ("i", 8), ("u", 8):
      return (.integer(bytes: width, isSigned: kind == "i"), isBigEndian)
    case ("S", 1...65_536): return (.text(width: width, isWide: false), isBigEndian)
    case ("U", 1...65_536): return (.text(width: width, isWide: true), isBigEndian)
    default: throw unread(descr, at: byte, reals: reals)
    }
  }

  private static func unread(_ descr: String, at byte: Int, reals: Reals) -> MalformedBytes {
    let read =
      reals == .only
      ? "real numbers of 4 and 8 bytes are read" : "integers of 1, 2, 4 and 8 bytes are read"
    let shown = CanonicalJSON.quoted(String(descr.prefix(20)))
    return MalformedBytes(
      byte,
      descr.contains("O")
        ? "elements of type \(shown) are pickled Python objects, which are never read"
        : "elements of type \(shown); \(read)")
  }
}

/// Reads the text of a header: a Python dictionary of a text, a truth value and a tuple.
private struct HeaderText {
  typealias Fields = (
    descr: (text: String, byte: Int)?, isFortran: (value: Bool, byte: Int)?,
    shape: (value: [Int], byte: Int)?
  )

  private let bytes: UnsafeRawBufferPointer
  private var position: Int

  init(_ bytes: UnsafeRawBufferPointer, at position: Int) {
    self.bytes = bytes
    self.position = position
  }

  mutating func dictionary() throws(MalformedBytes) -> Fields {
    var fields: Fields = (nil, nil, nil)
    try expect("{")
    while try !take("}") {
      let byte = position
      let key = try text()
      try expect(":")
      skipSpace()
      let start = position
      switch key {
      case "descr" where fields.descr == nil:
        guard next == UInt8(ascii: "'") || next == UInt8(ascii: "\"") else {
          throw MalformedBytes(position, "elements with fields; integers are read")
        }
        fields.descr = (try text(), start)
      case "fortran_order" where fields.isFortran == nil:
        fields.isFortran = (try truth(), start)
      case "shape" where fields.shape == nil: fields.shape = (try tuple(), start)
      default: throw MalformedBytes(byte, "a header key that is unknown or there twice")
      }
      if try !take(",") {
        try expect("}")
        break
      }
    }
    skipSpace()
    guard position == bytes.count else {
      throw MalformedBytes(position, "something behind the header's dictionary")
    }
    return fields
  }

  private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func skipSpace() {
    while let next, next == 32 || (9...13).contains(next) { position += 1 }
  }

  private mutating func take(_ character: Character) throws(MalformedBytes) -> Bool {
    skipSpace()
    guard let next else { throw MalformedBytes(position, "cut in its header") }
    guard next == character.asciiValue else { return false }
    position += 1
    return true
  }

  private mutating func expect(_ character: Character) throws(MalformedBytes) {
    guard try take(character) else {
      throw MalformedBytes(position, "a header without \(character) where one is expected")
    }
  }

  private mutating func text() throws(MalformedBytes) -> String {
    skipSpace()
    guard let quote = next, quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"") else {
      throw MalformedBytes(position, "a header without a text where one is expected")
    }
    position += 1
    let start = position
    while let next, next != quote {
      guard (32..<127).contains(next), next != UInt8(ascii: "\\") else {
        throw MalformedBytes(position, "a header with a character that none has")
      }
      position += 1
    }
    guard next != nil else { throw MalformedBytes(position, "cut in its header") }
    position += 1
    return String(decoding: bytes[start..<(position - 1)], as: UTF8.self)
  }

  private mutating func truth() throws(MalformedBytes) -> Bool {
    for (word, value) in [("True", true), ("False", false)] {
      if bytes[position...].starts(with: Array(word.utf8)) {
        position += word.utf8.count
        return value
      }
    }
    throw MalformedBytes(position, "fortran_order is neither True nor False")
  }

  private mutating func tuple() throws(MalformedBytes) -> [Int] {
    try expect("(")
    var values: [Int] = []
    while try !take(")") {
      guard values.count < 8 else {
        throw MalformedBytes(position, "a shape of more than 8 dimensions")
      }
      values.append(try number())
      if try !take(",") {
        try expect(")")
        break
      }
    }
    return values
  }

  private mutating func number() throws(MalformedBytes) -> Int {
    skipSpace()
    let start = position
    while let next, (48...57).contains(next) { position += 1 }
    let digits = String(decoding: bytes[start..<position], as: UTF8.self)
    guard let value = Int(digits) else {
      throw MalformedBytes(start, "a shape with something else than sizes of 0 or more")
    }
    return value
  }
}

extension SourceFile {
  /// Reads the header of a NumPy file; the elements follow.
  ///
  /// - Parameter head: bytes of the file that were read already, at most 12.
  /// - Throws: `malformedInput`.
  func npyHeader(after head: [UInt8] = [], reals: NpyArray.Reals = .none) throws -> NpyArray {
    var header = head + [UInt8](repeating: 0, count: 12 - head.count)
    func more(from start: Int) throws -> Int {
      try header.withUnsafeMutableBytes {
        try fill(UnsafeMutableRawBufferPointer(rebasing: $0[start...]))
      }
    }
    do {
      let count = head.count + (try more(from: head.count))
      let bytes = try header.withUnsafeBytes {
        try NpyArray.headerBytes(UnsafeRawBufferPointer(rebasing: $0[..<count]))
      }
      header += [UInt8](repeating: 0, count: bytes - 12)
      let rest = bytes > 12 ? try more(from: 12) : 0
      return try header.withUnsafeBytes {
        try NpyArray(
          UnsafeRawBufferPointer(rebasing: $0[..<(12 + rest)]),
          fileBytes: self.bytes < 0 ? nil : self.bytes, reals: reals)
      }
    } catch let error as MalformedBytes {
      throw malformed(error)
    }
  }
}
