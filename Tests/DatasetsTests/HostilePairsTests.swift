import Foundation
import Testing

@testable import Datasets

/// What a train file holds, and what is said of it; the other files are sound.
struct BadFile: CustomTestStringConvertible, Sendable {
  let name: String
  let bytes: [UInt8]
  /// The line, and what is wrong with it.
  let says: String
  var testDescription: String { name }

  init(_ name: String, _ text: String, _ says: String) {
    self.init(name, Array(text.utf8), says)
  }

  init(_ name: String, _ bytes: [UInt8], _ says: String) {
    self.name = name
    self.bytes = bytes
    self.says = says
  }

  static let good = "0.0\ta\tb\tone\ttwo\n"
  static let all: [BadFile] = [
    .init("three fields", good + "1.0\ta\tb\n", ":2: expected 5 tab-separated fields, found 3"),
    .init(
      "six fields", good + "1.0\ta\tb\tc\td\te", ":2: expected 5 tab-separated fields, found 6"),
    .init("no field", good + "\n" + good, ":2: expected 5 tab-separated fields, found 0"),
    .init("empty lines", good + "\r\n\r\n" + good, ":2: expected 5 tab-separated fields, found 0"),
    .init(
      "tabs only", String(repeating: "\t", count: 2000),
      ":1: expected 5 tab-separated fields, found 2 001"),
    .init("label 2.0", "2.0\ta\tb\tc\td\n", #":1: expected label 0.0 or 1.0, found "2.0""#),
    .init("label 1", good + "1\ta\tb\tc\td\n", #":2: expected label 0.0 or 1.0, found "1""#),
    .init("no label", "\ta\tb\tc\td\n", #":1: expected label 0.0 or 1.0, found """#),
    .init(
      "a header", "label\tid1\tid2\ttext1\ttext2\n",
      #":1: expected label 0.0 or 1.0, found "label""#),
    .init(
      "a long label", String(repeating: "9", count: 300) + "\ta\tb\tc\td",
      ":1: expected label 0.0 or 1.0, found \"\(String(repeating: "9", count: 20))…\""),
    .init(
      "a byte order mark", "\u{FEFF}" + good,
      ":1: expected label 0.0 or 1.0, found \"\u{FEFF}0.0\""),
    .init(
      "a NUL label", "0.0\0\ta\tb\tc\td\n",
      #":1: expected label 0.0 or 1.0, found "0.0\u0000""#),
    .init(
      "no id", "0.0\t\tb\tc\td\n",
      ":1: expected id1 of 1 to 256 bytes without control characters"),
    .init(
      "an id with NUL", "0.0\ta\tb\0\tc\td\n",
      ":1: expected id2 of 1 to 256 bytes without control characters"),
    .init(
      "a long id", "0.0\ta\t" + String(repeating: "i", count: 257) + "\tc\td\n",
      ":1: expected id2 of 1 to 256 bytes without control characters"),
    .init(
      "an id that is no text", Array("0.0\t".utf8) + [0xC3, 0x28] + Array("\tb\tc\td\n".utf8),
      ":1: expected id1 of 1 to 256 bytes without control characters"),
    .init(
      "UTF-16", Array(good.utf16.flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }),
      #":1: expected label 0.0 or 1.0, found "0\u0000.\u00000\u0000""#),
    .init("nothing", "", ": it holds no pairs"),
  ]
}

@Suite struct HostilePairsTests {
  @Test("what is no pair is refused with its line, and nothing is written", arguments: BadFile.all)
  func refused(bad: BadFile) throws {
    let folder = try TemporaryFolder()
    let paths = try PairFiles.small.write(to: folder.path + "/files")
    try Data(bad.bytes).write(to: URL(fileURLWithPath: paths[0]))
    let error = Small.error { _ = try folder.store.convert(AAN(), from: paths) }
    #expect(error?.code == .malformedInput)
    #expect(error?.message == paths[0] + bad.says)
    #expect(error?.path == paths[0])
    let line = bad.says.dropFirst().prefix { $0 != ":" }
    #expect(error?.position == Int(line))
    #expect(
      error?.next
        == "nothing was written; check the download: the released file has 147 086 lines of "
        + "label, id1, id2, text1, text2")
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["files"])
    // In an archive the message names both.
    var archive = TestArchive()
    archive.add("x/new_aan_pairs.train.tsv", bad.bytes)
    try archive.write(folder.path + "/a.tar")
    let inside = Small.error { _ = try folder.store.convert(AAN(), from: [folder.path + "/a.tar"]) }
    #expect(inside?.message == "\(folder.path)/a.tar: x/new_aan_pairs.train.tsv" + bad.says)
  }

  @Test("CR LF, a missing last line end, NUL, invalid UTF-8 and texts of no bytes are taken")
  func taken() throws {
    let folder = try TemporaryFolder()
    let paths = try PairFiles.small.write(to: folder.path + "/files")
    try Data(PairFiles.text(PairFiles.small.test, end: "\r\n").utf8)
      .write(to: URL(fileURLWithPath: paths[2]))
    var eval = Array("1.0\tA\tB\t\tx\0\ry".utf8) + [0xFF, 0x0D, 0x0A]
    eval += Array("0.0\tB\tC\t\t".utf8)
    try Data(eval).write(to: URL(fileURLWithPath: paths[1]))
    _ = try folder.store.convert(AAN(), from: paths)
    let test = try folder.store.open(dataset: "retrieval", split: "test")
    for (position, line) in PairFiles.small.test.enumerated() {
      let read = try test.withParts(at: position) { $0.map { String(decoding: $0, as: UTF8.self) } }
      #expect(read == [line.text1, line.text2])
    }
    let odd = try folder.store.open(dataset: "retrieval", split: "validation")
    #expect(try odd.withParts(at: 0) { $0.map(Array.init) } == [[], [0x78, 0, 0x0D, 0x79, 0xFF]])
    #expect(try odd.withParts(at: 1) { $0.map(Array.init) } == [[], []])
    #expect(odd.lengths == [5, 0])
    #expect(try folder.store.verify().foundDamage == false)
    #expect(try Manifest(of: "retrieval", in: folder.store).splits[1].lengths.min == 0)
  }

  @Test("a text of 100 MB is a document like others")
  func longLine() throws {
    let folder = try TemporaryFolder()
    let paths = try PairFiles.small.write(to: folder.path + "/files")
    var line = Data("1.0\tlong\tP01-1001\t".utf8)
    line.append(Data(repeating: 0x61, count: 100_000_000))
    line.append(Data("\tshort\n".utf8))
    try line.write(to: URL(fileURLWithPath: paths[1]))
    _ = try folder.store.convert(AAN(), from: paths)
    let reader = try folder.store.open(dataset: "retrieval", split: "validation")
    #expect(reader.lengths == [100_000_000])
    let counts = try reader.withParts(at: 0) { $0.map(\.count) }
    #expect(counts == [100_000_000, 5])
  }

  @Test("a file that is missing or there twice is named")
  func missing() throws {
    let folder = try TemporaryFolder()
    let paths = try PairFiles.small.write(to: folder.path + "/files")
    let missing = Small.error { _ = try folder.store.convert(AAN(), from: Array(paths[..<2])) }
    #expect(missing?.code == .malformedInput)
    #expect(missing?.message == "\(paths[0]), \(paths[1]) holds no new_aan_pairs.test.tsv")
    try PairFiles.small.write(to: folder.path + "/files/again")
    let twice = Small.error { _ = try folder.store.convert(AAN(), from: [folder.path + "/files"]) }
    #expect(twice?.message == "\(folder.path)/files holds new_aan_pairs.eval.tsv twice")
    let other = Small.error {
      _ = try folder.store.convert(AAN(), from: [paths[0], folder.path + "/files/again"])
    }
    #expect(other?.code == .malformedInput)
  }

  @Test("lines are the same however the file is cut into pieces")
  func pieces() throws {
    let text = Array("a\tb\r\n\n\rx\r\nlong \r line\n\r\nend\r".utf8)
    let expected: [(String, Int)] = [
      ("a\tb", 0), ("", 5), ("\rx", 6), ("long \r line", 10), ("", 22), ("end", 24),
    ]
    for size in 1...text.count {
      var lines: [(String, Int)] = []
      var splitter = LineSplitter()
      let take = { (line: LineSplitter.Line) in
        #expect(line.number == lines.count + 1)
        lines.append((String(decoding: line.bytes, as: UTF8.self), line.offset))
      }
      for start in stride(from: 0, to: text.count, by: size) {
        text[start..<min(start + size, text.count)].withUnsafeBytes { splitter.feed($0, take) }
      }
      splitter.finish(take)
      #expect(lines.map(\.0) == expected.map(\.0))
      #expect(lines.map(\.1) == expected.map(\.1))
      #expect(splitter.bytes == text.count && splitter.longLine == nil)
    }
  }

  @Test("a line beyond the limit is named, whether its end has come or not")
  func tooLong() {
    for text in ["ab\nabcdef\n", "ab\nabcdef"] {
      for size in [1, 3, 100] {
        var splitter = LineSplitter(limit: 5)
        var given: [String] = []
        let bytes = Array(text.utf8)
        for start in stride(from: 0, to: bytes.count, by: size) where splitter.longLine == nil {
          bytes[start..<min(start + size, bytes.count)].withUnsafeBytes {
            splitter.feed($0) { given.append(String(decoding: $0.bytes, as: UTF8.self)) }
          }
        }
        #expect(given == ["ab"])
        #expect(splitter.longLine == 2)
      }
    }
  }

  @Test("an archive may hold only so much different text")
  func memoryLimit() {
    var pool = DocumentPool(memoryLimit: 10)
    func number(_ id: String, _ text: String) -> Int? {
      Array(text.utf8).withUnsafeBytes { pool.number(of: $0, id: id, in: nil, at: 0) }
    }
    #expect(number("a", "12345") == 0)
    #expect(number("a", "12345") == 0)
    #expect(number("a", "54321") == 1)
    #expect(number("a", "54321") == 1)
    #expect(number("b", "1") == nil)
    #expect(number("b", "") == 2)
    #expect(pool.ids == ["a", "a", "b"])
  }
}
