import Foundation
import Testing

@testable import Datasets

@Suite("shares of several workers")
struct MergingTests {
  /// The shares of the small task, each in a folder of its own.
  private func shares(_ count: Int, seed: Int = 0) throws -> [TemporaryFolder] {
    try (1...count).map { number in
      let folder = try TemporaryFolder()
      var options = Small.options()
      options.worker = try #require(WorkerShare(number: number, of: count))
      let result = try Small.make(folder.store, seed: seed, options)
      #expect(result.worker == options.worker)
      #expect(result.contentDigest == "")
      return folder
    }
  }

  private func merge(
    _ parts: [TemporaryFolder], into folder: TemporaryFolder
  ) throws -> GenerationResult {
    let plan = try folder.store.mergePlan(parts.map(\.store.path))
    return try folder.store.merge(plan, options: Small.options())
  }

  /// The files that count: shards and side tables.
  private func shards(_ folder: TemporaryFolder) throws -> [String: Data] {
    try folder.files().filter { $0.key.hasPrefix("data/") && !$0.key.hasSuffix("/.database") }
  }

  @Test("merged they are what one machine makes: files, rows and digest", arguments: [1, 2, 3, 7])
  func same(workers: Int) throws {
    let whole = try TemporaryFolder()
    let expected = try Small.make(whole.store)
    let parts = try workers == 1 ? [whole] : shares(workers)
    let merged = try TemporaryFolder()
    let result = try merge(parts, into: merged)
    #expect(result.contentDigest == expected.contentDigest)
    #expect(result.state == .made)
    #expect(try shards(merged) == shards(whole))
    let (one, two) = (
      try Index(at: whole.store.path, .read), try Index(at: merged.store.path, .read)
    )
    let splits = try one.splits(of: try one.dataset(named: "small"))
    #expect(try two.splits(of: try two.dataset(named: "small")) == splits)
    for split in splits {
      #expect(try one.shards(of: split) == two.shards(of: split))
      #expect(try one.examples(of: split) == two.examples(of: split))
    }
    #expect(try merge(parts, into: merged).state == .complete)
    #expect(try !merged.store.verify().foundDamage)
  }

