/// Reads a whole shard in order, checking every example.
struct ShardReader {
  private let shard: MappedShard
  private let dataset: String
  private let split: String
  private let database: String

  init(_ record: ShardRecord, split: String, dataset: String, store: DatasetStore) {
    shard = MappedShard(
      record, at: store.file(record.path), dataset: dataset, database: store.path)
    self.dataset = dataset
    self.split = split
    database = store.path
  }

  /// Gives every row with its checked symbols to a body.
  ///
  /// - Parameter rows: those of the shard, by position.
  /// - Throws: `checksumMismatch`.
  func forEach(
    _ rows: [ExampleRow], _ body: (ExampleRow, UnsafeBufferPointer<UInt8>) throws -> Void
  ) throws {
    let record = shard.record
    guard rows.count == record.count else {
      throw DatasetError.indexDamaged(
        database,
        "shard \(record.path) has \(rows.count.grouped) of \(record.count.grouped) rows",
        position: record.first + rows.count)
    }
    try shard.withBytes { bytes in
      for (index, row) in rows.enumerated() {
        guard row.position == record.first + index,
          let symbols = row.symbols(in: bytes)
        else {
          throw DatasetError.damaged(
            dataset, split, record.first + index, shard: record.path, offset: row.offset,
            database: database)
        }
        try body(row, symbols)
      }
    }
  }
}

extension ExampleRow {
  /// The example's bytes in its shard; nil when they, label or place do not give the checksum.
  func symbols(in bytes: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8>? {
    guard offset >= 0, length >= 0, length <= bytes.count, offset <= bytes.count - length else {
      return nil
    }
    let stored = UnsafeBufferPointer(rebasing: bytes[offset..<(offset + length)])
    let check = Digest.check64(
      position: position, label: label, meta: meta.map { Array($0.utf8) } ?? [], stored: stored)
    return check == check64 ? stored : nil
  }
}
