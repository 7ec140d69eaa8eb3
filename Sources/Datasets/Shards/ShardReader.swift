/// Reads a whole shard in order, checking every example.
struct ShardReader {
  private let shard: MappedShard
  private let dataset: String
  private let split: String
  private let database: String
  private let form: StoredForm

  init(
    _ record: ShardRecord, split: String, dataset: String, form: StoredForm, store: DatasetStore
  ) {
    shard = MappedShard(
      record, at: store.file(record.path), dataset: dataset, database: store.path)
    self.dataset = dataset
    self.split = split
    self.form = form
    database = store.path
  }

  /// Gives every row with its checked symbols to a body: one sequence, or image and mask.
  ///
  /// - Parameter rows: those of the shard, by position.
  /// - Throws: `checksumMismatch`.
  func forEach(
    _ rows: [ExampleRow], _ body: (ExampleRow, [UnsafeBufferPointer<UInt8>]) throws -> Void
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
          try row.withParts(in: bytes, form, { try body(row, $0) }) != nil
        else {
          throw DatasetError.damaged(
            dataset, split, record.first + index, shard: record.path, offset: row.offset,
            database: database)
        }
      }
    }
  }
}

extension ExampleRow {
  /// Gives the example's symbols to a body: one sequence, or image and mask.
  ///
  /// - Returns: nil when bytes, label or place do not give the checksum, or are no image.
  func withParts<Result>(
    in bytes: UnsafeBufferPointer<UInt8>, _ form: StoredForm,
    _ body: ([UnsafeBufferPointer<UInt8>]) throws -> Result
  ) rethrows -> Result? {
    let meta = meta.map { Array($0.utf8) } ?? []
    guard
      let (stored, mask) = form.stored(in: bytes, offset: offset, length: length, meta: meta),
      check64
        == Digest.check64(
          position: position, label: label, meta: meta, stored: stored, mask: mask)
    else { return nil }
    return try form.withParts(stored, mask: mask, body)
  }
}
