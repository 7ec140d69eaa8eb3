import Foundation
import Testing

@testable import Datasets

/// Links to databases, and several databases of one folder.
@Suite struct DatabaseFolderTests {
  private func link(_ folder: TemporaryFolder, _ name: String, to target: String) throws {
    let path = "\(folder.path)/\(name)"
    try FileManager.default.createDirectory(
      atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: target)
  }

  private func folder(_ folders: String...) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    for name in folders {
      try FileManager.default.createDirectory(
        atPath: "\(folder.path)/\(name)", withIntermediateDirectories: true)
    }
    return folder
  }

  private func store(_ folder: TemporaryFolder, _ name: String) -> DatasetStore {
    DatasetStore(at: "\(folder.path)/\(name)")
  }

  @Test(
    "shards and lock of a database behind links lie beside the database",
    arguments: ["absolute", "relative", "chain", "dangling"])
  func links(kind: String) throws {
    let folder = try folder("real", "links")
    let real = store(folder, "real/data.sqlite")
    if kind != "dangling" { try Small.make(real) }
    switch kind {
    case "absolute": try link(folder, "links/l.sqlite", to: real.path)
    case "chain":
      try link(folder, "links/l.sqlite", to: "m.sqlite")
      try link(folder, "links/m.sqlite", to: "../real/data.sqlite")
    default: try link(folder, "links/l.sqlite", to: "../real/data.sqlite")
    }
    let linked = store(folder, "links/l.sqlite")
    try Small.make(linked)
    #expect(try linked.verify().foundDamage == false)
    #expect(try linked.open(dataset: "small", split: "train").withSymbols(at: 3) { $0.count } > 0)
    _ = try linked.generate(
      Small.configuration, name: "more", seed: 1, splits: Small.splits, options: Small.options())
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path + "/links").sorted()
    #expect(names == (kind == "chain" ? ["l.sqlite", "m.sqlite"] : ["l.sqlite"]))
    #expect(try real.verify().foundDamage == false)
    do {
      let lock = try WriterLock(database: real.location)
      let error = Small.error { try linked.remove("small") }
      #expect(error?.code == .locked)
      #expect(error?.message.hasPrefix(linked.path) == true)
      withExtendedLifetime(lock) {}
    }
    _ = try linked.remove("small")
    #expect(try real.datasets().map(\.name) == ["more"])
  }

  @Test("a link that leads to itself is an error with words")
  func cycle() throws {
    let folder = try folder()
    try link(folder, "a.sqlite", to: "b.sqlite")
    try link(folder, "b.sqlite", to: "a.sqlite")
    #expect(Small.error { try Small.make(store(folder, "a.sqlite")) }?.code == .failure)
  }

  @Test(
    "two databases of one folder have shards of their own, and rm in one leaves the other whole")
  func two() throws {
    let folder = try folder()
    let (a, b) = (store(folder, "a.sqlite"), store(folder, "b.sqlite"))
    let one = try Small.make(a)
    let two = try Small.make(b, seed: 1)
    #expect([one.folder, two.folder] == ["data/small", "data/small@b.sqlite"])
    #expect(try Small.make(b, seed: 1).state == .complete)
    _ = try b.remove("small")
    #expect(try a.verify().foundDamage == false)
    try Small.make(b)
    _ = try a.remove("small")
    #expect(try b.verify().foundDamage == false)
    // The folder is free again, and b stays where it is.
    #expect(try Small.make(a).folder == "data/small")
    #expect(try b.verify().datasets[0].orphans == [])
  }

  @Test("a copy of a database neither deletes nor completes nor repairs what is the first one's")
  func copy() throws {
    let folder = try folder()
    let (a, b) = (store(folder, "a.sqlite"), store(folder, "b.sqlite"))
    try Small.make(a)
    try FileManager.default.copyItem(atPath: a.path, toPath: b.path)
    let before = try folder.files().filter { $0.key.hasPrefix("data/") }
    let plan = try b.removalPlan(of: "small")
    #expect(plan.files == [])
    try Index(at: b.path, .write).write { try $0.execute(sql: "UPDATE dataset SET complete=0") }
    try FileManager.default.removeItem(atPath: folder.path + "/data/small/train-00000.npy")
    let other = Small.error { try Small.make(b) }
    #expect(other?.code == .configurationDiffers)
    #expect(other?.message == "data/small belongs to another database, a.sqlite")
    var options = VerifyOptions()
    options.repair = true
    #expect(Small.error { try b.verify([], options) }?.code == .configurationDiffers)
    _ = try b.remove("small")
    var after = try folder.files().filter { $0.key.hasPrefix("data/") }
    after["data/small/train-00000.npy"] = before["data/small/train-00000.npy"]
    #expect(after == before)
    #expect(try a.verify([], options).foundDamage == false)
  }

  @Test("database and shards can be moved together, and a renamed database keeps its shards")
  func moved() throws {
    let folder = try folder("old")
    try Small.make(store(folder, "old/a.sqlite"))
    try FileManager.default.moveItem(atPath: folder.path + "/old", toPath: folder.path + "/new")
    try FileManager.default.moveItem(
      atPath: folder.path + "/new/a.sqlite", toPath: folder.path + "/new/b.sqlite")
    let moved = store(folder, "new/b.sqlite")
    #expect(try moved.verify().foundDamage == false)
    #expect(try moved.remove("small").kept == [])
    #expect(try folder.files().keys.filter { $0.contains("/data/") } == [])
  }

  @Test("databases of several folders that share data through a link do not share datasets")
  func shared() throws {
    let folder = try folder("one", "two", "disk")
    try link(folder, "one/data", to: "../disk")
    try link(folder, "two/data", to: "../disk")
    let (one, two) = (store(folder, "one/a.sqlite"), store(folder, "two/b.sqlite"))
    try Small.make(one)
    #expect(try Small.make(two).folder == "data/small@b.sqlite")
    _ = try two.remove("small")
    #expect(try one.verify().foundDamage == false)
  }

  @Test("a merge into a database beside a worker's writes a folder of its own")
  func merge() throws {
    let folder = try folder()
    let (worker, whole) = (store(folder, "worker.sqlite"), store(folder, "whole.sqlite"))
    let made = try Small.make(worker)
    let merged = try whole.merge(try whole.mergePlan([worker.path]), options: Small.options())
    #expect(merged.contentDigest == made.contentDigest)
    #expect(merged.folder == "data/small@whole.sqlite")
    _ = try whole.remove("small")
    #expect(try worker.verify().foundDamage == false)
  }

  @Test("somebody's file in the marker's place is not replaced")
  func marker() throws {
    let folder = try folder("data/small")
    let path = folder.path + "/data/small/.database"
    try Data("settings = 1\n".utf8).write(to: URL(fileURLWithPath: path))
    #expect(Small.error { try Small.make(folder.store) }?.code == .configurationDiffers)
    #expect(FileManager.default.contents(atPath: path) == Data("settings = 1\n".utf8))
  }
}
