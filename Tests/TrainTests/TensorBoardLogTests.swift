import Foundation
import Testing

@testable import Train

@Suite struct TensorBoardLogTests {
  /// CRC-32C bit by bit, from the definition.
  private func crc(_ bytes: some Sequence<UInt8>) -> UInt32 {
    var value: UInt32 = 0xFFFF_FFFF
    for byte in bytes {
      for bit in 0..<8 {
        let high = (value ^ UInt32(byte >> bit)) & 1
        value = (value >> 1) ^ (high == 1 ? 0x82F6_3B78 : 0)
      }
    }
    return ~value
  }

  private func unmasked(_ value: UInt32) -> UInt32 {
    let rotated = value &- 0xA282_EAD8
    return rotated << 15 | rotated >> 17
  }

  private func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    bytes.enumerated().reduce(0) { $0 | UInt64($1.element) << UInt64(8 * $1.offset) }
  }

  /// The records of a file, both checksums of each checked.
  private func records(_ path: String) throws -> [[UInt8]] {
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    var records: [[UInt8]] = []
    var start = 0
    while start < bytes.count {
      let length = Int(number(bytes[start..<start + 8]))
      #expect(
        unmasked(UInt32(number(bytes[start + 8..<start + 12]))) == crc(bytes[start..<start + 8]))
      let record = bytes[start + 12..<start + 12 + length]
      let end = start + 12 + length
      #expect(unmasked(UInt32(number(bytes[end..<end + 4]))) == crc(record))
      records.append(Array(record))
      start = end + 4
    }
    return records
  }

  @Test("CRC-32C gives the published values")
  func checksum() {
    #expect(CRC32C.checksum([UInt8]("123456789".utf8)) == 0xE306_9283)
    #expect(CRC32C.checksum([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
  }

  @Test("an event file holds a version and scalars in TensorFlow's form")
  func form() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("events.out.tfevents.0.lra")
    let log = try TensorBoardLog(at: path, resumingAfter: 0, time: 1)
    try log.append(step: 300, time: 2, [("train/loss", 1.5)])
    let records = try records(path)
    #expect(records.count == 2)
    // Bytes by hand: time 1.0; file_version.
    #expect(
      records[0] == [0x09, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F, 0x1A, 13] + Array("brain.Event:2".utf8))
    // Time 2.0; step 300 = AC 02; summary { value { tag, simple_value 1.5 } }.
    #expect(
      records[1] == [
        0x09, 0, 0, 0, 0, 0, 0, 0, 0x40, 0x10, 0xAC, 0x02, 0x2A, 19, 0x0A, 17, 0x0A, 10,
      ]
        + Array("train/loss".utf8) + [0x15, 0, 0, 0xC0, 0x3F])
  }

  @Test("a resumed file keeps whole records up to the checkpoint")
  func resume() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("events.out.tfevents.0.lra")
    let log = try TensorBoardLog(at: path, resumingAfter: 0, time: 0)
    for step in 1...200 {
      try log.append(
        MetricsLine(step: step, split: "train", loss: 1, accuracy: 0.5), time: Double(step))
    }
    let whole = try Data(contentsOf: URL(fileURLWithPath: path))
    for cut in [0, 1, 30, 500] {
      try whole.dropLast(cut).write(to: URL(fileURLWithPath: path))
      let again = try TensorBoardLog(at: path, resumingAfter: 150, time: 0)
      #expect(try records(path).count == 151)
      try again.append(step: 151, time: 0, [("train/loss", 1)])
      #expect(try records(path).count == 152)
    }
    var damaged = whole
    damaged[damaged.count / 2] ^= 1
    try damaged.write(to: URL(fileURLWithPath: path))
    _ = try TensorBoardLog(at: path, resumingAfter: 1000, time: 0)
    #expect((90..<110).contains(try records(path).count))
  }
}
