import Datasets
import Foundation

/// A TensorBoard event file of scalars, which only grows.
///
/// Framing: u64 length, masked CRC32C of it, the record, masked CRC32C of the record,
/// little-endian. A record is TensorFlow's `Event` message: wall_time = 1 (double), step = 2
/// (int64), file_version = 3 (string), summary = 5 { value = 1 { tag = 1 (string), simple_value = 2
/// (float) } }.
public final class TensorBoardLog: Sendable {
  private let log: AppendLog

  /// Opens an event file, or makes it.
  ///
  /// - Parameters:
  ///   - step: the step of the checkpoint that the run goes on from, 0 for a new run. Records after
  ///     it, and everything from the first damaged record on, are removed.
  ///   - time: seconds since 1970.
  public init(at path: String, resumingAfter step: Int, time: Double) throws {
    let bytes = FileManager.default.contents(atPath: path).map { [UInt8]($0) } ?? []
    let kept = TensorBoardLog.length(of: bytes, upTo: step)
    log = try AppendLog(at: path, keeping: kept)
    if kept == 0 {
      let version = field(3, [UInt8]("brain.Event:2".utf8))
      try log.append(TensorBoardLog.framed(field(1, time) + version))
    }
  }

  /// Adds scalars of one step, such as `("train/loss", 1.5)`.
  public func append(step: Int, time: Double, _ scalars: [(tag: String, value: Double)]) throws {
    let values = scalars.flatMap { scalar in
      field(1, field(1, [UInt8](scalar.tag.utf8)) + field(2, Float(scalar.value)))
    }
    let event = field(1, time) + field(2, UInt64(step)) + field(5, values)
    try log.append(TensorBoardLog.framed(event))
  }

  /// Adds the numbers of a line of metrics under the name of its split.
  public func append(_ line: MetricsLine, time: Double) throws {
    let named = [
      ("loss", line.loss), ("accuracy", line.accuracy), ("learning_rate", line.learningRate),
    ]
    try append(
      step: line.step, time: time,
      named.compactMap { name, value in value.map { ("\(line.split)/\(name)", $0) } })
  }

  private static func framed(_ record: [UInt8]) -> [UInt8] {
    let length = littleEndian(UInt64(record.count))
    return length + littleEndian(CRC32C.masked(length)) + record
      + littleEndian(CRC32C.masked(record))
  }

  /// How many leading bytes are whole records of steps up to the one given.
  private static func length(of bytes: [UInt8], upTo step: Int) -> Int {
    var start = 0
    while bytes.count - start >= 16 {
      let head = Array(bytes[start..<start + 8])
      let count = number(head)
      guard number(bytes[start + 8..<start + 12]) == UInt64(CRC32C.masked(head)),
        count <= UInt64(bytes.count - start - 16)
      else { break }
      let record = Array(bytes[start + 12..<start + 12 + Int(count)])
      let end = start + 16 + Int(count)
      guard number(bytes[end - 4..<end]) == UInt64(CRC32C.masked(record)),
        self.step(of: record) <= UInt64(step)
      else { break }
      start = end
    }
    return start
  }

  /// The step of one of our events: field 2, which follows the nine bytes of the time; 0 without
  /// one.
  private static func step(of record: [UInt8]) -> UInt64 {
    guard record.count > 10, record[9] == 2 << 3 else { return 0 }
    var value: UInt64 = 0
    for (index, byte) in record[10...].prefix(10).enumerated() {
      value |= UInt64(byte & 0x7F) << UInt64(7 * index)
      if byte < 0x80 { break }
    }
    return value
  }
}

private func number(_ bytes: some Collection<UInt8>) -> UInt64 {
  bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
}

private func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
  withUnsafeBytes(of: value.littleEndian) { Array($0) }
}

private func varint(_ value: UInt64) -> [UInt8] {
  var rest = value
  var bytes: [UInt8] = []
  while rest >= 0x80 {
    bytes.append(UInt8(rest & 0x7F) | 0x80)
    rest >>= 7
  }
  return bytes + [UInt8(rest)]
}

private func field(_ number: UInt8, _ value: Double) -> [UInt8] {
  [number << 3 | 1] + littleEndian(value.bitPattern)
}

private func field(_ number: UInt8, _ value: Float) -> [UInt8] {
  [number << 3 | 5] + littleEndian(value.bitPattern)
}

private func field(_ number: UInt8, _ value: UInt64) -> [UInt8] { [number << 3] + varint(value) }

private func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] {
  [number << 3 | 2] + varint(UInt64(bytes.count)) + bytes
}

/// CRC-32C (Castagnoli, reflected polynomial 0x82F63B78), as TFRecord files use it.
enum CRC32C {
  private static let table: [UInt32] = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte)) { value, _ in value >> 1 ^ (value & 1 == 1 ? 0x82F6_3B78 : 0) }
  }

  /// The checksum of bytes.
  static func checksum(_ bytes: [UInt8]) -> UInt32 {
    ~bytes.reduce(~0) { table[Int(UInt8(truncatingIfNeeded: $0) ^ $1)] ^ $0 >> 8 }
  }

  /// The checksum, rotated and shifted, since a CRC over bytes that hold a CRC is weak.
  static func masked(_ bytes: [UInt8]) -> UInt32 {
    let value = checksum(bytes)
    return (value >> 15 | value << 17) &+ 0xA282_EAD8
  }
}
