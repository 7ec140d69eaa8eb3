import Foundation
import Testing

@testable import Datasets

@Suite struct HostileImageTests {
  private static let size = 32

  /// The chunks of a PNG, each with its place.
  private func chunks(_ png: [UInt8]) -> [(type: String, content: [UInt8])] {
    var chunks: [(String, [UInt8])] = []
    var place = 8
    while place + 12 <= png.count {
      let length = png[place..<(place + 4)].reduce(0) { $0 << 8 | Int($1) }
      let type = String(decoding: png[(place + 4)..<(place + 8)], as: UTF8.self)
      chunks.append((type, Array(png[(place + 8)..<(place + 8 + length)])))
      place += 12 + length
    }
    return chunks
  }

  private func file(_ chunks: [(type: String, content: [UInt8])]) -> [UInt8] {
    var png: [UInt8] = [0x89] + Array("PNG\r\n".utf8) + [0x1A, 10]
    for (type, content) in chunks {
      let body = Array(type.utf8) + content
      png += bigEndian(UInt32(content.count)) + body + bigEndian(HostileImageTests.crc(body))
    }
    return png
  }

  private func bigEndian(_ value: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) }
  }

  private static func crc(_ bytes: [UInt8]) -> UInt32 {
    var crc = UInt32.max
    for byte in bytes {
      crc ^= UInt32(byte)
      for _ in 0..<8 {
        let half: UInt32 = crc >> 1
        crc = crc & 1 == 1 ? half ^ 0xEDB8_8320 : half
      }
    }
    return ~crc
  }

  private func decodes(_ png: [UInt8]) -> Bool {
    var pixels = [UInt8](repeating: 0, count: HostileImageTests.size * HostileImageTests.size)
    return png.withUnsafeBufferPointer { png in
      pixels.withUnsafeMutableBufferPointer { pixels in
        guard let base = pixels.baseAddress else { return false }
        return PNGDecoder.decode(png, size: HostileImageTests.size, into: base)
      }
    }
  }

  private func sound() throws -> [UInt8] {
    try TestRelease.png(TestRelease.pixels(3), width: 32, height: 32)
  }

  @Test("the chunks of a sound image put together again are the image")
  func whole() throws {
    let png = try sound()
    #expect(file(chunks(png)) == png)
    #expect(decodes(png))
  }

  @Test("a checksum that is wrong, in whatever chunk, is refused")
  func checksums() throws {
    let png = try sound()
    var place = 8
    for (type, content) in chunks(png) {
      var bad = png
      bad[place + 8 + content.count] ^= 1
      // The end has nothing to protect, yet it is checked.
      #expect(!decodes(bad), "\(type)")
      place += 12 + content.count
    }
  }

  @Test(
    "other sizes, depths, colours and interlacing are refused",
    arguments: [
      (60_000, 60_000, 8, 0, 0), (33, 32, 8, 0, 0), (32, 31, 8, 0, 0), (0, 0, 8, 0, 0),
      (32, 32, 16, 0, 0), (32, 32, 1, 0, 0), (32, 32, 8, 2, 0), (32, 32, 8, 3, 0),
      (32, 32, 8, 4, 0),
      (32, 32, 8, 6, 0), (32, 32, 8, 0, 1), (32, 32, 7, 0, 0), (32, 32, 8, 9, 0),
      (2_147_483_648, 2_147_483_648, 8, 0, 0),
    ])
  func headers(width: Int, height: Int, depth: Int, colour: Int, interlace: Int) throws {
    var parts = chunks(try sound())
    parts[0].content =
      bigEndian(UInt32(width)) + bigEndian(UInt32(height))
      + [UInt8(depth), UInt8(colour), 0, 0, UInt8(interlace)]
    #expect(!decodes(file(parts)))
  }

  @Test("every cut of an image is refused, and so are images without data")
  func cuts() throws {
    let png = try sound()
    for end in 0..<png.count { #expect(!decodes(Array(png[..<end])), "cut at \(end)") }
    let parts = chunks(png)
    #expect(!decodes(file([parts[0], parts[2]])))
    #expect(!decodes(file([parts[1], parts[0], parts[2]])))
    var short = parts
    short[1].content.removeLast(9)
    #expect(!decodes(file(short)))
  }

  @Test("a text chunk that unpacks to ten megabytes costs neither memory nor time")
  func bomb() throws {
    let zeros = [UInt8](repeating: 0, count: 10_000 * 1000)
    let packed = chunks(try TestRelease.png(zeros, width: 10_000, height: 1000))[1].content
    var parts = chunks(try sound())
    parts.insert(("zTXt", Array("bomb\0\0".utf8) + packed), at: 1)
    _ = decodes(file(parts))
    parts.insert(contentsOf: Array(repeating: parts[1], count: 100), at: 1)
    _ = decodes(file(parts))
    let status = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(
      separator: " ")
    #expect((Int(status[1]) ?? .max) * 4096 < 1 << 31)
  }

  @Test("a chunk that claims two gigabytes is refused before memory is taken")
  func claims() throws {
    // Found by Tests/fuzz.sh: libpng takes the memory before it reads.
    var png = try sound()
    let text = Array(file([("tEXt", Array("a\0b".utf8))])[8...])
    png.insert(contentsOf: text, at: 33)
    #expect(decodes(png))
    png.replaceSubrange(33..<37, with: [0x7B, 0, 0, 3])
    #expect(!decodes(png))
    png.replaceSubrange(33..<37, with: [255, 255, 255, 255])
    #expect(!decodes(png))
    // The same where less than a chunk is left of the file.
    let end: [UInt8] = [0x7E, 0, 0, 3] + Array("tEXt".utf8) + [0x60, 0, 0]
    #expect(!decodes(Array(png[..<33]) + end))
  }

  @Test("a release with such an image is refused, with the image's name, and nothing is written")
  func release() throws {
    for change in [60_000, 33] {
      var files = try TestRelease.files()
      var parts = chunks(files[5].bytes)
      parts[0].content.replaceSubrange(0..<4, with: bigEndian(UInt32(change)))
      files[5].bytes = file(parts)
      let folder = try TemporaryFolder()
      try TestRelease.write(files, in: "", to: folder.path + "/a.tar")
      let error = Small.error {
        try folder.store.convertRelease(LRARelease(), from: [folder.path + "/a.tar"])
      }
      #expect(error?.code == .malformedInput)
      #expect(
        error?.message
          == "\(folder.path)/a.tar: \(files[5].name): byte 0: not a sound grey PNG of 32 x 32 pixels"
      )
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["a.tar"])
    }
  }
}
