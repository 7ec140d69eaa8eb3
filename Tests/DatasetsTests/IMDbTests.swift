import Crypto
import Foundation
import Testing

@testable import Datasets

/// Twenty reviews of each class and split in the layout of aclImdb_v1.tar.gz, in no useful order.
private func reviews(ofEach count: Int = 20) -> [(path: String, text: String)] {
  var all: [(path: String, text: String)] = [("aclImdb/README", "not a review")]
  for (number, folder) in ["test/pos", "train/neg", "train/unsup", "test/neg", "train/pos"]
    .enumerated()
  {
    for step in 0..<count {
      let id = step * 7 % count + (step % 2 == 0 ? 0 : 90)
      let rating = folder.hasSuffix("pos") ? 8 : folder.hasSuffix("neg") ? 2 : 0
      all.append(
        ("aclImdb/\(folder)/\(id)_\(rating).txt", "review \(number) \(id) caf\u{E9}<br />\n"))
    }
  }
  return all
}

private func texts(_ store: DatasetStore, _ split: String) throws -> [String] {
  let reader = try store.open(dataset: "text", split: split)
  return try (0..<reader.count).map { position in
    try reader.withSymbols(at: position) { String(decoding: $0, as: UTF8.self) }
  }
}

@Suite struct IMDbTests {
  @Test("reviews are stored whole, sorted by label and id, with rating and id")
  func content() throws {
    let folder = try TemporaryFolder()
    var imdb = IMDb()
    imdb.unsup = true
    let result = try folder.store.convert(imdb, from: [Self.archive(folder)])
    #expect(result.generation.splits.map(\.name) == ["train", "validation", "test", "unsup"])
    #expect(result.generation.splits.map(\.count) == [36, 4, 40, 20])
    #expect(result.skipped.isEmpty)
    let expected = reviews().filter { $0.path.contains("/test/") }.sorted { one, other in
      func key(_ path: String) -> (Int, Int) {
        let name = path.split(separator: "/")
        return (name[2] == "pos" ? 1 : 0, Int(name[3].prefix { $0 != "_" }) ?? -1)
      }
      return key(one.path) < key(other.path)
    }
    #expect(try texts(folder.store, "test") == expected.map(\.text))
    let reader = try folder.store.open(dataset: "text", split: "test")
    #expect(reader.labels == [Int32](repeating: 0, count: 20) + [Int32](repeating: 1, count: 20))
    #expect(reader.meta(at: 0) == #"{"rating":2,"review_id":0}"#)
    #expect(try folder.store.open(dataset: "text", split: "unsup").labels.allSatisfy { $0 == -1 })
    #expect(try folder.store.verify().foundDamage == false)
  }

  @Test("validation is the tenth of each class with the smallest SHA-256 of its member path")
  func validation() throws {
    let folder = try TemporaryFolder()
    _ = try folder.store.convert(IMDb(), from: [Self.archive(folder)])
    var expected: [String] = []
    for label in ["neg", "pos"] {
      let members = reviews().filter { $0.path.contains("/train/\(label)/") }
      let chosen = members.sorted { one, other in
        SHA256.hash(data: Data(one.path.utf8)).description
          < SHA256.hash(data: Data(other.path.utf8)).description
      }.prefix(2)
      expected += chosen.map(\.text)
    }
    let validation = try texts(folder.store, "validation")
    #expect(Set(validation) == Set(expected))
    #expect(Set(try texts(folder.store, "train")).isDisjoint(with: expected))
  }

  @Test("protocol released validates on the test reviews and trains on all others")
  func released() throws {
    let folder = try TemporaryFolder()
    var imdb = IMDb()
    imdb.splits = .released
    _ = try folder.store.convert(imdb, from: [Self.archive(folder)])
    #expect(try texts(folder.store, "train").count == 40)
    #expect(try texts(folder.store, "validation") == texts(folder.store, "test"))
  }

