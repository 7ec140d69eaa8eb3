import Foundation

@testable import Datasets

/// Archives made by hand, sound and hostile ones.
struct TestArchive {
  private(set) var bytes: [UInt8] = []

  /// Adds a file.
  mutating func add(_ path: String, _ content: String) { add(path, Array(content.utf8)) }

  /// Adds a file.
  mutating func add(_ path: String, _ content: [UInt8]) {
    bytes += TarHeader.header(path, bytes: content.count) + content
    bytes += [UInt8](repeating: 0, count: TarHeader.padding(after: content.count))
  }

  /// Adds a header whose fields are changed afterwards, with its checksum made right again.
  mutating func addHeader(
    _ path: String, type: Character = "0", size: Int = 0, link: String = ""
  ) {
    var header = TarHeader.header(path, bytes: size)
    header[156] = type.asciiValue ?? 0
    for (index, byte) in link.utf8.enumerated() { header[157 + index] = byte }
    header.replaceSubrange(148..<156, with: [UInt8](repeating: 32, count: 8))
    let sum = header.reduce(0) { $0 + Int($1) }
    let octal = Array(String(sum, radix: 8).utf8)
    let digits = [UInt8](repeating: 48, count: 6 - octal.count) + octal
    header.replaceSubrange(148..<154, with: digits)
    header[154] = 0
    bytes += header
  }

  /// The archive with its end.
  var closed: [UInt8] { bytes + [UInt8](repeating: 0, count: 1024) }

  /// Writes it to a file.
  func write(_ path: String) throws { try Data(closed).write(to: URL(fileURLWithPath: path)) }
}
