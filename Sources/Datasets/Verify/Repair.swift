import Foundation
import GRDB

/// Where damaged files go: nothing is deleted.
enum Quarantine {
  static let folder = "quarantine"
}

/// What a repair did.
struct Repair {
  var repaired: [String] = []
  var quarantined: [String] = []
}

extension DatasetStore {
  /// Makes the damaged shards of a dataset again and looks at it once more.
  func repair(
    _ check: inout DatasetCheck, _ index: Index, _ options: VerifyOptions
  ) throws -> Repair {
    var report = Repair()
    guard !check.report.damaged.isEmpty else { return report }
    // What another database has there is not ours to move.
    _ = try writableFolder(of: check.dataset.name, holding: check.shards.map(\.expected.path))
    if check.canConvert { return try setAside(check, index) }
    guard check.canRepair, let plan = check.plan else { return report }
    let damaged = check.shards.filter { !$0.damaged.isEmpty }
    try index.removeSurplus(check)
    for shard in damaged {
      if options.cancellation.isCancelled { throw DatasetError.verifyInterrupted(path) }
      report.quarantined += try replace(shard, plan, index)
      report.repaired.append(shard.expected.path)
    }
    check = try DatasetCheck.run(check.dataset, index: index, store: self, options)
    // Everything stored follows from the seed now: digests that still differ were damaged themselves.
    guard let digests = check.digests, check.canRepair, !check.report.damaged.isEmpty,
      try remade(check, plan) == digests.dataset
    else { return report }
    try index.store(digests, of: check)
    let dataset = try index.dataset(named: check.dataset.name)
    check = try DatasetCheck.run(dataset, index: index, store: self, options)
    return report
  }

  /// Makes room for the damaged shards and pairs of a converted dataset: its conversion makes them again.
  private func setAside(_ check: DatasetCheck, _ index: Index) throws -> Repair {
    var report = Repair()
    try index.removeSurplus(check)
    for shard in check.shards where !shard.damaged.isEmpty {
      if !shard.fileIsSound {
        report.quarantined += try quarantine(shard.expected.path)
        report.quarantined += try quarantine(ShardRecord.sideTable(of: shard.expected.path))
      }
      try index.forget(shard.expected, of: check.dataset)
    }
    // Rows of pairs lie in the index alone, and digests of splits come from all rows.
    try index.forgetPairs(
      of: check.pairs.filter { !$0.damaged.isEmpty }.map(\.split), dataset: check.dataset)
    return report
  }

  /// The content digest that parameters and seed give, made without a file.
  private func remade(_ check: DatasetCheck, _ plan: GenerationPlan) throws -> [UInt8] {
    let splits = try check.splits.map { split in
      let size = SplitSize(name: split.name, ordinal: split.ordinal, count: split.count)
      let leaves = try check.shards.filter { $0.expected.split.id == split.id }.map { shard in
        try plan.makeShard(size, shard.expected.range) { _ in }.leaves
      }
      return (name: split.name, digest: Digest.split(name: split.name, leaves: leaves))
    }
    return Digest.dataset(task: plan.task, splits: splits)
  }

  /// Moves what is left of a shard aside, makes it again, and gives it new rows.
  private func replace(
    _ check: ShardCheck, _ plan: GenerationPlan, _ index: Index
  ) throws -> [String] {
    let expected = check.expected
    let split = expected.split
    let content = try plan.makeShard(
      SplitSize(name: split.name, ordinal: split.ordinal, count: split.count), expected.range
    ) { _ in }
    var moved: [String] = []
    let table = ShardRecord.sideTable(of: expected.path)
    if !check.fileIsSound { moved += try quarantine(expected.path) }
    let there = FileManager.default.contents(atPath: file(table))
    if !check.fileIsSound || there != Data(content.sideTableText.utf8) {
      moved += try quarantine(table)
    }
    if let there = FileManager.default.contents(atPath: file(expected.path)), !content.isFile(there)
    {
      moved += try quarantine(expected.path)
    }
    try take(writableFolder(of: plan.name, holding: [expected.path]), for: plan.name)
    let (shard, sideTable) = try content.publish(file(expected.path))
    try index.replace(expected, content, shard, sideTable)
    return moved
  }

