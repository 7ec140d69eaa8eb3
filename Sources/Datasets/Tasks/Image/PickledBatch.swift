/// A batch of the Python CIFAR-10 archive: a pickled dictionary with a uint8 array `data` and a list `labels`.
///
/// Not a pickle library: opcodes are read into plain values, and five names are known - numpy's
/// `_reconstruct`, `ndarray` and `dtype`, under their old and new homes, and `_codecs.encode`, with which
/// Python 3 writes bytes at protocol 2. Nothing is called or imported; every other name and opcode is
/// refused with its place. Stack, memo, lists and nesting are bounded. Protocols 2 and 3.
struct PickledBatch {
  /// Rows and columns of the array.
  let shape: (rows: Int, columns: Int)
  /// The bytes are column by column.
  let isFortran: Bool
  let labels: [Int]
  private let data: Value

  /// The bytes of the array, from the file that was parsed.
  func withData<Result>(
    _ file: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws -> Result
  ) rethrows -> Result {
    switch data {
    case .text(let range): try body(UnsafeRawBufferPointer(rebasing: file[range]))
    case .encoded(let bytes): try bytes.withUnsafeBytes(body)
    default: try body(UnsafeRawBufferPointer(start: nil, count: 0))
    }
  }

  init(parsing file: UnsafeRawBufferPointer) throws(MalformedBytes) {
    var machine = Machine(file)
    let entries = try machine.run()
    let place = machine.position
    guard case .array(let number)? = entries["data"], let array = machine.arrays[number] else {
      throw MalformedBytes(place, "the batch has no array under \"data\"")
    }
    guard case .list(let list)? = entries["labels"] else {
      throw MalformedBytes(place, "the batch has no list under \"labels\"")
    }
    var labels: [Int] = []
    for label in machine.lists[list] {
      guard case .integer(let integer) = label else {
        throw MalformedBytes(place, "label \(labels.count.grouped) is no integer")
      }
      labels.append(integer)
    }
    self.labels = labels
    shape = array.shape
    isFortran = array.isFortran
    data = array.data
  }
}

extension PickledBatch {
  /// The names that a batch may use.
  fileprivate enum Name { case reconstruct, ndarray, dtype, encode }

  /// A value on the stack.
  fileprivate indirect enum Value {
    case none
    case boolean(Bool)
    case integer(Int)
    /// Bytes or text, where it lies in the file.
    case text(Range<Int>)
    /// Bytes that were written as text of Latin 1.
    case encoded([UInt8])
    /// - Parameter depth: how deep tuples lie in it; bounded, so that giving it up needs little stack.
    case tuple([Value], depth: Int)
    case list(Int)
    case dictionary(Int)
    case name(Name)
    case elementType
    case array(Int)
  }

  fileprivate struct Array2D {
    let shape: (rows: Int, columns: Int)
    let isFortran: Bool
    let data: Value
  }