  @Test("archive and unpacked folder give the same dataset, whatever the threads and shards")
  func folder() throws {
    let one = try TemporaryFolder()
    let first = try one.store.convert(IMDb(), from: [Self.archive(one)])
    let other = try TemporaryFolder()
    for review in reviews().reversed() { try other.write(review.path, review.text) }
    var options = GenerationOptions()
    options.threads = 3
    options.shardExamples = 7
    let second = try other.store.convert(
      IMDb(), from: [other.path + "/aclImdb/"], options: options)
    #expect(first.generation.contentDigest == second.generation.contentDigest)
    #expect(second.sources.map(\.name) == ["aclImdb"])
  }

  @Test("the same command on the finished dataset has nothing to do; another archive differs")
  func again() throws {
    let folder = try TemporaryFolder()
    let path = try Self.archive(folder)
    let made = try folder.store.convert(IMDb(), from: [path])
    let again = try folder.store.convert(IMDb(), from: [path])
    #expect(again.generation.state == .complete)
    #expect(again.sources == made.sources)
    let digest = try #require(made.sources.first).sha256
    #expect(digest == Array(SHA256.hash(data: try Data(contentsOf: URL(fileURLWithPath: path)))))
    var other = TestArchive()
    for review in reviews() { other.add(review.path, review.text + "!") }
    try other.write(path)
    let error = Small.error { _ = try folder.store.convert(IMDb(), from: [path]) }
    #expect(error?.code == .configurationDiffers)
  }

  @Test("a damaged shard goes to quarantine, and the same conversion brings it back")
  func repair() throws {
    let folder = try TemporaryFolder()
    let path = try Self.archive(folder)
    let made = try folder.store.convert(IMDb(), from: [path])
    try ReaderTests.flip(folder.path + "/data/text/test-00000.npy", at: 200)
    var options = VerifyOptions()
    options.repair = true
    let report = try folder.store.verify([], options)
    #expect(report.foundDamage)
    #expect(
      report.datasets[0].quarantined == [
        "data/text/quarantine/test-00000.npy", "data/text/quarantine/test-00000.tsv",
      ])
    let again = try folder.store.convert(IMDb(), from: [path])
    #expect(again.generation.state == .resumed)
    #expect(again.generation.contentDigest == made.generation.contentDigest)
    #expect(try folder.store.verify().foundDamage == false)
  }

  @Test("what is no review is left out and named; a missing class is an error")
  func leftOut() throws {
    let folder = try TemporaryFolder()
    var archive = TestArchive()
    for review in reviews() { archive.add(review.path, review.text) }
    archive.add("aclImdb/train/pos/._3_8.txt", "what macOS adds")
    archive.add("aclImdb/train/pos/999_8.txt", "")
    try archive.write(folder.path + "/a.tar")
    let result = try folder.store.convert(IMDb(), from: [folder.path + "/a.tar"])
    #expect(
      result.skipped == [
        SkippedFile(
          path: "aclImdb/train/pos/._3_8.txt", reason: "its name begins with a dot"),
        SkippedFile(path: "aclImdb/train/pos/999_8.txt", reason: "it is empty"),
      ])
    var half = TestArchive()
    for review in reviews() where !review.path.contains("test/pos") {
      half.add(review.path, review.text)
    }
    try half.write(folder.path + "/b.tar")
    let error = Small.error {
      _ = try folder.store.convert(IMDb(), from: [folder.path + "/b.tar"], name: "other")
    }
    #expect(error?.code == .malformedInput)
    #expect(error?.message == "\(folder.path)/b.tar holds no reviews in test/pos")
  }
}

extension IMDbTests {
  static func archive(_ folder: borrowing TemporaryFolder) throws -> String {
    var archive = TestArchive()
    for review in reviews() { archive.add(review.path, review.text) }
    let path = folder.path + "/aclImdb.tar"
    try archive.write(path)
    return path
  }
}
