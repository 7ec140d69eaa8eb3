import Foundation
import Testing

@testable import Datasets

@Suite struct HostileFileTests {
  // MARK: NumPy headers

  private func failure(_ bytes: [UInt8]) -> MalformedBytes? {
    do {
      try bytes.withUnsafeBytes { _ = try NpyArray($0, fileBytes: bytes.count) }
      return nil
    } catch {
      return error as? MalformedBytes
    }
  }

  @Test("a sound header is read in every version")
  func soundHeader() throws {
    for version: UInt8 in 1...3 {
      let file = npyFile(
        "<U7", shape: "(2, 3)", version: version, [UInt8](repeating: 0, count: 168))
      let array = try file.withUnsafeBytes { try NpyArray($0, fileBytes: file.count) }
      #expect(array.element == .text(width: 7, isWide: true))
      #expect(array.shape == [2, 3])
      #expect(array.start + 168 == file.count)
    }
  }

  @Test(
    "hostile headers are refused before memory is taken",
    arguments: [
      ("|O", "(1,)", "False"), ("<f8", "(1,)", "False"), ("<i3", "(1,)", "False"),
      ("<c16", "(1,)", "False"), ("<M8[ns]", "(1,)", "False"), ("|V8", "(1,)", "False"),
      ("<U99999999", "(1,)", "False"), ("<i8", "(1,)", "True"), ("<i8", "(-1,)", "False"),
      ("<i8", "(9223372036854775807, 9223372036854775807)", "False"),
      ("<i8", "(4611686018427387904, 2)", "False"), ("<i8", "(99999999999999999999,)", "False"),
      ("<i8", "(1, 1, 1, 1, 1, 1, 1, 1, 1)", "False"), ("<i8", "[1]", "False"),
      ("<i8", "(2,)", "False"), ("<i8", "(1,)", "1"), ("<i8", "(1.0,)", "False"),
      ("<i8', 'descr': '<i8", "(1,)", "False"), ("<i8', 'x': '", "(1,)", "False"),
      ("", "(1,)", "False"), ("i8", "(1,)", "False"), ("<i8", "(0x1,)", "False"),
      ("<i8", "(1,), 'shape': (1,)", "False"), ("<i8", "(1,)} {", "False"),
    ])
  func hostileHeaders(descr: String, shape: String, order: String) {
    let file = npyFile(descr, shape: shape, order: order, [UInt8](repeating: 0, count: 8))
    #expect(failure(file) != nil)
  }

  @Test("headers that claim too much, structured types and cuts are refused")
  func claims() {
    var long = npyFile("<i8", shape: "(1,)", version: 2, [UInt8](repeating: 0, count: 8))
    long.replaceSubrange(8..<12, with: [0, 0, 0, 0x80])
    #expect(failure(long)?.what == "a header of 2 147 483 648 bytes; at most 65 536 allowed")
    #expect(failure(long)?.byte == 8)
    var fields = npyFile("XX", shape: "(1,)", [UInt8](repeating: 0, count: 8))
    if let place = fields.firstRange(of: Array("'XX'".utf8)) {
      fields.replaceSubrange(place, with: Array("[(a]".utf8))
    }
    #expect(failure(fields)?.what == "elements with fields; integers are read")
    let sound = npyFile("<i8", shape: "(1,)", [UInt8](repeating: 0, count: 8))
    for end in 0..<sound.count { #expect(failure(Array(sound[..<end])) != nil, "cut at \(end)") }
    #expect(failure(sound + [0]) != nil)
    #expect(failure([0x93] + Array("NUMPY".utf8) + [9, 0] + sound[8...])?.byte == 6)
  }

  // MARK: Random changes of whole conversions

  private func change(
    _ sound: [UInt8], _ random: inout ReplayableGenerator, from start: Int = 0
  ) -> [UInt8] {
    var bytes = sound
    for _ in 0..<Int.random(in: 1...6, using: &random) {
      bytes[.random(in: start..<bytes.count, using: &random)] = .random(
        in: 0...255, using: &random)
    }
    if Int.random(in: 0..<4, using: &random) == 0 {
      bytes.removeLast(.random(in: 0..<(bytes.count - start), using: &random))
    }
    return bytes
  }

  /// Reads changed files: they give sound examples or exit 65, and nothing is written anywhere.
  private func noise(
    rounds: Int, _ files: [(name: String, bytes: [UInt8])],
    _ read: (DatasetStore, String) throws -> Void
  ) throws {
    let folder = try TemporaryFolder()
    let source = folder.path + "/source"
    for (name, bytes) in files { try folder.write("source/\(name)", bytes) }
    var refused = 0
    var random = ReplayableGenerator()
    for round in 0..<rounds {
      let (name, sound) = files[round % files.count]
      let url = URL(fileURLWithPath: "\(source)/\(name)")
      try Data(change(sound, &random)).write(to: url)
      if let error = Small.error({ try read(folder.store, source) }) {
        #expect(error.code == .malformedInput || error.code == .usage, "\(error)")
        refused += 1
      }
      try Data(sound).write(to: url)
    }
    #expect(refused > 0)
    try read(folder.store, source)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["source"])
  }

  @Test("changed arrays never crash and never write")
  func arrays() throws {
    let tokens = (0..<60).map { $0 % 5 == 4 ? 0 : $0 % 200 + 1 }
    try noise(
      rounds: 250,
      [
        ("x.npy", npyFile("<i2", shape: "(12, 5)", elements(tokens, bytes: 2))),
        ("y.npy", npyFile("|u1", shape: "(12,)", [UInt8](repeating: 1, count: 12))),
      ]
    ) { _ = try $0.estimate(LabelledArrays(OwnTask()), from: [$1]) }
  }

  @Test("changed tables never crash and never write")
  func tables() throws {
    let lines = (0..<20).map { "\(["train", "dev", "test"][$0 % 3])\t\($0 % 4)\ttext number \($0)" }
    let text = "split\tlabel\ttext\r\n" + lines.joined(separator: "\r\n")
    try noise(rounds: 250, [("a.tsv", Array(text.utf8))]) {
      _ = try $0.estimate(LabelledText(OwnTask()), from: [$1])
    }
  }

  @Test("changed expressions, images and metadata of the release never crash and never write")
  func release() throws {
    let files = try TestRelease.files(images: 12)
    try noise(rounds: 300, files) { _ = try $0.estimate(LRARelease(), from: [$1]) }
  }

  @Test("changed pickles never crash and never write")
  func pickles() throws {
    let files = TestBatch.all(2).map { (name: $0.name, bytes: $0.batch.pickle()) }
    try noise(rounds: 300, files) {
      _ = try $0.estimate(CIFAR10(), from: [$1])
    }
  }
}
