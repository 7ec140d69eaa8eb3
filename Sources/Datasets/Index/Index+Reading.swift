import GRDB

extension Index {
  /// Reads rows; a value of the wrong kind is damage.
  private func rows<Record>(
    _ sql: String, _ arguments: StatementArguments = [], _ record: (Row) throws -> Record
  ) throws -> [Record] {
    do {
      return try read { database in
        var records: [Record] = []
        let cursor = try Row.fetchCursor(database, sql: sql, arguments: arguments)
        while let row = try cursor.next() { records.append(try record(row)) }
        return records
      }
    } catch let error as UnexpectedValue {
      throw DatasetError.indexDamaged(path, "column \(error.column) holds no valid value")
    }
  }

  /// All datasets, by the order in which they were made.
  public func datasets() throws -> [DatasetRecord] {
    try rows("SELECT * FROM dataset ORDER BY id") { row in
      DatasetRecord(
        id: Int64(try row.integer("id")), name: try row.text("name"), task: try row.text("task"),
        config: try row.text("config"), seed: try row.optionalInteger("seed"),
        generatorVersion: try row.integer("generator_version"),
        contentDigest: try row.optionalBlob("content_digest"),
        complete: try row.integer("complete") != 0)
    }
  }

  /// One dataset.
  ///
  /// - Throws: `usage` when there is none of this name; the message lists those that there are.
  public func dataset(named name: String) throws -> DatasetRecord {
    let all = try datasets()
    guard let found = all.first(where: { $0.name == name }) else {
      throw DatasetError.unknownDataset(name, known: all.map(\.name), path: path)
    }
    return found
  }

  /// The splits of a dataset, by ordinal.
  public func splits(of dataset: DatasetRecord) throws -> [SplitRecord] {
    try rows("SELECT * FROM split WHERE dataset_id=? ORDER BY ordinal, id", [dataset.id]) { row in
      let count = try row.integer("count")
      guard (0...1 << 32).contains(count) else { throw UnexpectedValue(column: "count") }
      return SplitRecord(
        id: Int64(try row.integer("id")), name: try row.text("name"),
        ordinal: try row.integer("ordinal"), count: count,
        contentDigest: try row.optionalBlob("content_digest"))
    }
  }

  /// The finished shards of a split, in order.
  public func shards(of split: SplitRecord) throws -> [ShardRecord] {
    try rows("SELECT * FROM shard WHERE split_id=? ORDER BY ordinal", [split.id]) { row in
      ShardRecord(
        id: Int64(try row.integer("id")), splitID: Int64(try row.integer("split_id")),
        ordinal: try row.integer("ordinal"), path: try row.text("path"),
        encoding: try row.text("encoding"), first: try row.integer("first"),
        count: try row.integer("count"), bytes: try row.integer("bytes"),
        sha256: try row.blob("sha256"), metaBytes: try row.integer("meta_bytes"),
        metaSHA256: try row.blob("meta_sha256"))
    }
  }

  /// The finished shards of all splits of a dataset.
  public func shards(of dataset: DatasetRecord) throws -> [ShardRecord] {
    try splits(of: dataset).flatMap { try shards(of: $0) }
  }

  /// The examples of a split, by position; those of unfinished shards are not there.
  public func examples(of split: SplitRecord) throws -> [ExampleRow] {
    try rows(
      "SELECT position, shard_id, offset, length, label, check64, meta FROM example "
        + "WHERE split_id=? ORDER BY position", [split.id], Index.example)
  }

  /// The examples of one shard, by position.
  public func examples(of shard: ShardRecord) throws -> [ExampleRow] {
    try rows(
      "SELECT position, shard_id, offset, length, label, check64, meta FROM example "
        + "WHERE split_id=? AND position>=? AND position<? ORDER BY position",
      [shard.splitID, shard.first, shard.first + shard.count], Index.example)
  }

  /// The pairs of a split, by position; none until all documents are there.
  public func pairs(of split: SplitRecord) throws -> [PairRow] {
    try rows(
      "SELECT position, document1, document2, label, check64 FROM pair WHERE split_id=? "
        + "ORDER BY position", [split.id]
    ) { row in
      PairRow(
        position: try Index.integer(row, 0, "position"),
        document1: try Index.integer(row, 1, "document1"),
        document2: try Index.integer(row, 2, "document2"),
        label: try Index.integer(row, 3, "label"),
        check64: Int64(try Index.integer(row, 4, "check64")))
    }
  }

  /// The files a dataset was converted from, by name.
  public func sources(of dataset: DatasetRecord) throws -> [SourceRecord] {
    try rows("SELECT * FROM source WHERE dataset_id=? ORDER BY name", [dataset.id]) { row in
      SourceRecord(
        name: try row.text("name"), bytes: try row.integer("bytes"), sha256: try row.blob("sha256"))
    }
  }

  /// A value by column number: this runs for every example of a dataset.
  private static func integer(_ row: Row, _ column: Int, _ name: String) throws -> Int {
    guard case .int64(let value) = (row[column] as DatabaseValue).storage else {
      throw UnexpectedValue(column: name)
    }
    return Int(value)
  }

  private static func example(_ row: Row) throws -> ExampleRow {
    let meta: String?
    switch (row[6] as DatabaseValue).storage {
    case .null: meta = nil
    case .string(let text): meta = text
    default: throw UnexpectedValue(column: "meta")
    }
    return ExampleRow(
      position: try integer(row, 0, "position"), shardID: Int64(try integer(row, 1, "shard_id")),
      offset: try integer(row, 2, "offset"), length: try integer(row, 3, "length"),
      label: (row[4] as DatabaseValue).isNull ? nil : try integer(row, 4, "label"),
      check64: Int64(try integer(row, 5, "check64")), meta: meta)
  }
}

extension Index {
  /// Removes the row of a shard and those of its examples.
  static func remove(_ shard: ShardRecord, _ database: Database) throws {
    try database.execute(
      sql: "DELETE FROM example WHERE split_id=? AND position>=? AND position<? AND shard_id=?",
      arguments: [shard.splitID, shard.first, shard.first + shard.count, shard.id])
    try database.execute(sql: "DELETE FROM shard WHERE id=?", arguments: [shard.id])
  }

  /// Inserts the rows of a shard's examples.
  static func insert(
    _ content: ShardContent, split: Int64, shard: Int64, _ database: Database
  ) throws {
    let statement = try database.cachedStatement(
      sql: "INSERT INTO example(split_id, position, shard_id, offset, length, label, check64, "
        + "meta) VALUES(?,?,?,?,?,?,?,?)")
    for (index, row) in content.rows.enumerated() {
      try statement.execute(arguments: [
        split, content.first + index, shard, row.offset, row.length, row.label, row.check64,
        row.meta,
      ])
    }
  }

  /// Inserts the rows of a split of pairs.
  static func insert(_ pairs: [PairRow], split: Int64, _ database: Database) throws {
    let statement = try database.cachedStatement(
      sql: "INSERT INTO pair(split_id, position, document1, document2, label, check64) "
        + "VALUES(?,?,?,?,?,?)")
    for pair in pairs {
      try statement.execute(arguments: [
        split, pair.position, pair.document1, pair.document2, pair.label, pair.check64,
      ])
    }
  }
}
