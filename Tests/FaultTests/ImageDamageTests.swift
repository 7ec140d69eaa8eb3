import Foundation
import Testing
import ToolRunner

@Suite("damaged images")
struct ImageDamageTests {
  /// Images with masks in two shards.
  private func folder() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    let made = try folder.data(
      "gen", "pathfinder", "--difficulty", "easy", "--segmentation", "single", "--train", "40",
      "--validation", "0", "--test", "0", "--shard-examples", "20", "--name", "p", "--quiet")
    try #require(made.exit == 0, "\(made.error)")
    return folder
  }

  @Test("verify finds a flipped bit of image or mask, repair makes the same files again")
  func flipped() throws {
    let folder = try folder()
    let expected = try contents(folder, "p")
    let shard = folder.file("data/p/train-00001.tar")
    let size = try #require(expected["train-00001.tar"]?.count)
    for byte in [600, 1600, size / 2 + 77, size - 700] {
      try flip(shard, byte: byte)
      let found = try folder.data("verify")
      #expect(found.exit == 3, "\(found.output)")
      #expect(found.output.contains("train-00001.tar"))
      let repaired = try folder.data("verify", "--repair")
      #expect(repaired.exit == 0, "\(repaired.output)")
      #expect(try folder.data("verify").exit == 0)
      #expect(try contents(folder, "p") == expected)
    }
  }

  @Test("reading a damaged image exits 4 and says how to repair")
  func read() throws {
    let folder = try folder()
    try flip(folder.file("data/p/train-00000.tar"), byte: 600)
    let outcome = try folder.data("show", "p", "0")
    #expect(outcome.exit == 4)
    #expect(
      outcome.error.hasPrefix(
        "error: p train/0 does not match its checksum (shard train-00000.tar, offset 512)\n"))
  }

  @Test("a missing or cut archive is found and made again", arguments: [true, false])
  func missing(isCut: Bool) throws {
    let folder = try folder()
    let expected = try contents(folder, "p")
    let shard = folder.file("data/p/train-00000.tar")
    if isCut {
      #expect(truncate(shard, 5000) == 0)
    } else {
      try FileManager.default.removeItem(atPath: shard)
    }
    #expect(try folder.data("verify").exit == 3)
    #expect(try folder.data("verify", "--repair").exit == 0)
    #expect(try contents(folder, "p") == expected)
  }
}
