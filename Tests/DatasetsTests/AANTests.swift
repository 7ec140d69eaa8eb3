import Crypto
import Foundation
import GRDB
import Testing

@testable import Datasets

private func convert(
  _ files: PairFiles, _ folder: borrowing TemporaryFolder,
  _ options: GenerationOptions = GenerationOptions()
) throws -> ConversionResult {
  try folder.store.convert(
    AAN(), from: files.write(to: folder.path + "/files"), options: options)
}

private func texts(_ store: DatasetStore) throws -> [String] {
  let reader = try store.open(dataset: "retrieval", split: "documents")
  return try (0..<reader.count).map { position in
    try reader.withSymbols(at: position) { String(decoding: $0, as: UTF8.self) }
  }
}

private func little(_ value: some FixedWidthInteger) -> [UInt8] {
  withUnsafeBytes(of: value.littleEndian) { Array($0) }
}

@Suite struct AANTests {
  @Test("every pair has exactly the texts of its line, every document is stored once")
  func content() throws {
    let folder = try TemporaryFolder()
    let files = PairFiles.small
    let result = try convert(files, folder)
    #expect(
      result.generation.splits.map(\.name) == ["train", "validation", "test", "documents"])
    #expect(result.generation.splits.map(\.count) == [6, 4, 4, 7])
    #expect(result.sources.map(\.name) == PairFiles.names.sorted())
    #expect(result.skipped.isEmpty && result.notes.isEmpty)
    // By first appearance: 3, 1 and 2 in train, 4 and 5 in validation, 6 and 7 in test.
    #expect(
      try texts(folder.store).map { $0.prefix(7) } == [3, 1, 2, 4, 5, 6, 7].map { "Paper \($0)" })
    for (split, lines) in [
      ("train", files.train), ("validation", files.eval), ("test", files.test),
    ] {
      let reader = try folder.store.open(dataset: "retrieval", split: split)
      #expect(reader.isPairs && reader.symbols == .bytes)
      #expect(reader.labels == lines.map { Int32($0.label) })
      #expect(
        reader.lengths == lines.map { Int32(max($0.text1.utf8.count, $0.text2.utf8.count)) })
      for (position, line) in lines.enumerated() {
        let read = try reader.withParts(at: position) { parts in
          parts.map { String(decoding: $0, as: UTF8.self) }
        }
        #expect(read == [line.text1, line.text2])
        let first = try reader.withSymbols(at: position) { String(decoding: $0, as: UTF8.self) }
        #expect(first == line.text1)
        let (one, other) = try reader.documentPositions(at: position)
        #expect(reader.documents?.meta(at: one) == #"{"id":"\#(line.id1)"}"#)
        #expect(reader.documents?.meta(at: other) == #"{"id":"\#(line.id2)"}"#)
      }
    }
    #expect(try folder.store.open(dataset: "retrieval", split: "documents").isPairs == false)
    #expect(try folder.store.verify().foundDamage == false)
  }

  @Test("check64 and content digest are those of the definition, computed from the lines")
  func digest() throws {
    let folder = try TemporaryFolder()
    let files = PairFiles.small
    let result = try convert(files, folder)
    var papers: [String] = []
    var whole = Array("retrieval".utf8) + [0]
    func add(_ name: String, _ leaves: [[UInt8]]) {
      let split = Array(name.utf8) + [0] + little(UInt64(leaves.count)) + leaves.flatMap { $0 }
      whole += Array(name.utf8) + [0] + Array(SHA256.hash(data: split))
    }
    for (name, lines) in [
      ("train", files.train), ("validation", files.eval), ("test", files.test),
    ] {
      var leaves: [[UInt8]] = []
      for (position, line) in lines.enumerated() {
        for text in [line.text1, line.text2] where !papers.contains(text) { papers.append(text) }
        let parts = [line.text1, line.text2].map { Array($0.utf8) }
        let head = little(UInt64(position)) + little(Int64(line.label)) + little(UInt32(2))
        let leaf = head + parts.flatMap { little(UInt64($0.count)) + $0 }
        leaves.append(Array(SHA256.hash(data: leaf)))
      }
      add(name, leaves)
    }
    add(
      "documents",
      papers.enumerated().map { position, text in
        let head = little(UInt64(position)) + little(Int64(-1)) + little(UInt32(1))
        return Array(
          SHA256.hash(data: head + little(UInt64(text.utf8.count)) + Array(text.utf8)))
      })
    #expect(result.generation.contentDigest == Digest.hex(SHA256.hash(data: whole)))
    let index = try Index(at: folder.store.path, .read)
    let splits = try index.splits(of: index.dataset(named: "retrieval"))
    let row = try index.pairs(of: splits[0])[4]
    let bytes =
      little(UInt64(4)) + little(Int64(row.label)) + little(UInt32(0))
      + little(UInt64(row.document1)) + little(UInt64(row.document2))
    let check = Array(SHA256.hash(data: bytes).prefix(8))
    #expect(little(row.check64) == check)
  }

  @Test("files in any order, folder, archive, threads and shard sizes give the same dataset")
  func sameEverywhere() throws {
    let files = PairFiles.small
    let reference = try TemporaryFolder()
    let expected = try convert(files, reference).generation
    func made(
      _ options: GenerationOptions = .init(), _ make: (borrowing TemporaryFolder) throws -> [String]
    ) throws -> (String, [SourceRecord]) {
      let folder = try TemporaryFolder()
      let result = try folder.store.convert(AAN(), from: make(folder), options: options)
      #expect(result.generation.splits == expected.splits)
      return (result.generation.contentDigest, result.sources)
    }
    #expect(
      try made(Small.options(3, 2)) { try files.write(to: $0.path + "/a").reversed() }.0
        == expected.contentDigest)
    let (folder, sources) = try made {
      try files.write(to: $0.path + "/release/tsv_data/deep")
      return [$0.path + "/release"]
    }
    #expect(folder == expected.contentDigest)
    #expect(sources.map(\.name) == ["release"])
    let (archive, _) = try made(Small.options(2, 3)) {
      var archive = TestArchive()
      archive.add("lra_release/lra_release/listops-1000/basic_test.tsv", "Source\tTarget\n")
      for name in PairFiles.names.sorted() {
        archive.add("lra_release/lra_release/tsv_data/\(name)", files.texts[name] ?? "")
      }
      try archive.write($0.path + "/lra_release.gz")
      return [$0.path + "/lra_release.gz"]
    }
    #expect(archive == expected.contentDigest)
  }

  @Test("an id with several texts gives a document each, and so does a text with several ids")
  func identity() throws {
    let folder = try TemporaryFolder()
    let files = PairFiles(
      train: [(0, "A", "B", "one", "two"), (1, "A", "B", "ONE", "two"), (1, "A", "A", "1", "ONE")],
      eval: [(1, "C", "B", "one", "other")], test: [(0, "A", "B", "one", "two")])
    let result = try convert(files, folder)
    #expect(result.notes == ["2 ids come with several texts; each text is a document"])
    #expect(try texts(folder.store) == ["one", "two", "ONE", "1", "one", "other"])
    let documents = try folder.store.open(dataset: "retrieval", split: "documents")
    #expect(
      (0..<6).map { documents.meta(at: $0) } == [
        #"{"id":"A"}"#, #"{"id":"B"}"#, #"{"id":"A","variant":2}"#, #"{"id":"A","variant":3}"#,
        #"{"id":"C"}"#, #"{"id":"B","variant":2}"#,
      ])
    let reader = try folder.store.open(dataset: "retrieval", split: "train")
    let last = try reader.withParts(at: 2) { $0.map { String(decoding: $0, as: UTF8.self) } }
    #expect(last == ["1", "ONE"])
    // The same from an archive, where texts are kept in memory.
    let other = try TemporaryFolder()
    var archive = TestArchive()
    for name in PairFiles.names { archive.add(name, files.texts[name] ?? "") }
    try archive.write(other.path + "/a.tar")
    let again = try other.store.convert(AAN(), from: [other.path + "/a.tar"])
    #expect(again.generation.contentDigest == result.generation.contentDigest)
  }

  @Test("the same command on the finished dataset has nothing to do; another file differs")
  func again() throws {
    let folder = try TemporaryFolder()
    var files = PairFiles.small
    let made = try convert(files, folder)
    let again = try convert(files, folder)
    #expect(again.generation.state == .complete)
    #expect(again.sources == made.sources)
    #expect(again.generation.contentDigest == made.generation.contentDigest)
    files.eval[1].label = 0
    let error = Small.error { _ = try convert(files, folder) }
    #expect(error?.code == .configurationDiffers)
    #expect(error?.message.contains("new_aan_pairs.eval.tsv of SHA-256 ") == true)
  }

  @Test("a dry run counts pairs and documents and writes nothing")
  func estimate() throws {
    let folder = try TemporaryFolder()
    let paths = try PairFiles.small.write(to: folder.path + "/files")
    let (estimate, splits, skipped) = try folder.store.estimate(AAN(), from: paths)
    #expect(splits.map(\.count) == [6, 4, 4, 7])
    #expect(estimate.shards == 1 && skipped.isEmpty)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["files"])
  }

  @Test("manifest and statistics tell of pairs as long as the longer document")
  func manifest() throws {
    let folder = try TemporaryFolder()
    let files = PairFiles.small
    let result = try convert(files, folder)
    let manifest = try Manifest(of: "retrieval", in: folder.store)
    #expect(manifest.contentDigest == result.generation.contentDigest)
    #expect(manifest.splits.map(\.examples) == [6, 4, 4, 7])
    // The third pair of train is the first one again; a pair of eval is one of train.
    #expect(manifest.splits.map(\.duplicates) == [1, 0, 0, 0])
    #expect(manifest.duplicatesAcrossSplits == 1)
    let longest = files.eval.map { max($0.text1.utf8.count, $0.text2.utf8.count) }
    #expect(manifest.splits[1].lengths.max == longest.max())
    #expect(manifest.splits[1].lengths.tokens == longest.reduce(0, +))
    #expect(manifest.splits[0].labels == ["0": 4, "1": 2])
    let statistics = try folder.store.statistics(of: "retrieval")
    #expect(statistics.splits.map(\.name) == ["train", "validation", "test", "documents"])
    #expect(statistics.splits[0].baselines.map(\.name) == ["majority"])
    #expect(statistics.splits[3].baselines.isEmpty)
    let shortest = try texts(folder.store).map(\.utf8.count).min()
    #expect(try folder.store.listing().first?.minLength == shortest)
    #expect(try folder.store.remove("retrieval").examples == 21)
    let index = try Index(at: folder.store.path, .read)
    #expect(try index.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM pair") } == 0)
  }
}
