import Foundation
import GRDB
import Testing

@testable import Datasets

private func converted() throws -> (TemporaryFolder, [String], String) {
  let folder = try TemporaryFolder()
  let paths = try PairFiles.small.write(to: folder.path + "/files")
  let result = try folder.store.convert(AAN(), from: paths, options: Small.options(2, 3))
  return (folder, paths, result.generation.contentDigest)
}

private func execute(_ store: DatasetStore, _ sql: String) throws {
  try DatabaseQueue(path: store.path).write { try $0.execute(sql: sql) }
}

/// Every pair's row as text.
private func rows(_ store: DatasetStore) throws -> [String] {
  try DatabaseQueue(path: store.path).read {
    try Row.fetchAll($0, sql: "SELECT * FROM pair ORDER BY split_id, position").map(\.description)
  }
}

@Suite struct PairDamageTests {
  @Test(
    "a bit of a pair's row that flips is found with split and position, and stops a reader",
    arguments: ["document1", "document2", "label", "check64"])
  func bits(column: String) throws {
    let (folder, _, _) = try converted()
    let store = folder.store
    for bit in [0, 1, 6, 13, 24, 31, 32, 47, 62, 63] {
      let flip =
        "UPDATE pair SET \(column) = (\(column) | (1 << \(bit))) - (\(column) & (1 << \(bit)))"
        + " WHERE split_id=2 AND position=2"
      try execute(store, flip)
      let report = try store.verify()
      let damaged = report.datasets[0].damaged
      #expect(damaged.map(\.position) == [2] && damaged.map(\.split) == ["validation"])
      #expect(damaged.first?.reason == "its row does not match its checksum")
      let error = Small.error {
        try store.open(dataset: "retrieval", split: "validation").withParts(at: 2) { $0.count }
      }
      #expect(error?.code == .checksumMismatch)
      #expect(
        error?.message
          == "retrieval validation/2 does not match its checksum (a pair in \(store.path))")
      #expect(error?.position == 2)
      try execute(store, flip)
    }
    #expect(try store.verify().foundDamage == false)
  }

  @Test(
    "damaged rows are found, put aside by repair, and made again by the same conversion",
    arguments: [
      ("UPDATE pair SET label=1-label WHERE split_id=1 AND position=3", "train/3"),
      ("UPDATE pair SET position=position+100 WHERE split_id=3 AND position=3", "test/3"),
      ("UPDATE pair SET position=-5 WHERE split_id=1 AND position=0", "train/0"),
      ("DELETE FROM pair WHERE split_id=2 AND position=1", "validation/1"),
      ("DELETE FROM pair WHERE split_id=2", "validation/-"),
      ("INSERT INTO pair VALUES(2,4,0,0,0,0)", "validation/-"),
      ("INSERT INTO pair VALUES(4,0,0,0,0,0)", "documents/-"),
      ("UPDATE split SET content_digest=zeroblob(32) WHERE name='test'", "test/-"),
      ("UPDATE split SET count=5 WHERE name='test'", "test/4"),
      ("UPDATE split SET count=-5 WHERE name='test'", "-/-"),
      ("UPDATE split SET count=count+(1<<50) WHERE name='test'", "-/-"),
      ("UPDATE example SET length=length-1 WHERE position=6", "documents/6"),
      ("DELETE FROM example WHERE position=6", "documents/6"),
    ])
  func repaired(sql: String, place: String) throws {
    let (folder, paths, digest) = try converted()
    let before = try rows(folder.store)
    try execute(folder.store, sql)
    var options = VerifyOptions()
    let found = try folder.store.verify([], options)
    let damaged = found.datasets[0].damaged
    let places = damaged.map { "\($0.split ?? "-")/\($0.position.map(String.init) ?? "-")" }
    #expect(places.contains(place), "\(places)")
    options.repair = true
    #expect(try folder.store.verify([], options).foundDamage)
    guard !sql.contains("SET count") else { return }  // what was asked for is damaged itself
    let again = try folder.store.convert(AAN(), from: paths, options: Small.options(1, 3))
    #expect(again.generation.state == .resumed)
    #expect(again.generation.contentDigest == digest)
    #expect(try folder.store.verify().foundDamage == false)
    #expect(try rows(folder.store) == before)
  }

  @Test("a row that gives a checksum for a document that is not there is refused")
  func noSuchDocument() throws {
    let (folder, _, _) = try converted()
    for document in [7, -1, Int.max] {
      let check = Digest.check64(position: 0, label: 0, document1: document, document2: 0)
      try execute(
        folder.store,
        "UPDATE pair SET document1=\(document), document2=0, label=0, check64=\(check) "
          + "WHERE split_id=1 AND position=0")
      let damaged = try folder.store.verify().datasets[0].damaged
      #expect(damaged.map(\.reason) == ["it refers to a document that is not there"])
      let reader = try folder.store.open(dataset: "retrieval", split: "train")
      let error = Small.error { try reader.withSymbols(at: 0) { $0.count } }
      #expect(error?.code == .checksumMismatch)
    }
  }

  @Test("a damaged document stops the reading of its pairs and is named itself")
  func document() throws {
    let (folder, _, _) = try converted()
    try ReaderTests.flip(folder.path + "/data/retrieval/documents-00001.npy", at: 130)
    let reader = try folder.store.open(dataset: "retrieval", split: "validation")
    let error = Small.error { try reader.withParts(at: 0) { $0.count } }
    #expect(error?.message.hasPrefix("retrieval documents/3 does not match its checksum") == true)
    let damaged = try folder.store.verify().datasets[0].damaged
    #expect(damaged.map(\.split) == ["documents"] && damaged.map(\.position) == [3])
  }

  @Test("an interrupted conversion is sound so far and goes on where it was")
  func interrupted() throws {
    let folder = try TemporaryFolder()
    let paths = try PairFiles.small.write(to: folder.path + "/files")
    var options = Small.options(1, 3)
    for stop in ["documents", "train", "validation"] {
      let cancellation = Cancellation()
      options.cancellation = cancellation
      options.progress = { if $0.split == stop { cancellation.cancel() } }
      let error = Small.error { _ = try folder.store.convert(AAN(), from: paths, options: options) }
      #expect(error?.code == .interrupted)
      #expect(error?.message.hasSuffix(" of 7 documents are safe in \(folder.store.path)") == true)
      #expect(try folder.store.verify().foundDamage == false)
      #expect(Small.error { try folder.store.open(dataset: "retrieval", split: "train") } != nil)
    }
    let (_, _, digest) = try converted()
    let last = try folder.store.convert(AAN(), from: paths, options: Small.options(2, 3))
    #expect(last.generation.state == .resumed)
    #expect(last.generation.contentDigest == digest)
    #expect(try folder.store.verify().foundDamage == false)
  }
}
