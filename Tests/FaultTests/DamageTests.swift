import Foundation
import Testing
import ToolRunner

/// Something that happens to a dataset.
enum Damage: String, CaseIterable, CustomTestStringConvertible {
  case label, offset, length, check64, row, shardRow, shardSize, shardHash, splitDigest
  case payload, truncated, missing, sideTable, otherSeed, extraRow

  var testDescription: String { rawValue }

  func apply(_ folder: TemporaryFolder) throws {
    let shard = folder.file("data/listops-64/train-00001.npy")
    switch self {
    case .label: try sql(folder, "UPDATE example SET label=(label+1)%10 WHERE position=130")
    case .offset:
      try sql(folder, "UPDATE example SET offset=offset+4 WHERE split_id=1 AND position=130")
    case .length:
      try sql(folder, "UPDATE example SET length=length-1 WHERE split_id=1 AND position=130")
    case .check64:
      try sql(folder, "UPDATE example SET check64=check64+256 WHERE split_id=1 AND position=130")
    case .row: try sql(folder, "DELETE FROM example WHERE split_id=1 AND position=130")
    case .shardRow:
      try sql(folder, "DELETE FROM shard WHERE path LIKE '%train-00001%'")
    case .shardSize:
      try sql(folder, "UPDATE shard SET count=127 WHERE path LIKE '%train-00001%'")
    case .shardHash:
      try sql(folder, "UPDATE shard SET sha256=zeroblob(32) WHERE path LIKE '%train-00001%'")
    case .splitDigest:
      try sql(folder, "UPDATE split SET content_digest=zeroblob(32) WHERE name='train'")
    case .payload: try flip(shard, byte: 200)
    case .truncated: #expect(truncate(shard, 1000) == 0)
    case .missing: try FileManager.default.removeItem(atPath: shard)
    case .sideTable: try flip(folder.file("data/listops-64/train-00001.tsv"), byte: 300)
    case .otherSeed: try swap(folder)
    case .extraRow:
      try sql(
        folder,
        "INSERT INTO example SELECT split_id, 300, shard_id, offset, length, label, check64, meta "
          + "FROM example WHERE split_id=1 AND position=130")
    }
  }

  /// Puts in a shard of another seed with everything that belongs to it.
  private func swap(_ folder: TemporaryFolder) throws {
    let other = try TemporaryFolder()
    #expect(try Program.lraData.run(small + ["--seed", "9"], in: other.path).exit == 0)
    for name in ["train-00001.npy", "train-00001.tsv"] {
      try FileManager.default.removeItem(atPath: folder.file("data/listops-64/\(name)"))
      try FileManager.default.copyItem(
        atPath: other.file("data/listops-64/\(name)"),
        toPath: folder.file("data/listops-64/\(name)"))
    }
    let code = """
      import sqlite3
      database = sqlite3.connect("data.sqlite")
      database.execute("ATTACH ? AS other", (\"\(other.file("data.sqlite"))\",))
      database.execute("DELETE FROM example WHERE shard_id=2")
      database.execute("DELETE FROM shard WHERE id=2")
      database.execute("INSERT INTO shard SELECT * FROM other.shard WHERE id=2")
      database.execute("INSERT INTO example SELECT * FROM other.example WHERE shard_id=2")
      database.commit()
      """
    let outcome = try Program.python(code, in: folder.path)
    #expect(outcome.exit == 0, "\(outcome.error)")
  }
}

@Suite("damaged datasets")
struct DamageTests {
  @Test("verify finds it, repair makes the same files and rows again", arguments: Damage.allCases)
  func repaired(damage: Damage) throws {
    let folder = try smallFolder()
    let expected = try contents(folder, "listops-64")
    try damage.apply(folder)
    let found = try folder.data("verify")
    #expect(found.exit == 3, "\(found.output)")
    #expect(
      found.error.contains("Repair with: lra-data verify --repair --db data.sqlite"),
      "\(found.error)")
    let repaired = try folder.data("verify", "--repair", "--json")
    #expect(repaired.exit == 0, "\(repaired.output)")
    let after = try folder.data("verify", "--json")
    #expect(after.exit == 0, "\(after.output)")
    #expect(try contents(folder, "listops-64") == expected)
  }

  @Test("verify names damaged example, shard and offset")
  func named() throws {
    let folder = try smallFolder()
    try flip(folder.file("data/listops-64/train-00001.npy"), byte: 200)
    let outcome = try folder.data("verify")
    #expect(
      outcome.output.contains(
        #/1 damaged: train/[0-9]+ \(shard train-00001.npy, offset [0-9]+\)/#
      ), "\(outcome.output)")
    let repaired = try folder.data("verify", "--repair")
    #expect(repaired.output.contains("moved aside to data/listops-64/quarantine/train-00001.npy"))
  }

  @Test("a damaged example exits 4 and says how to repair", arguments: ["label", "payload"])
  func read(what: String) throws {
    let folder = try smallFolder()
    let damage = try #require(Damage(rawValue: what))
    try damage.apply(folder)
    let outcome = try folder.data("stats", "listops-64")
    #expect(outcome.exit == 4)
    #expect(
      outcome.error.contains(
        #/^error: listops-64 train/[0-9]+ does not match its checksum \(shard train-00001/#
      ), "\(outcome.error)")
    #expect(
      outcome.error.hasSuffix(
        "verify and repair with: lra-data verify --repair --db data.sqlite\n"))
  }

  @Test("a file that belongs to no dataset is named and only moved by repair")
  func orphan() throws {
    let folder = try smallFolder()
    #expect(
      FileManager.default.createFile(
        atPath: folder.file("data/listops-64/notes.txt"), contents: Data("hello".utf8)))
    let found = try folder.data("verify")
    #expect(found.exit == 0)
    #expect(found.output.contains("in no dataset: data/listops-64/notes.txt"))
    #expect(try folder.data("verify", "--repair").exit == 0)
    #expect(
      FileManager.default.fileExists(
        atPath: folder.file("data/listops-64/quarantine/notes.txt")))
  }

  @Test("quick verification finds a truncated shard and a missing row")
  func quick() throws {
    for damage in [Damage.truncated, .row, .missing] {
      let folder = try smallFolder()
      try damage.apply(folder)
      #expect(try folder.data("verify", "--quick").exit == 3)
    }
  }
}