  /// Moves a file into the quarantine folder of its dataset.
  ///
  /// - Returns: where it lies now; empty when there was none.
  func quarantine(_ relative: String) throws -> [String] {
    let parent = (relative as NSString).deletingLastPathComponent
    let folder = "\(parent)/\(Quarantine.folder)"
    guard FileManager.default.fileExists(atPath: file(relative)) else { return [] }
    try Publication.makeFolder(file(folder))
    let name = (relative as NSString).lastPathComponent
    var target = "\(folder)/\(name)"
    var number = 1
    while FileManager.default.fileExists(atPath: file(target)) {
      target = "\(folder)/\(name).\(number)"
      number += 1
    }
    guard rename(file(relative), file(target)) == 0 else {
      throw DatasetError.system("move", file(relative), errno)
    }
    return [target]
  }
}

extension Index {
  /// Removes rows that no dataset of these sizes has.
  fileprivate func removeSurplus(_ check: DatasetCheck) throws {
    try write { database in
      for shard in check.surplus {
        try database.execute(sql: "DELETE FROM example WHERE shard_id=?", arguments: [shard.id])
        try database.execute(sql: "DELETE FROM shard WHERE id=?", arguments: [shard.id])
      }
      for split in check.splits {
        try database.execute(
          sql: "DELETE FROM example WHERE split_id=? AND (position<0 OR position>=?)",
          arguments: [split.id, split.count])
      }
      let ofPairs = check.pairs.map(\.split)
      for split in ofPairs {
        try database.execute(sql: "DELETE FROM example WHERE split_id=?", arguments: [split.id])
      }
      for split in check.splits where !ofPairs.contains(split) {
        try database.execute(sql: "DELETE FROM pair WHERE split_id=?", arguments: [split.id])
      }
    }
  }

  /// Removes the rows of splits of pairs; the dataset is complete when its conversion has run again.
  fileprivate func forgetPairs(of splits: [SplitRecord], dataset: DatasetRecord) throws {
    try write { database in
      for split in splits {
        try database.execute(sql: "DELETE FROM pair WHERE split_id=?", arguments: [split.id])
      }
      try database.execute(sql: "UPDATE dataset SET complete=0 WHERE id=?", arguments: [dataset.id])
    }
  }

  /// Removes the rows of a shard and its examples; its dataset is no longer complete.
  fileprivate func forget(_ expected: ExpectedShard, of dataset: DatasetRecord) throws {
    try write { database in
      try Index.remove(expected, database)
      try database.execute(sql: "UPDATE dataset SET complete=0 WHERE id=?", arguments: [dataset.id])
    }
  }

  private static func remove(_ expected: ExpectedShard, _ database: Database) throws {
    let split = expected.split.id
    try database.execute(
      sql: "DELETE FROM example WHERE split_id=? AND position>=? AND position<?",
      arguments: [split, expected.range.lowerBound, expected.range.upperBound])
    let old = try Int64.fetchAll(
      database, sql: "SELECT id FROM shard WHERE path=? OR (split_id=? AND ordinal=?)",
      arguments: [expected.path, split, expected.ordinal])
    for id in old {
      try database.execute(sql: "DELETE FROM example WHERE shard_id=?", arguments: [id])
      try database.execute(sql: "DELETE FROM shard WHERE id=?", arguments: [id])
    }
  }

  /// Replaces the rows of a shard and its examples in one transaction.
  fileprivate func replace(
    _ expected: ExpectedShard, _ content: ShardContent, _ shard: PublishedFile,
    _ sideTable: PublishedFile
  ) throws {
    let split = expected.split.id
    try write { database in
      try Index.remove(expected, database)
      try database.execute(
        sql: "INSERT INTO shard(split_id, ordinal, path, encoding, first, count, bytes, sha256, "
          + "meta_bytes, meta_sha256) VALUES(?,?,?,?,?,?,?,?,?,?)",
        arguments: [
          split, expected.ordinal, expected.path, content.form.encoding, expected.range.lowerBound,
          expected.range.count,
          shard.bytes, Data(shard.sha256), sideTable.bytes, Data(sideTable.sha256),
        ])
      try Index.insert(content, split: split, shard: database.lastInsertedRowID, database)
    }
  }

  fileprivate func store(
    _ digests: (splits: [[UInt8]], dataset: [UInt8]), of check: DatasetCheck
  ) throws {
    try write { database in
      for (split, digest) in zip(check.splits, digests.splits) {
        try database.execute(
          sql: "UPDATE split SET content_digest=? WHERE id=?", arguments: [Data(digest), split.id])
      }
      try database.execute(
        sql: "UPDATE dataset SET content_digest=? WHERE id=?",
        arguments: [Data(digests.dataset), check.dataset.id])
    }
  }
}
