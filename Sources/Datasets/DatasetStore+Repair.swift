import Foundation
import GRDB

extension DatasetStore {
  /// Makes one shard again from parameters and seed, files and rows.
  ///
  /// Take a `WriterLock` first. The shard's content is what it was, whatever became of the files or rows.
  /// - Parameters:
  ///   - ordinal: the shard's number in its split.
  ///   - index: opened for writing.
  /// - Throws: `usage` for names that are not there; `failure` for converted data, which only its sources
  ///   can give again; `diskFull`.
  public func remakeShard(
    _ ordinal: Int, split name: String, of dataset: String, index: Index
  ) throws {
    let record = try index.dataset(named: dataset)
    let splits = try index.splits(of: record)
    guard let split = splits.first(where: { $0.name == name }),
      let shard = try index.shards(of: split).first(where: { $0.ordinal == ordinal })
    else {
      throw DatasetError.unknownSplit(name, dataset: dataset, known: splits.map(\.name))
    }
    guard let plan = GenerationPlan(of: record, splits: splits) else {
      throw DatasetError.cannotRemake(dataset)
    }
    let content = try plan.makeShard(
      SplitSize(name: split.name, ordinal: split.ordinal, count: split.count),
      shard.first..<(shard.first + shard.count)
    ) { _ in }
    let files = try content.publish(file(shard.path))
    try index.write { database in
      try database.execute(
        sql: "UPDATE shard SET bytes=?, sha256=?, meta_bytes=?, meta_sha256=? WHERE id=?",
        arguments: [
          files.shard.bytes, Data(files.shard.sha256), files.sideTable.bytes,
          Data(files.sideTable.sha256), shard.id,
        ])
      try database.execute(
        sql: "DELETE FROM example WHERE split_id=? AND position>=? AND position<?",
        arguments: [split.id, shard.first, shard.first + shard.count])
      try Index.insert(content, split: split.id, shard: shard.id, database)
    }
  }
}
