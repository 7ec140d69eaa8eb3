import Foundation
import Testing
import ToolRunner

/// Files that are whole but not where they belong.
@Suite("shards in wrong places")
struct ShardTests {
  private let files = FileManager.default

  private func path(_ folder: TemporaryFolder, _ name: String) -> String {
    folder.file("data/listops-64/\(name)")
  }

  /// What verify says, and that repair makes exactly the named shards again.
  private func expect(
    _ folder: TemporaryFolder, damaged: [String], _ expected: [String: Data]
  ) throws {
    struct Report: Decodable {
      struct Dataset: Decodable {
        struct Damage: Decodable { let shard: String? }
        let damaged: [Damage]
        let repaired: [String]
        let quarantined: [String]
      }
      let datasets: [Dataset]
    }
    func report(_ arguments: String...) throws -> (Report.Dataset, Int32) {
      let outcome = try Program.lraData.run(["verify", "--json"] + arguments, in: folder.path)
      let report = try JSONDecoder().decode(Report.self, from: Data(outcome.output.utf8))
      return (try #require(report.datasets.first), outcome.exit)
    }
    let named = damaged.map { "data/listops-64/\($0)" }
    let (found, code) = try report()
    #expect(code == 3)
    #expect(Set(found.damaged.compactMap(\.shard)) == Set(named))
    let (repaired, after) = try report("--repair")
    #expect(after == 0)
    #expect(repaired.repaired == named)
    #expect(try contents(folder, "listops-64") == expected)
    #expect(try report().1 == 0)
  }

  @Test("two shards that changed places")
  func swapped() throws {
    let folder = try smallFolder()
    let expected = try contents(folder, "listops-64")
    for suffix in ["npy", "tsv"] {
      try files.moveItem(
        atPath: path(folder, "train-00000.\(suffix)"), toPath: path(folder, "kept"))
      try files.moveItem(
        atPath: path(folder, "train-00001.\(suffix)"), toPath: path(folder, "train-00000.\(suffix)")
      )
      try files.moveItem(
        atPath: path(folder, "kept"), toPath: path(folder, "train-00001.\(suffix)"))
    }
    try expect(folder, damaged: ["train-00000.npy", "train-00001.npy"], expected)
  }

  @Test("a shard twice, in place of another one")
  func duplicate() throws {
    let folder = try smallFolder()
    let expected = try contents(folder, "listops-64")
    for suffix in ["npy", "tsv"] {
      try files.removeItem(atPath: path(folder, "train-00001.\(suffix)"))
      try files.copyItem(
        atPath: path(folder, "train-00000.\(suffix)"), toPath: path(folder, "train-00001.\(suffix)")
      )
    }
    try expect(folder, damaged: ["train-00001.npy"], expected)
  }

  @Test("a shard of another seed")
  func otherSeed() throws {
    let folder = try smallFolder()
    let expected = try contents(folder, "listops-64")
    let other = try TemporaryFolder()
    #expect(try Program.lraData.run(small + ["--seed", "3"], in: other.path).exit == 0)
    for suffix in ["npy", "tsv"] {
      try files.removeItem(atPath: path(folder, "test-00000.\(suffix)"))
      try files.copyItem(
        atPath: path(other, "test-00000.\(suffix)"), toPath: path(folder, "test-00000.\(suffix)"))
    }
    try expect(folder, damaged: ["test-00000.npy"], expected)
  }

  @Test("a file of the right size and other content")
  func content() throws {
    let folder = try smallFolder()
    let expected = try contents(folder, "listops-64")
    let size = try #require(expected["train-00002.npy"]?.count)
    #expect(
      files.createFile(
        atPath: path(folder, "train-00002.npy"), contents: Data(repeating: 7, count: size)))
    #expect(try folder.data("verify", "--quick").exit == 0)
    try expect(folder, damaged: ["train-00002.npy"], expected)
  }

  @Test("the last shard is gone, with its rows or without", arguments: [true, false])
  func last(withRows: Bool) throws {
    let folder = try smallFolder()
    let expected = try contents(folder, "listops-64")
    for suffix in ["npy", "tsv"] {
      try files.removeItem(atPath: path(folder, "train-00002.\(suffix)"))
    }
    if withRows {
      try sql(folder, "DELETE FROM example WHERE split_id=1 AND position>=256")
      try sql(folder, "DELETE FROM shard WHERE path LIKE '%train-00002.npy'")
    }
    let found = try folder.data("verify", "--json")
    #expect(found.output.contains("data/listops-64/train-00002.npy"))
    try expect(folder, damaged: ["train-00002.npy"], expected)
  }

  @Test("a file that belongs to nothing is an orphan, not damage")
  func extra() throws {
    let folder = try smallFolder()
    try files.copyItem(
      atPath: path(folder, "train-00000.npy"), toPath: path(folder, "train-00009.npy"))
    let outcome = try folder.data("verify", "--json")
    #expect(outcome.exit == 0)
    #expect(outcome.output.contains("\"orphans\":[\"data/listops-64/train-00009.npy\"]"))
    let repaired = try folder.data("verify", "--repair", "--json")
    #expect(repaired.exit == 0)
    #expect(
      repaired.output.contains(
        "\"quarantined\":[\"data/listops-64/quarantine/train-00009.npy\"],\"repaired\":[]"))
  }
}