  @Test("a share is sound for verify, resumes, and the missing ones complete it in place")
  func share() throws {
    let folder = try #require(try shares(3).last)
    #expect(try !folder.store.verify().foundDamage)
    var options = Small.options()
    options.worker = try #require(WorkerShare(number: 3, of: 3))
    #expect(try Small.make(folder.store, options).state == .complete)
    #expect(
      Small.error { try folder.store.open(dataset: "small", split: "train") }?.code == .failure)
    options.worker = try #require(WorkerShare(number: 1, of: 3))
    #expect(try Small.make(folder.store, options).worker == options.worker)
    let whole = try TemporaryFolder()
    let last = try Small.make(folder.store)
    #expect(last.worker == nil)
    #expect(try Small.make(whole.store).contentDigest == last.contentDigest)
  }

  @Test("overlapping shares, and a target that is one of them")
  func overlapping() throws {
    let whole = try TemporaryFolder()
    let expected = try Small.make(whole.store).contentDigest
    let parts = try shares(2) + shares(3)
    let merged = try TemporaryFolder()
    #expect(try merge(parts, into: merged).contentDigest == expected)
    #expect(try merge(Array(parts[..<2]), into: parts[0]).contentDigest == expected)
    #expect(try shards(parts[0]) == shards(whole))
  }

  @Test("missing shards are named with the worker that makes them")
  func missing() throws {
    let parts = try shares(4)
    let target = try TemporaryFolder()
    let error = Small.error { try merge([parts[0], parts[2], parts[3]], into: target) }
    #expect(error?.code == .failure)
    #expect(
      error?.message
        == "small: shard 1 of train, shard 0 of validation are in none of the databases")
    #expect(
      error?.next == "run worker 2/4 (gen --worker), then merge again with its database")
    #expect(try target.files().isEmpty)
    let one = Small.error { try merge([parts[0]], into: target) }
    #expect(one?.message.hasSuffix(" are not in the database") == true)
    #expect(one?.next?.hasPrefix("run workers 2/4, 3/4, 4/4 (") == true)
  }

  @Test("databases of different seeds or shard sizes are refused with the difference")
  func differing() throws {
    let target = try TemporaryFolder()
    let (one, two) = (try shares(2), try shares(2, seed: 5))
    let error = Small.error { try merge([one[0], two[1]], into: target) }
    #expect(error?.code == .configurationDiffers)
    #expect(
      error?.message == "\(two[1].store.path) holds small with seed 5; "
        + "\(one[0].store.path) with seed 0")
    let other = try TemporaryFolder()
    var options = Small.options(1, 8)
    options.worker = try #require(WorkerShare(number: 2, of: 2))
    try Small.make(other.store, options)
    let size = Small.error { try merge([one[0], other], into: target) }
    #expect(size?.code == .configurationDiffers)
    #expect(size?.message.contains("8 examples per shard") == true)
    #expect(try target.files().isEmpty)
    // The target may hold another dataset of the name.
    try Small.make(target.store, seed: 9)
    #expect(Small.error { try merge(one, into: target) }?.code == .configurationDiffers)
  }

  @Test("a changed shard, side table row or label is refused and nothing of it is written")
  func damaged() throws {
    let parts = try shares(2)
    let path = parts[1].path + "/data/small/train-00001.npy"
    let old = try #require(FileManager.default.contents(atPath: path))
    var changed = old
    changed[200] ^= 1
    try changed.write(to: URL(fileURLWithPath: path))
    let target = try TemporaryFolder()
    let error = Small.error { try merge(parts, into: target) }
    #expect(error?.code == .checksumMismatch)
    #expect(
      error?.message == "small: shard data/small/train-00001.npy does not match its SHA-256")
    #expect(error?.next?.hasSuffix("--db \(parts[1].store.path)") == true)
    #expect(
      try shards(target).keys.sorted() == [
        "data/small/train-00000.npy", "data/small/train-00000.tsv",
      ])
    try old.write(to: URL(fileURLWithPath: path))
    try Index(at: parts[1].store.path, .write).write {
      try $0.execute(sql: "UPDATE example SET label=(label+1)%10 WHERE position=17")
    }
    let row = Small.error { try merge(parts, into: target) }
    #expect(row?.code == .checksumMismatch)
    #expect(row?.message.hasPrefix("small train/17 does not match its checksum") == true)
    #expect(try !parts[1].store.verify([], repairing()).foundDamage)
    #expect(try merge(parts, into: target).state == .resumed)
  }

  private func repairing() -> VerifyOptions {
    var options = VerifyOptions()
    options.repair = true
    return options
  }

  @Test("which dataset is meant when there are several, or none in common")
  func names() throws {
    let parts = try shares(2)
    for part in parts {
      _ = try part.store.generate(
        Small.configuration, name: "second", splits: Small.splits, options: Small.options())
    }
    let target = try TemporaryFolder()
    let several = Small.error { try merge(parts, into: target) }
    #expect(several?.code == .usage)
    #expect(several?.next == "choose one with --name: small, second")
    let none = Small.error {
      try target.store.mergePlan([parts[0].store.path], name: "third")
    }
    #expect(none?.code == .usage)
  }

  @Test("a share knows its shards, and shares are read off the shards that are there")
  func numbers() throws {
    let share = try #require(WorkerShare(number: 2, of: 4))
    #expect((0..<9).filter(share.makes) == [1, 5])
    #expect(WorkerShare(number: 0, of: 4) == nil)
    #expect(WorkerShare(number: 5, of: 4) == nil)
    func making(_ missing: [Int], _ held: [[Int]]) -> [String] {
      WorkerShare.making(missing, beside: held, total: 12).map(\.description)
    }
    #expect(making([1, 5, 9], [[0, 4, 8], [2, 6, 10], [3, 7, 11]]) == ["2/4"])
    #expect(making([5, 9], [[0, 4, 8], [1], [2, 6, 10], [3, 7, 11]]) == ["2/4"])
    // Whatever the strides are, the named shares hold what is missing.
    #expect(making([1], [[0], [2]]) == ["2/12"])
    #expect(making([7], [[0, 1, 2, 3, 4, 5, 6]]) == ["8/12"])
  }
}
