import Foundation
import Testing

@testable import Datasets

/// What lies in a folder of ours and is not ours: never replaced, never deleted.
@Suite struct UserFilesTests {
  private static let lines = (0..<30).map { "\($0 % 2)\ttext \($0)\n" }.joined()

  private func text(_ task: String = "mine") -> LabelledText {
    var own = OwnTask()
    own.task = task
    return LabelledText(own)
  }

  private func names(_ folder: TemporaryFolder, _ path: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: "\(folder.path)/\(path)")) ?? [])
      .sorted()
  }

  // MARK: Removal

  @Test(
    "rm leaves every file that the index does not name, and names it",
    arguments: [
      "notes.txt", "train-00009.npy", "mine.tsv", "deep/er/source.tar", ".hidden",
      "train-00000.npy.bak",
      "quarantine/train-00000.npy",
    ])
  func kept(name: String) throws {
    let folder = try TemporaryFolder()
    try Small.make(folder.store)
    try folder.write("data/small/\(name)", "the user's")
    let plan = try folder.store.remove("small")
    #expect(plan.kept == ["data/small/\(name)"])
    #expect(try folder.files()["data/small/\(name)"] == Data("the user's".utf8))
    #expect(try folder.files().keys.filter { $0.hasPrefix("data/") } == ["data/small/\(name)"])
    #expect(try folder.store.datasets().isEmpty)
  }

  @Test("rm leaves a file that stands in a shard's place and was not written by the tool")
  func replaced() throws {
    let folder = try TemporaryFolder()
    try Small.make(folder.store)
    try folder.write("data/small/train-00000.tsv", "0\tmy own table\n")
    try FileManager.default.removeItem(atPath: folder.path + "/data/small/train-00001.npy")
    try FileManager.default.createSymbolicLink(
      atPath: folder.path + "/data/small/train-00001.npy", withDestinationPath: "/etc/hostname")
    let plan = try folder.store.remove("small")
    #expect(plan.kept == ["data/small/train-00000.tsv", "data/small/train-00001.npy"])
    #expect(names(folder, "data/small") == ["train-00000.tsv", "train-00001.npy"])
  }

  @Test("rm of a dataset alone takes its folder away; paths of a damaged index lead nowhere else")
  func alone() throws {
    let folder = try TemporaryFolder()
    try Small.make(folder.store)
    try folder.write("other/train-00000.npy", "the user's")
    try Index(at: folder.store.path, .write).write {
      try $0.execute(
        sql: "UPDATE shard SET path='other/train-00000.npy' WHERE path LIKE '%train-00001%'")
    }
    let plan = try folder.store.remove("small")
    #expect(plan.kept == ["data/small/train-00001.npy", "data/small/train-00001.tsv"])
    #expect(names(folder, "other") == ["train-00000.npy"])
    try FileManager.default.removeItem(atPath: folder.path + "/data/small")
    try Small.make(folder.store)
    _ = try folder.store.remove("small")
    #expect(names(folder, "data") == [])
  }

  @Test("a removal that died between files and rows is finished by rm, or undone by the command")
  func died() throws {
    for again in [true, false] {
      let folder = try TemporaryFolder()
      let made = try Small.make(folder.store)
      try Index(at: folder.store.path, .write).write {
        try $0.execute(sql: "UPDATE dataset SET complete=0, content_digest=NULL")
      }
      for name in ["train-00000.npy", "train-00001.tsv", ".database"] {
        try FileManager.default.removeItem(atPath: folder.path + "/data/small/\(name)")
      }
      if again {
        #expect(try Small.make(folder.store).contentDigest == made.contentDigest)
        #expect(try folder.store.verify().foundDamage == false)
      } else {
        #expect(try folder.store.remove("small").kept == [])
        #expect(names(folder, "data") == [])
      }
    }
  }

  @Test("what a killed writer left goes with the dataset; what only looks like it stays")
  func leftovers() throws {
    let folder = try TemporaryFolder()
    try Small.make(folder.store)
    try Index(at: folder.store.path, .write).write {
      try $0.execute(sql: "UPDATE dataset SET complete=0")
      try $0.execute(
        sql: "DELETE FROM example WHERE shard_id IN (SELECT id FROM shard WHERE ordinal>=2)")
      try $0.execute(sql: "DELETE FROM shard WHERE ordinal>=2")
    }
    try Data(NpyHeader.header(count: 9).prefix(100)).write(
      to: URL(fileURLWithPath: folder.path + "/data/small/.train-00007.npy.12-ab.partial"))
    try folder.write("data/small/.train-00008.npy.12-ab.partial", "my own notes")
    try ReaderTests.flip(folder.path + "/data/small/train-00003.npy", at: 140)
    let plan = try folder.store.remove("small")
    #expect(
      plan.kept == [
        "data/small/.train-00008.npy.12-ab.partial", "data/small/train-00003.npy",
        "data/small/train-00003.tsv",
      ])
    #expect(
      names(folder, "data/small") == [
        ".train-00008.npy.12-ab.partial", "train-00003.npy", "train-00003.tsv",
      ])
  }

  // MARK: Writing

  @Test(
    "a file that stands where one is to be written is exit 7 before anything is written",
    arguments: [
      "data/mine/train-00000.tsv", "data/mine/train-00000.npy", "data/mine/validation-00000.tsv",
      "data/mine/test-00000.npy", "data/mine", "data",
    ])
  func inTheWay(place: String) throws {
    let folder = try TemporaryFolder()
    try folder.write("mine.tsv", Self.lines)
    try folder.write(place, Self.lines)
    let before = try folder.files()
    let error = Small.error {
      try folder.store.convert(text(), from: [folder.path + "/mine.tsv"])
    }
    #expect(error?.code == .configurationDiffers)
    #expect(
      error?.message.contains("\(place) is in the way: it was not written by this tool") == true)
    var after = try folder.files()
    for name in ["data.sqlite.lock", "data.sqlite"] { after[name] = nil }
    #expect(after == before)
  }

  @Test("the source itself is not replaced by a shard of its name")
  func source() throws {
    let folder = try TemporaryFolder()
    let name = "data/reviews/train-00000.tsv"
    try folder.write(name, Self.lines)
    let error = Small.error {
      try folder.store.convert(text("reviews"), from: ["\(folder.path)/\(name)"])
    }
    #expect(error?.code.exitCode == 7)
    #expect(try folder.files()[name] == Data(Self.lines.utf8))
  }

  @Test("a link in a shard's place is not followed, and what it leads to stays")
  func link() throws {
    let folder = try TemporaryFolder()
    try folder.write("mine.tsv", Self.lines)
    try folder.write("precious.npy", "precious")
    try FileManager.default.createDirectory(
      atPath: folder.path + "/data/mine", withIntermediateDirectories: true)
    try FileManager.default.createSymbolicLink(
      atPath: folder.path + "/data/mine/train-00000.npy",
      withDestinationPath: folder.path + "/precious.npy")
    let error = Small.error {
      try folder.store.convert(text(), from: [folder.path + "/mine.tsv"])
    }
    #expect(error?.code == .configurationDiffers)
    #expect(try folder.files()["precious.npy"] == Data("precious".utf8))
  }

  @Test(
    "publication without replacement takes no name that somebody has, and one of the same content")
  func publication() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a"
    try folder.write("a", "old")
    let error = Small.error {
      try Publication.publish(path, replacing: .nothing) { try $0.write(Array("new".utf8)) }
    }
    #expect(error?.code == .configurationDiffers)
    #expect(try folder.files() == ["a": Data("old".utf8)])
    try Publication.publish(path, replacing: .nothing) { try $0.write(Array("old".utf8)) }
    #expect(try folder.files() == ["a": Data("old".utf8)])
  }

  @Test("repair moves what stands in the place of a side table aside and replaces nothing")
  func repair() throws {
    let folder = try TemporaryFolder()
    try Small.make(folder.store)
    let sound = try folder.files()
    try folder.write("data/small/train-00000.tsv", "my own table")
    var options = VerifyOptions()
    options.repair = true
    _ = try folder.store.verify([], options)
    let files = try folder.files()
    #expect(files["data/small/quarantine/train-00000.tsv"] == Data("my own table".utf8))
    #expect(files["data/small/train-00000.tsv"] == sound["data/small/train-00000.tsv"])
    #expect(try folder.store.verify().foundDamage == false)
  }

  // MARK: Sources

  @Test("a source folder that holds the database's own shards gives the same dataset again")
  func ownFolder() throws {
    let folder = try TemporaryFolder()
    try folder.write("data/all.tsv", Self.lines)
    let first = try folder.store.convert(text(), from: [folder.path + "/data"])
    let second = try folder.store.convert(text(), from: [folder.path + "/data"])
    #expect(second.generation.state == .complete)
    #expect(second.generation.contentDigest == first.generation.contentDigest)
    let all = try folder.store.convert(text("other"), from: [folder.path])
    #expect(all.skipped.contains { $0.path == "data/mine/" && $0.reason.contains("data.sqlite") })
    #expect(all.generation.splits.reduce(0) { $0 + $1.count } == 30)
  }

  @Test("sources within a dataset's own folder are read, its shards beside them are not")
  func beside() throws {
    let folder = try TemporaryFolder()
    try folder.write("data/mine/all.tsv", Self.lines)
    _ = try folder.store.convert(text(), from: [folder.path + "/data/mine"])
    let again = try folder.store.convert(text(), from: [folder.path + "/data/mine"])
    #expect(again.generation.state == .complete)
    let other = try folder.store.convert(text("other"), from: [folder.path + "/data/mine"])
    #expect(other.files.map(\.path) == ["all.tsv"])
  }

  @Test("arrays of ours are no sources either")
  func arrays() throws {
    let folder = try TemporaryFolder()
    try Small.make(folder.store)
    let tokens = npyFile("|u1", shape: "(20, 2)", [UInt8](repeating: 1, count: 40))
    let labels = npyFile("|u1", shape: "(20,)", [UInt8](repeating: 1, count: 20))
    try Data(tokens).write(to: URL(fileURLWithPath: folder.path + "/data/x.npy"))
    try Data(labels).write(to: URL(fileURLWithPath: folder.path + "/data/y.npy"))
    let made = try folder.store.convert(LabelledArrays(text().own), from: [folder.path + "/data"])
    #expect(made.files.map(\.path) == ["x.npy", "y.npy"])
    #expect(made.skipped.map(\.path) == ["small/"])
  }
}
