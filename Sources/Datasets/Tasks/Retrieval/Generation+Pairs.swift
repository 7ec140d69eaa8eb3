import GRDB

/// The last part of a conversion to pairs: their rows, once all documents are in the index.
struct PairGeneration: Sendable {
  let plan: GenerationPlan
  let store: DatasetStore
  let options: GenerationOptions

  /// Writes the rows of every split of pairs, one transaction each, and computes their digests.
  ///
  /// Rows that are there already stay when they are those of the plan; else they are replaced.
  /// - Returns: the digests of the pairs by split id.
  /// - Throws: `interrupted`, `checksumMismatch`, `diskFull`.
  func run(_ dataset: DatasetRecord, _ index: Index) throws -> [Int64: [[UInt8]]] {
    guard !plan.pairs.isEmpty else { return [:] }
    let splits = try index.splits(of: dataset)
    let documents = try SplitReader(
      of: dataset, split: PairSplits.documents, index: index, store: store)
    var leaves: [Int64: [[UInt8]]] = [:]
    for split in splits {
      guard let pairs = plan.pairs[split.ordinal] else { continue }
      let rows = pairs.enumerated().map { PairRow($1, position: $0) }
      leaves[split.id] = [try digests(of: rows, split, documents)]
      // Rows that cannot be read are not those of the plan.
      if (try? index.pairs(of: split)) != rows {
        try index.write { database in
          try database.execute(sql: "DELETE FROM pair WHERE split_id=?", arguments: [split.id])
          try Index.insert(rows, split: split.id, database)
        }
      }
    }
    return leaves
  }

  private func digests(
    of rows: [PairRow], _ split: SplitRecord, _ documents: SplitReader
  ) throws -> [UInt8] {
    let done = Guarded(0)
    let (plan, options, path) = (plan, options, store.path)
    let leaves = PairLeaves(rows: rows, documents: documents, threads: options.threads)
    return try leaves.compute { count in
      if options.cancellation.isCancelled {
        throw DatasetError.interrupted(
          safe: documents.count, of: documents.count, unit: plan.unit, path: path)
      }
      done.withLock { done in
        done += count
        guard done % 256 == 0 || done == rows.count else { return }
        options.progress(GenerationProgress(split: split.name, done: done, total: rows.count))
      }
    }
  }
}
