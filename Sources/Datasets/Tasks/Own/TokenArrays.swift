/// Tokens and labels of all arrays.
struct TokenArrays {
  let raw: Bool
  private(set) var symbols: [UInt8] = []
  private(set) var greatestID = 0
  private var tokens: [OwnSplit?: [SequenceRow]] = [:]
  private var labels: [OwnSplit?: [Int]] = [:]
  private var read: OwnExamples

  init(raw: Bool, classes: [String] = []) {
    self.raw = raw
    read = OwnExamples(labels: ClassLabels(given: classes))
  }

  /// Reads a file.
  mutating func add(_ file: SourceFile) throws {
    var file = file
    file.advice = OwnTask.advice
    guard let split = read.begin(file, suffixes: [".npy"]) else { return }
    let header = try file.npyHeader(reals: .too)
    switch header.element {
    case .integer: break
    case .real where header.shape.count == 1: break
    case .real:
      throw file.malformed("an array of real numbers; integers expected for tokens", byte: 0)
    case .text: throw file.malformed("an array of texts; integers expected", byte: 0)
    }
    switch header.shape.count {
    case 1 where labels[split] == nil: labels[split] = try readLabels(file, header)
    case 2 where tokens[split] == nil: tokens[split] = try readTokens(file, header)
    case 1, 2:
      try read.refuseUnknownSplits(from: file.source)
      throw file.malformed(
        "a second array of \(header.shape.count) dimensions for the same split")
    default:
      throw file.malformed(
        "an array of \(header.shape.count) dimensions; tokens have 2, [N, L], and labels 1, [N]")
    }
  }

  /// Joins tokens and labels.
  func examples(_ sources: String) throws -> OwnExamples {
    var examples = read
    let splits: [OwnSplit?] = OwnSplit.allCases + [nil]
    for split in splits where tokens[split] != nil || labels[split] != nil {
      let name = split.map { " of \($0.rawValue)" } ?? ""
      guard let rows = tokens[split], let classes = labels[split] else {
        throw DatasetError.nothingFound(
          sources, "\(tokens[split] == nil ? "tokens" : "labels")\(name)",
          expected: "one array [N, L] of tokens and one array [N] of labels")
      }
      guard rows.count == classes.count else {
        throw DatasetError.sourceMalformed(
          sources, member: nil,
          "\(rows.count.grouped) sequences\(name), but \(classes.count.grouped) labels")
      }
      for (number, (row, label)) in zip(rows, classes).enumerated() {
        var row = row
        row.label = label
        row.meta = #"{"row":\#(number)}"#
        examples.add(row, split)
      }
    }
    guard examples.rows.values.contains(where: { !$0.isEmpty }) else {
      throw DatasetError.nothingFound(
        sources, "examples", expected: "one array [N, L] of tokens and one array [N] of labels")
    }
    return examples
  }

  private mutating func readLabels(_ file: SourceFile, _ header: NpyArray) throws -> [Int] {
    var labels: [Int] = []
    let most = read.labels.given.isEmpty ? OwnTask.greatestLabel : read.labels.given.count - 1
    func take(_ value: Int?, _ shown: String, _ byte: Int) throws {
      guard let value, (0...most).contains(value) else {
        throw file.malformed(
          "label \(labels.count.grouped) is \(shown); 0...\(most) allowed", byte: byte)
      }
      labels.append(value)
    }
    guard case .real(let width) = header.element else {
      try file.forEachInteger(header) { try take($0, "\($0)", $1) }
      return labels
    }
    // Whole numbers may be stored as real ones.
    try file.forEachInteger(header.bits(width)) { bits, byte in
      let real =
        width == 8
        ? Double(bitPattern: UInt64(bitPattern: Int64(bits)))
        : Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits)))
      try take(Int(exactly: real), "\(real)", byte)
    }
    return labels
  }

  private mutating func readTokens(_ file: SourceFile, _ header: NpyArray) throws -> [SequenceRow] {
    let length = header.shape[1]
    guard length > 0, length <= 1 << 30 else {
      throw file.malformed("sequences of \(length) tokens", byte: 0)
    }
    let allowed = raw ? 0...255 : 0...256
    var rows: [SequenceRow] = []
    var column = 0
    var row = SequenceRow(start: symbols.count, count: 0)
    try file.forEachInteger(header) { value, byte in
      func wrong(_ what: String) -> DatasetError {
        file.malformed("row \(rows.count.grouped), column \(column.grouped) \(what)", byte: byte)
      }
      guard allowed.contains(value) else {
        throw wrong("is \(value); \(allowed.lowerBound)...\(allowed.upperBound) allowed")
      }
      if raw {
        symbols.append(UInt8(value))
        row.count += 1
      } else if value > 0 {
        guard row.count == column else { throw wrong("is a token behind padding (0)") }
        greatestID = max(greatestID, value)
        symbols.append(UInt8(value - 1))
        row.count += 1
      }
      column += 1
      guard column == length else { return }
      guard row.count > 0 else {
        throw file.malformed("row \(rows.count.grouped) is padding (0) only", byte: byte)
      }
      rows.append(row)
      row = SequenceRow(start: symbols.count, count: 0)
      column = 0
    }
    return rows
  }
}

extension SourceFile {
  /// Gives every element of an integer array to a body, with its place in the file.
  ///
  /// - Throws: `malformedInput` when the file ends before; what the body throws.
  func forEachInteger(_ header: NpyArray, _ body: (Int, _ byte: Int) throws -> Void) throws {
    guard case .integer(let width, let isSigned) = header.element else { return }
    var place = header.start
    var left = header.count * width
    try withUnsafeTemporaryAllocation(byteCount: 1 << 16, alignment: 16) { buffer in
      while left > 0 {
        let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(left, buffer.count)])
        let count = try fill(part)
        guard count == part.count else { throw malformed("the array is cut", byte: place + count) }
        for start in stride(from: 0, to: count, by: width) {
          var bits: UInt64 = 0
          for byte in 0..<width {
            let from = header.isBigEndian ? width - 1 - byte : byte
            bits |= UInt64(part[start + from]) << UInt64(8 * byte)
          }
          let unused = UInt64(64 - 8 * width)
          let value =
            isSigned
            ? Int(Int64(bitPattern: bits << unused) >> Int64(unused)) : Int(clamping: bits)
          try body(value, place + start)
        }
        place += count
        left -= count
      }
    }
    guard try withUnsafeTemporaryAllocation(byteCount: 1, alignment: 1, { try fill($0) }) == 0
    else { throw malformed("something behind the array", byte: place) }
  }
}
