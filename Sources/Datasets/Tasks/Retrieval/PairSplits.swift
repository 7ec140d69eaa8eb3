/// Which splits of a dataset hold pairs.
///
/// A dataset of a task on pairs, as `retrieval`, stores its documents once, whole, in a split `documents`; all its other
/// splits are pairs that refer to them by position.
public enum PairSplits {
  /// The split of the documents.
  public static let documents = "documents"

  /// Whether a split of a dataset holds pairs.
  ///
  /// - Parameter names: those of all splits of the dataset.
  static func holdsPairs(_ name: String, task: String, names: [String]) -> Bool {
    TaskDescription.of(stored: task).towers == 2 && name != documents && names.contains(documents)
  }

  /// The splits of pairs among all splits of a dataset.
  static func among(_ splits: [SplitRecord], of dataset: DatasetRecord) -> [SplitRecord] {
    let names = splits.map(\.name)
    return splits.filter { holdsPairs($0.name, task: dataset.task, names: names) }
  }
}

/// The digests of pairs, which cover both documents.
struct PairLeaves: Sendable {
  /// Pairs that are worked on at once by one thread.
  private static let piece = 512

  let rows: [PairRow]
  let documents: SplitReader
  let threads: Int

  /// 32 bytes per pair, in order.
  ///
  /// The documents are not checked again: their shards were, a moment ago.
  /// - Parameter step: hears how many pairs are done; may throw to stop.
  /// - Throws: `checksumMismatch` when a pair refers to a document that is not there.
  func compute(step: @escaping @Sendable (Int) throws -> Void) throws -> [UInt8] {
    let leaves = Guarded<[UInt8]>([])
    leaves.withLock { $0.reserveCapacity(32 * rows.count) }
    let count = (rows.count + PairLeaves.piece - 1) / PairLeaves.piece
    try OrderedWork.run(count: count, threads: threads) { number in
      let start = number * PairLeaves.piece
      let rows = rows[start..<min(start + PairLeaves.piece, rows.count)]
      var piece: [UInt8] = []
      for row in rows {
        try step(1)
        piece.append(contentsOf: try leaf(of: row))
      }
      return piece
    } commit: { _, piece in
      leaves.withLock { $0 += piece }
    }
    return leaves.withLock { $0 }
  }

  private func leaf(of row: PairRow) throws -> [UInt8] {
    try documents.withUncheckedSymbols(at: row.document1) { one in
      try documents.withUncheckedSymbols(at: row.document2) { other in
        Array(Digest.leaf(position: row.position, label: row.label, parts: [one, other]))
      }
    }
  }
}
