import GRDB

extension Index {
  /// What SQLite's own checks find; empty when all is well.
  func problems() throws -> [String] {
    try read { database in
      let integrity = try String.fetchAll(database, sql: "PRAGMA integrity_check(20)")
      let foreign = try Row.fetchAll(database, sql: "PRAGMA foreign_key_check").count
      return integrity.filter { $0 != "ok" }
        + (foreign > 0 ? ["\(foreign.grouped) rows refer to rows that are not there"] : [])
    }
  }

  /// How many rows a shard's examples have.
  func exampleCount(of shard: ShardRecord) throws -> Int {
    try read {
      try Int.fetchOne(
        $0,
        sql: "SELECT count(*) FROM example WHERE split_id=? AND position>=? AND position<? "
          + "AND shard_id=?",
        arguments: [shard.splitID, shard.first, shard.first + shard.count, shard.id]) ?? 0
    }
  }

  /// How many rows a split's examples have.
  func exampleCount(of split: SplitRecord) throws -> Int {
    try read {
      try Int.fetchOne(
        $0, sql: "SELECT count(*) FROM example WHERE split_id=?", arguments: [split.id]) ?? 0
    }
  }

  /// How many pairs a split has.
  func pairCount(of split: SplitRecord) throws -> Int {
    try read {
      try Int.fetchOne(
        $0, sql: "SELECT count(*) FROM pair WHERE split_id=?", arguments: [split.id]) ?? 0
    }
  }

  /// SHA-256 of a dataset's parameters, as stored.
  func configDigest(of dataset: DatasetRecord) throws -> [UInt8] {
    try read { database in
      let row = try Row.fetchOne(
        database, sql: "SELECT config_sha256 FROM dataset WHERE id=?", arguments: [dataset.id])
      return (try? row?.blob("config_sha256")) ?? []
    }
  }
}
