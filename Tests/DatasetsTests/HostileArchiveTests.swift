import Foundation
import Testing

@testable import Datasets

@Suite struct HostileArchiveTests {
  /// Converts an archive that must be refused: nothing is written beside it.
  private func refusal(
    _ bytes: [UInt8], limits: SourceLimits = .init()
  ) throws -> DatasetError? {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a.tar"
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    let reader = SourceReader([path], limits: limits, isCancelled: { false }) { _, _ in }
    let error = Small.error { try reader.forEachFile { _ = try $0.contents() } }
    let conversion = Small.error { _ = try folder.store.convert(IMDb(), from: [path]) }
    #expect(conversion?.code == .malformedInput)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["a.tar"])
    #expect(error?.code == .malformedInput)
    #expect(error?.path == path)
    return error
  }

  @Test(
    "names that leave the archive or cannot be shown are refused",
    arguments: [
      "../evil", "/etc/passwd", "aclImdb/../../evil", "../aclImdb-evil/x", "a\nb", "a\u{1B}[2J",
      ".", "..",
    ])
  func names(path: String) throws {
    var archive = TestArchive()
    archive.add("aclImdb/train/pos/0_9.txt", "good")
    archive.add(path, "evil")
    let error = try refusal(archive.closed)
    #expect(error?.position == 2)
    #expect(error?.message.contains("has a name that no data set has") == true)
  }

  @Test("links, devices and pipes are refused", arguments: ["1", "2", "3", "4", "6"])
  func kinds(type: String) throws {
    var archive = TestArchive()
    archive.addHeader(
      "aclImdb/train/pos/0_9.txt", type: try #require(type.first), link: "/etc/passwd")
    let error = try refusal(archive.closed)
    #expect(error?.message.contains("is a link or a device") == true)
  }

  @Test("a member that is there twice is refused")
  func twice() throws {
    var archive = TestArchive()
    archive.add("aclImdb/train/pos/0_9.txt", "one")
    archive.add("./aclImdb/train/pos/0_9.txt", "two")
    #expect(try refusal(archive.closed)?.message.contains("is there twice") == true)
  }

  @Test("a path of ten thousand parts is refused")
  func deep() throws {
    let path = String(repeating: "d/", count: 10_000) + "f"
    var archive = TestArchive()
    archive.addHeader("././@LongLink", type: "L", size: path.utf8.count + 1)
    var archiveBytes = archive.bytes + Array(path.utf8) + [0]
    archiveBytes += [UInt8](repeating: 0, count: (512 - archiveBytes.count % 512) % 512)
    var file = TestArchive()
    file.add("x", "evil")
    #expect(try refusal(archiveBytes + file.closed) != nil)
  }

  @Test("a header that lies about its size is refused before memory is taken")
  func lyingSize() throws {
    var archive = TestArchive()
    archive.addHeader("aclImdb/train/pos/0_9.txt", size: 8_000_000_000)
    #expect(try refusal(archive.closed) != nil)
    var sparse = TestArchive()
    sparse.addHeader("aclImdb/train/pos/0_9.txt", size: 1 << 30)
    let limits = SourceLimits(bytes: 1 << 20)
    #expect(try refusal(sparse.closed, limits: limits)?.message.contains("1 048 576 bytes") == true)
  }

  @Test(
    "every cut of an archive is refused, or gives a whole archive's beginning that lacks a class")
  func cuts() throws {
    var archive = TestArchive()
    archive.add("aclImdb/train/pos/0_9.txt", String(repeating: "good ", count: 300))
    archive.add("aclImdb/test/neg/0_1.txt", String(repeating: "bad ", count: 300))
    let folder = try TemporaryFolder()
    let path = folder.path + "/a.tar"
    for end in stride(from: 0, to: archive.closed.count, by: 256) {
      try Data(archive.closed[..<end]).write(to: URL(fileURLWithPath: path))
      let error = Small.error { _ = try folder.store.convert(IMDb(), from: [path]) }
      #expect(error?.code == .malformedInput, "cut at \(end)")
    }
  }

  @Test("bytes changed at random never crash and never write")
  func noise() throws {
    var archive = TestArchive()
    for number in 0..<8 {
      for (place, rating) in [("train/pos", 9), ("train/neg", 2), ("test/pos", 8), ("test/neg", 1)]
      {
        archive.add("aclImdb/\(place)/\(number)_\(rating).txt", "text \(number)")
      }
    }
    let folder = try TemporaryFolder()
    let path = folder.path + "/a.tar"
    var random = ReplayableGenerator()
    var (read, refused) = (0, 0)
    for round in 0...300 {
      var bytes = archive.closed
      for _ in 0..<(round == 0 ? 0 : Int.random(in: 1...60, using: &random)) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(
          in: 0...255, using: &random)
      }
      try Data(bytes).write(to: URL(fileURLWithPath: path))
      let error = Small.error { _ = try folder.store.estimate(IMDb(), from: [path]) }
      #expect(error == nil || error?.code == .malformedInput, "\(round): \(error?.message ?? "")")
      if error == nil { read += 1 } else { refused += 1 }
    }
    // The sound archive is read, and so are changes that fall into texts and padding.
    #expect(read > 0 && refused > 100, "\(read) read, \(refused) refused")
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["a.tar"])
  }
}
