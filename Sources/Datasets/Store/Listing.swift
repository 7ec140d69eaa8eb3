import GRDB

/// A line of `lra-data ls`.
public struct DatasetListing: Sendable, Equatable {
  /// Name, task, splits and state.
  public let summary: DatasetSummary
  /// The shortest example, in tokens; nil while there is none.
  public let minLength: Int?
  /// The longest example, in tokens.
  public let maxLength: Int?
  /// The size of all shards, side tables not counted.
  public let bytes: Int
}

extension DatasetStore {
  /// All datasets with lengths and sizes, by the order in which they were made.
  ///
  /// - Throws: as `Index.init(at:_:)` in mode `read`.
  public func listing() throws -> [DatasetListing] {
    let index = try Index(at: path, .read)
    return try zip(datasets(), index.datasets()).map { summary, record in
      let splits = "SELECT id FROM split WHERE dataset_id=?"
      return try index.read { database in
        let bytes = try Int.fetchOne(
          database, sql: "SELECT sum(bytes) FROM shard WHERE split_id IN (\(splits))",
          arguments: [record.id])
        let lengths = try Row.fetchOne(
          database,
          sql: "SELECT min(length) AS least, max(length) AS most FROM example "
            + "WHERE split_id IN (\(splits))", arguments: [record.id])
        let form = StoredForm(of: record)
        return DatasetListing(
          summary: summary,
          minLength: try lengths?.optionalInteger("least").map(form.tokens(stored:)),
          maxLength: try lengths?.optionalInteger("most").map(form.tokens(stored:)),
          bytes: bytes ?? 0)
      }
    }
  }
}
