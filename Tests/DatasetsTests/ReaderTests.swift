import Foundation
import GRDB
import Testing

@testable import Datasets

@Suite struct ReaderTests {
  /// Reads every example of a split; the first error stops it.
  static func readAll(_ store: DatasetStore, _ split: String = "train") throws {
    let reader = try store.open(dataset: "small", split: split)
    for position in 0..<reader.count { try reader.withSymbols(at: position) { _ in } }
  }

  static func change(_ store: DatasetStore, _ sql: String) throws {
    try DatabaseQueue(path: store.path).write { try $0.execute(sql: sql) }
  }

  static func flip(_ path: String, at offset: Int) throws {
    var data = try Data(contentsOf: URL(fileURLWithPath: path))
    data[offset] ^= 1
    try data.write(to: URL(fileURLWithPath: path))
  }

  @Test("a flipped bit in the payload is found and named")
  func payload() throws {
    let folder = try TemporaryFolder()
    try Small.make(folder.store)
    let reader = try folder.store.open(dataset: "small", split: "train")
    let (shard, offset) = reader.place(of: 20)
    #expect(shard == "data/small/train-00001.npy")
    try Self.flip(folder.path + "/" + shard, at: offset + 3)
    let error = Small.error { try Self.readAll(folder.store) }
    #expect(error?.code == .checksumMismatch)
    #expect(
      error?.message
        == "small train/20 does not match its checksum (shard train-00001.npy, offset \(offset))")
    #expect(
      error?.next == "verify and repair with: lra-data verify --repair --db \(folder.store.path)")
    #expect(error?.position == 20)
  }

  @Test(
    "a changed row is found, whatever the column",
    arguments: [
      "UPDATE example SET label=(label+1)%10 WHERE position=5",
      "UPDATE example SET label=NULL WHERE position=5",
      "UPDATE example SET offset=offset+1 WHERE position=5",
      "UPDATE example SET offset=-9000000000000000000 WHERE position=5",
      "UPDATE example SET offset=9000000000000000000 WHERE position=5",
      "UPDATE example SET length=length-1 WHERE position=5",
      "UPDATE example SET length=4000000000000 WHERE position=5",
      "UPDATE example SET length=-1 WHERE position=5",
      "UPDATE example SET check64=-check64 WHERE position=5",
      "UPDATE example SET meta='x' WHERE position=5",
      "UPDATE example SET shard_id=2 WHERE position=5",
      "UPDATE example SET position=1000 WHERE position=5",
      "DELETE FROM example WHERE position=5",
      "DELETE FROM example WHERE position=69",
      "UPDATE split SET count=71 WHERE name='train'",
      "UPDATE shard SET bytes=bytes-1 WHERE id=1",
    ])
  func row(sql: String) throws {
    let folder = try TemporaryFolder()
    try Small.make(folder.store)
    try Self.readAll(folder.store)
    try Self.change(folder.store, sql)
    #expect(Small.error { try Self.readAll(folder.store) }?.code == .checksumMismatch)
  }

  @Test("a shard made again is what it was, files and rows")
  func remake() throws {
    let folder = try TemporaryFolder()
    try Small.make(folder.store)
    let before = try folder.files()
    try Self.flip(folder.path + "/data/small/train-00001.npy", at: 200)
    try FileManager.default.removeItem(atPath: folder.path + "/data/small/train-00001.tsv")
    try Self.change(folder.store, "UPDATE example SET label=0, length=1 WHERE position=20")
    #expect(Small.error { try Self.readAll(folder.store) } != nil)
    var options = VerifyOptions()
    options.repair = true
    #expect(try !folder.store.verify([], options).foundDamage)
    try Self.readAll(folder.store)
    let after = try folder.files()
    for (name, data) in before where !name.hasPrefix("data.sqlite") { #expect(after[name] == data) }
  }

  @Test("a missing shard and a cut shard are named")
  func shards() throws {
    let folder = try TemporaryFolder()
    try Small.make(folder.store)
    let shard = folder.path + "/data/small/train-00000.npy"
    let data = try Data(contentsOf: URL(fileURLWithPath: shard))
    try data.dropLast(10).write(to: URL(fileURLWithPath: shard))
    let cut = Small.error { try Self.readAll(folder.store) }
    #expect(cut?.code == .checksumMismatch)
    #expect(
      cut?.message == "small: shard data/small/train-00000.npy has \((data.count - 10).grouped) "
        + "bytes, \(data.count.grouped) expected")
    try FileManager.default.removeItem(atPath: shard)
    let missing = Small.error { try Self.readAll(folder.store) }
    #expect(missing?.code == .checksumMismatch)
    #expect(missing?.message == "small: shard data/small/train-00000.npy is missing")
  }

  @Test("a database that is none, of another program, newer, empty or missing")
  func databases() throws {
    let folder = try TemporaryFolder()
    let store = folder.store
    #expect(Small.error { try store.datasets() }?.message == "\(store.path) does not exist")
    let files = try folder.files()
    #expect(files.isEmpty)
    try Data().write(to: URL(fileURLWithPath: store.path))
    #expect(Small.error { try store.datasets() }?.code == .malformedInput)
    try Data("not a database at all".utf8).write(to: URL(fileURLWithPath: store.path))
    #expect(
      Small.error { try store.datasets() }?.message == "\(store.path) is not an SQLite database")
    #expect(Small.error { try Small.make(store) }?.code == .malformedInput)
    try FileManager.default.removeItem(atPath: store.path)
    try Self.change(store, "CREATE TABLE other(x)")
    #expect(
      Small.error { try store.datasets() }?.message
        == "\(store.path) is an SQLite database of another program")
    #expect(Small.error { try Small.make(store) }?.code == .malformedInput)
    try FileManager.default.removeItem(atPath: store.path)
    try Small.make(store)
    try DatabaseQueue(path: store.path).inDatabase { try $0.execute(sql: "PRAGMA user_version=2") }
    #expect(
      Small.error { try store.datasets() }?.message
        == "\(store.path) has format 2; this version of lra-data reads format 1")
  }

  @Test("an unknown dataset or split is answered with those that there are")
  func names() throws {
    let folder = try TemporaryFolder()
    try Small.make(folder.store)
    let dataset = Small.error { try folder.store.open(dataset: "big", split: "train") }
    #expect(dataset?.message == "\(folder.store.path) holds no dataset big; it holds: small")
    let split = Small.error { try folder.store.open(dataset: "small", split: "valid") }
    #expect(split?.message == "small has no split valid; it has: train, validation, test")
  }

  @Test("the index has the documented schema")
  func schema() throws {
    let folder = try TemporaryFolder()
    try Small.make(folder.store)
    let queue = try DatabaseQueue(path: folder.store.path)
    let texts = try queue.read { database in
      try [
        "PRAGMA application_id", "PRAGMA user_version", "PRAGMA journal_mode",
        "PRAGMA integrity_check", "SELECT count(*) FROM example",
      ].map { try String.fetchOne(database, sql: $0) ?? "" }
    }
    #expect(texts == ["1280459076", "1", "delete", "ok", "120"])
  }
}