  /// The stack machine.
  fileprivate struct Machine {
    private static let limit = 1 << 16
    private static let valueLimit = 1 << 20

    private let file: UnsafeRawBufferPointer
    private(set) var position = 0
    /// Where the current opcode stands.
    private var opcode = 0
    private var stack: [Value] = []
    private var marks: [Int] = []
    private var memo: [Int: Value] = [:]
    private(set) var lists: [[Value]] = []
    private(set) var arrays: [Array2D?] = []
    private var dictionaries: [[String: Value]] = []
    /// Values in lists and dictionaries.
    private var held = 0
    /// Bytes that were made from text.
    private var encoded = 0

    init(_ file: UnsafeRawBufferPointer) { self.file = file }

    /// Runs to the end.
    ///
    /// - Returns: the dictionary that the file holds.
    mutating func run() throws(MalformedBytes) -> [String: Value] {
      guard file.count > 2, file[0] == 0x80 else {
        throw MalformedBytes(0, "not a pickle of protocol 2 or 3")
      }
      guard (2...3).contains(file[1]) else {
        throw MalformedBytes(1, "pickle protocol \(file[1]); the archive has protocol 2")
      }
      position = 2
      while true {
        opcode = position
        let code = try byte()
        if code == UInt8(ascii: ".") { break }
        try step(code)
        guard stack.count <= Machine.limit, memo.count <= Machine.valueLimit,
          held <= Machine.valueLimit
        else { throw fail("more values than a batch has") }
      }
      guard case .dictionary(let number)? = stack.popLast(), stack.isEmpty, marks.isEmpty else {
        throw fail("the pickle does not end with one dictionary")
      }
      return dictionaries[number]
    }

    private mutating func step(_ code: UInt8) throws(MalformedBytes) {
      switch code {
      case UInt8(ascii: "}"):
        dictionaries.append([:])
        try bound(dictionaries.count)
        stack.append(.dictionary(dictionaries.count - 1))
      case UInt8(ascii: "]"):
        lists.append([])
        try bound(lists.count)
        stack.append(.list(lists.count - 1))
      case UInt8(ascii: ")"): stack.append(.tuple([], depth: 1))
      case UInt8(ascii: "N"): stack.append(.none)
      case 0x88: stack.append(.boolean(true))
      case 0x89: stack.append(.boolean(false))
      case UInt8(ascii: "K"): stack.append(.integer(try integer(1)))
      case UInt8(ascii: "M"): stack.append(.integer(try integer(2)))
      case UInt8(ascii: "J"): stack.append(.integer(Int(Int32(truncatingIfNeeded: try integer(4)))))
      case UInt8(ascii: "I"): stack.append(try decimal())
      case UInt8(ascii: "U"), UInt8(ascii: "C"): stack.append(.text(try bytes(try integer(1))))
      case UInt8(ascii: "T"), UInt8(ascii: "B"), UInt8(ascii: "X"):
        stack.append(.text(try bytes(try integer(4))))
      case UInt8(ascii: "("):
        try bound(marks.count)
        marks.append(stack.count)
      case UInt8(ascii: "t"): stack.append(try tuple(try sinceMark()))
      case 0x85: stack.append(try tuple(try pop(1)))
      case 0x86: stack.append(try tuple(try pop(2)))
      case 0x87: stack.append(try tuple(try pop(3)))
      case UInt8(ascii: "q"): try remember(try integer(1))
      case UInt8(ascii: "r"): try remember(try integer(4))
      case UInt8(ascii: "h"): try recall(try integer(1))
      case UInt8(ascii: "j"): try recall(try integer(4))
      case UInt8(ascii: "a"): try append(try pop(1))
      case UInt8(ascii: "e"): try append(try sinceMark())
      case UInt8(ascii: "s"): try set(try pop(2))
      case UInt8(ascii: "u"): try set(try sinceMark())
      case UInt8(ascii: "c"): stack.append(.name(try name()))
      case UInt8(ascii: "R"): try reduce()
      case UInt8(ascii: "b"): try build()
      default:
        let hex = String(code, radix: 16)
        throw fail("opcode 0x\(hex), which the batches of CIFAR-10 do not use")
      }
    }

    private func fail(_ what: String) -> MalformedBytes { MalformedBytes(opcode, what) }

    private func bound(_ count: Int) throws(MalformedBytes) {
      if count > Machine.limit { throw fail("more values than a batch has") }
    }

    // MARK: Arguments

    private mutating func byte() throws(MalformedBytes) -> UInt8 {
      guard position < file.count else { throw MalformedBytes(position, "the pickle is cut") }
      position += 1
      return file[position - 1]
    }

    private mutating func integer(_ count: Int) throws(MalformedBytes) -> Int {
      var value = 0
      for place in 0..<count { value |= Int(try byte()) << (8 * place) }
      return value
    }

    private mutating func bytes(_ count: Int) throws(MalformedBytes) -> Range<Int> {
      guard count <= file.count - position else {
        throw MalformedBytes(
          position, "a text of \(count.grouped) bytes is cut: the file ends before")
      }
      position += count
      return (position - count)..<position
    }

    private mutating func line() throws(MalformedBytes) -> String {
      let start = position
      while try byte() != 10 {
        if position - start > 100 { throw fail("a name of more than 100 bytes") }
      }
      return String(decoding: file[start..<(position - 1)], as: UTF8.self)
    }

    /// An integer as text; Python 2 writes truth values as 00 and 01.
    private mutating func decimal() throws(MalformedBytes) -> Value {
      let text = try line()
      if text == "00" || text == "01" { return .boolean(text == "01") }
      guard let value = Int(text) else { throw fail("no integer where one is expected") }
      return .integer(value)
    }

    private mutating func name() throws(MalformedBytes) -> Name {
      let module = try line()
      let attribute = try line()
      switch (module, attribute) {
      case ("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"):
        return .reconstruct
      case ("numpy", "ndarray"): return .ndarray
      case ("numpy", "dtype"): return .dtype
      case ("_codecs", "encode"): return .encode
      default:
        let shown = CanonicalJSON.quoted("\(module) \(attribute)")
        throw fail("asks Python for \(shown); only numpy arrays are read, nothing is run")
      }
    }

    // MARK: Stack and memo

    private mutating func pop(_ count: Int) throws(MalformedBytes) -> [Value] {
      guard stack.count - (marks.last ?? 0) >= count else { throw fail("too few values") }
      let values = Array(stack.suffix(count))
      stack.removeLast(count)
      return values
    }

    private mutating func sinceMark() throws(MalformedBytes) -> [Value] {
      guard let mark = marks.popLast() else { throw fail("no mark where one is expected") }
      let values = Array(stack[mark...])
      stack.removeLast(values.count)
      return values
    }

    private func tuple(_ values: [Value]) throws(MalformedBytes) -> Value {
      var depth = 1
      for case .tuple(_, let inner) in values { depth = max(depth, inner + 1) }
      guard depth <= 4, values.count <= 16 else { throw fail("a tuple that no batch has") }
      return .tuple(values, depth: depth)
    }

    private mutating func remember(_ key: Int) throws(MalformedBytes) {
      guard let top = stack.last, stack.count > marks.last ?? 0 else {
        throw fail("nothing to remember")
      }
      memo[key] = top
    }

    private mutating func recall(_ key: Int) throws(MalformedBytes) {
      guard let value = memo[key] else { throw fail("recalls what was never remembered") }
      stack.append(value)
    }

    private mutating func append(_ values: [Value]) throws(MalformedBytes) {
      guard case .list(let number)? = stack.last else { throw fail("appends to what is no list") }
      held += values.count
      lists[number] += values
    }

    private mutating func set(_ values: [Value]) throws(MalformedBytes) {
      guard case .dictionary(let number)? = stack.last, values.count % 2 == 0 else {
        throw fail("sets entries of what is no dictionary")
      }
      held += values.count
      for index in stride(from: 0, to: values.count, by: 2) {
        guard let key = string(values[index]) else { throw fail("a key that is no short text") }
        dictionaries[number][key] = values[index + 1]
      }
    }

    /// A short text, of bytes or characters.
    private func string(_ value: Value) -> String? {
      switch value {
      case .text(let range) where range.count <= 100:
        String(decoding: file[range], as: UTF8.self)
      case .encoded(let bytes) where bytes.count <= 100: String(decoding: bytes, as: UTF8.self)
      default: nil
      }
    }

    // MARK: What stands for calls

    private mutating func reduce() throws(MalformedBytes) {
      let values = try pop(2)
      guard case .name(let name) = values[0], case .tuple(let arguments, _) = values[1] else {
        throw fail("a call of what is no name")
      }
      switch name {
      case .reconstruct:
        guard arguments.count == 3, case .name(.ndarray) = arguments[0] else { break }
        arrays.append(nil)
        try bound(arrays.count)
        stack.append(.array(arrays.count - 1))
        return
      case .dtype:
        guard arguments.count == 3, string(arguments[0]) == "u1" else {
          throw fail("elements that are no bytes (uint8)")
        }
        return stack.append(.elementType)
      case .encode:
        guard arguments.count == 2, case .text(let range) = arguments[0],
          string(arguments[1]) == "latin1"
        else { break }
        encoded += range.count
        guard encoded <= file.count else { throw fail("the same text as bytes again and again") }
        return stack.append(.encoded(try latin1(range)))
      case .ndarray: break
      }
      throw fail("a call with other arguments than a batch has")
    }

    /// The bytes that UTF-8 text of code points up to 255 stands for.
    private func latin1(_ range: Range<Int>) throws(MalformedBytes) -> [UInt8] {
      var bytes: [UInt8] = []
      bytes.reserveCapacity(range.count)
      var lead: UInt8 = 0
      for (offset, byte) in zip(range, file[range]) {
        switch (lead, byte) {
        case (0, 0..<0x80): bytes.append(byte)
        case (0, 0xC2), (0, 0xC3): lead = byte
        case (0xC2, 0x80..<0xC0), (0xC3, 0x80..<0xC0):
          bytes.append(lead << 6 | byte & 0x3F)
          lead = 0
        default: throw MalformedBytes(offset, "a text that stands for no bytes")
        }
      }
      guard lead == 0 else { throw MalformedBytes(range.upperBound, "a text that is cut") }
      return bytes
    }

    private mutating func build() throws(MalformedBytes) {
      let values = try pop(2)
      guard case .tuple(let state, _) = values[1] else { throw fail("a state that is no tuple") }
      switch values[0] {
      case .elementType:
        guard state.count >= 2, string(state[1]) == "|" else {
          throw fail("elements that are no bytes (uint8)")
        }
        stack.append(.elementType)
      case .array(let number):
        arrays[number] = try array(state)
        stack.append(.array(number))
      default: throw fail("a state for what has none")
      }
    }

    /// The state of an array: version, shape, type, order, bytes.
    private func array(_ state: [Value]) throws(MalformedBytes) -> Array2D {
      guard state.count == 5, case .tuple(let sizes, _) = state[1], sizes.count == 2,
        case .integer(let rows) = sizes[0], case .integer(let columns) = sizes[1],
        case .elementType = state[2], case .boolean(let isFortran) = state[3]
      else { throw fail("an array that is not of two dimensions and bytes (uint8)") }
      let found: Int
      switch state[4] {
      case .text(let range): found = range.count
      case .encoded(let bytes): found = bytes.count
      default: throw fail("an array without its bytes")
      }
      let (count, overflow) = rows.multipliedReportingOverflow(by: columns)
      guard rows >= 0, columns >= 0, !overflow, count == found else {
        throw fail("an array of \(rows) x \(columns) with \(found.grouped) bytes")
      }
      return Array2D(shape: (rows, columns), isFortran: isFortran, data: state[4])
    }
  }
}
