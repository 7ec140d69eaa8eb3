import Foundation

/// One shard of a dataset: where it belongs.
struct ShardPlace {
  struct Key: Hashable, Sendable {
    let split: String
    let first: Int
  }

  let split: String
  let ordinal: Int
  let first: Int
  let count: Int
  var key: Key { Key(split: split, first: first) }

  /// All shards of a dataset, split after split.
  static func all(of splits: [SplitSize], shardExamples: Int) -> [ShardPlace] {
    splits.flatMap { split in
      stride(from: 0, to: split.count, by: shardExamples).map { first in
        ShardPlace(
          split: split.name, ordinal: first / shardExamples, first: first,
          count: min(shardExamples, split.count - first))
      }
    }
  }

  /// Shards in words: `shards 3, 7 of train`, `shard 0 of test`.
  static func text(_ places: [ShardPlace]) -> [String] {
    var words: [String] = []
    var rest = places[...]
    while let split = rest.first?.split {
      let these = rest.prefix { $0.split == split }
      let shown = these.prefix(10).map { "\($0.ordinal)" }.joined(separator: ", ")
      let more = these.count > 10 ? " and \((these.count - 10).grouped) more" : ""
      words.append("shard\(these.count == 1 ? "" : "s") \(shown)\(more) of \(split)")
      rest = rest.dropFirst(these.count)
    }
    return words
  }
}

extension ShardRecord {
  /// Whether it lies where a split that is cut by count has it; a damaged row may hold any number.
  func isCut(by shardExamples: Int, _ split: SplitRecord) -> Bool {
    let (start, overflow) = ordinal.multipliedReportingOverflow(by: shardExamples)
    return !overflow && start >= 0 && first == start
      && count == min(shardExamples, split.count - start)
  }
}

/// What one database has of a dataset.
struct MergePart: Sendable {
  let path: String
  let dataset: DatasetRecord
  let splits: [SplitRecord]
  let records: [(split: SplitRecord, record: ShardRecord)]
  private let byPlace: [ShardPlace.Key: ShardRecord]

  /// - Parameter present: of an incomplete dataset only shards whose files are there.
  init(_ path: String, dataset name: String, present: Bool = false) throws {
    self.path = path
    let index = try Index(at: path, .read)
    dataset = try index.dataset(named: name)
    splits = try index.splits(of: dataset)
    let store = DatasetStore(at: path)
    let all = present && !dataset.complete ? nil : true
    records = try splits.flatMap { split in
      try index.shards(of: split).filter { all ?? store.hasFiles(of: $0) }.map { (split, $0) }
    }
    byPlace = Dictionary(
      records.map { (.init(split: $0.split.name, first: $0.record.first), $0.record) },
      uniquingKeysWith: { one, _ in one })
  }

  func record(_ place: ShardPlace) -> ShardRecord? { byPlace[place.key] }

  /// Examples per shard, where a shard shows it.
  var shardExamples: Int? {
    for (split, record) in records {
      if record.ordinal > 0 { return record.first / record.ordinal }
      if record.count < split.count { return record.count }
    }
    return nil
  }
}

/// A shard in a worker's database.
struct MergeSource: Sendable {
  let record: ShardRecord
  let split: String
  let part: MergePart

  /// Reads the shard; file, side table and every example are checked.
  ///
  /// - Throws: `checksumMismatch`.
  func content(_ form: StoredForm) throws -> ShardContent {
    let name = part.dataset.name
    let file = DatasetStore(at: part.path).file(record.path)
    guard let data = FileManager.default.contents(atPath: file) else {
      throw DatasetError.shardMissing(name, shard: record.path, database: part.path)
    }
    guard data.count == record.bytes else {
      throw DatasetError.shardSize(
        name, shard: record.path, found: data.count, expected: record.bytes, database: part.path)
    }
    let bytes = Array(data)
    guard Digest.sha256(bytes) == record.sha256 else {
      throw DatasetError.shardDigest(name, shard: record.path, database: part.path)
    }
    let rows = try Index(at: part.path, .read).examples(of: record)
    guard rows.count == record.count else {
      throw DatasetError.indexDamaged(
        part.path,
        "shard \(record.path) has \(rows.count.grouped) of \(record.count.grouped) rows",
        position: record.first + rows.count)
    }
    let content = try ShardContent(file: bytes, rows: rows, first: record.first, form: form) {
      .damaged(
        name, split, $0, shard: record.path, offset: rows[$0 - record.first].offset,
        database: part.path)
    }
    guard Digest.sha256(content.sideTableText.utf8) == record.metaSHA256 else {
      throw DatasetError.shardDigest(
        name, shard: record.sideTablePath, database: part.path)
    }
    return content
  }
}
