/// Reads the examples of one split by position.
///
/// The index is read once and closed; shards are mapped into memory when they are first needed. Every read
/// checks the example's check64. Safe to use from several threads.
///
/// An example is one sequence, an image with or without its mask, or a pair of documents (`isPairs`).
public final class SplitReader: Sendable {
  /// The dataset's name.
  public let dataset: String
  /// The split's name.
  public let split: String
  /// How many examples the split has.
  public let count: Int
  /// Tokens per example, by position: symbols of a sequence, pixels of an image, symbols of the longer
  /// document of a pair.
  public let lengths: [Int32]
  /// Classes by position; -1 for unlabelled examples.
  public let labels: [Int32]
  /// SHA-256 over the content of the whole dataset, 32 bytes; nil while it is incomplete.
  public let contentDigest: [UInt8]?

  /// What the symbols stand for.
  public let symbols: SymbolKind
  /// What is known of its task.
  public let task: TaskDescription
  /// The names of the classes from 0; empty when they are numbers only.
  public let classNames: [String]
  /// Examples are images with a mask.
  public let hasMasks: Bool
  /// The documents that the pairs of this split refer to; nil unless it is a split of pairs.
  public let documents: SplitReader?

  let form: StoredForm
  let database: String
  private let shards: [MappedShard]
  private let shardOfRow: [Int32]  // by position, into `shards`
  private let offsets: [Int]
  private let storedLengths: [Int32]
  private let checks: [Int64]
  private let metas: [Int: [UInt8]]
  private let pairs: [PairRow]

  /// Examples are pairs of documents.
  public var isPairs: Bool { documents != nil }

  convenience init(
    of dataset: DatasetRecord, split name: String, index: Index, store: DatasetStore
  ) throws {
    let splits = try index.splits(of: dataset)
    guard let split = splits.first(where: { $0.name == name }) else {
      throw DatasetError.unknownSplit(name, dataset: dataset.name, known: splits.map(\.name))
    }
    if PairSplits.holdsPairs(name, task: dataset.task, names: splits.map(\.name)) {
      let documents = try SplitReader(
        of: dataset, split: PairSplits.documents, index: index, store: store)
      try self.init(pairsOf: split, in: dataset, documents: documents, index: index, store: store)
    } else {
      try self.init(examplesOf: split, in: dataset, index: index, store: store)
    }
  }

  private init(
    examplesOf split: SplitRecord, in dataset: DatasetRecord, index: Index, store: DatasetStore
  ) throws {
    let name = split.name
    let records = try index.shards(of: split)
    let rows = try index.examples(of: split)

    var shardNumbers: [Int64: Int32] = [:]
    for (number, record) in records.enumerated() { shardNumbers[record.id] = Int32(number) }
    let form = StoredForm(of: dataset)
    var lengths: [Int32] = []
    var labels: [Int32] = []
    var shardOfRow: [Int32] = []
    var metas: [Int: [UInt8]] = [:]
    lengths.reserveCapacity(rows.count)
    labels.reserveCapacity(rows.count)
    shardOfRow.reserveCapacity(rows.count)
    for (position, row) in rows.enumerated() {
      guard row.position == position, let shard = shardNumbers[row.shardID] else {
        throw DatasetError.indexDamaged(
          store.path, "\(dataset.name) \(name)/\(position) is missing", position: position)
      }
      lengths.append(Int32(clamping: form.tokens(stored: row.length)))
      labels.append(Int32(clamping: row.label ?? -1))
      shardOfRow.append(shard)
      if let meta = row.meta { metas[position] = Array(meta.utf8) }
    }
    guard rows.count == split.count || !dataset.complete else {
      throw DatasetError.rowsMissing(
        dataset.name, name, rows: rows.count, of: split.count, database: store.path)
    }
    self.dataset = dataset.name
    self.split = name
    count = rows.count
    self.lengths = lengths
    self.labels = labels
    contentDigest = dataset.contentDigest
    database = store.path
    shards = records.map { record in
      MappedShard(
        record, at: store.file(record.path), dataset: dataset.name, database: store.path)
    }
    self.shardOfRow = shardOfRow
    offsets = rows.map(\.offset)
    storedLengths = rows.map { Int32(clamping: $0.length) }
    self.form = form
    task = dataset.taskDescription
    symbols = task.symbols(dataset.parameters)
    classNames = dataset.classNames
    if case .png(_, true) = form { hasMasks = true } else { hasMasks = false }
    checks = rows.map(\.check64)
    self.metas = metas
    documents = nil
    pairs = []
  }

  private init(
    pairsOf split: SplitRecord, in dataset: DatasetRecord, documents: SplitReader, index: Index,
    store: DatasetStore
  ) throws {
    pairs = try index.pairs(of: split)
    for (position, pair) in pairs.enumerated() where pair.position != position {
      throw DatasetError.indexDamaged(
        store.path, "\(dataset.name) \(split.name)/\(position) is missing", position: position)
    }
    guard pairs.count == split.count || !dataset.complete else {
      throw DatasetError.rowsMissing(
        dataset.name, split.name, rows: pairs.count, of: split.count, database: store.path)
    }
    self.dataset = dataset.name
    self.split = split.name
    count = pairs.count
    // A pair that refers to no document is damaged; reading it says so.
    func length(_ document: Int) -> Int32 {
      documents.lengths.indices.contains(document) ? documents.lengths[document] : 0
    }
    lengths = pairs.map { max(length($0.document1), length($0.document2)) }
    labels = pairs.map { Int32(clamping: $0.label) }
    contentDigest = dataset.contentDigest
    database = store.path
    self.documents = documents
    symbols = documents.symbols
    task = documents.task
    classNames = dataset.classNames
    form = documents.form
    hasMasks = false
    shards = []
    shardOfRow = []
    offsets = []
    storedLengths = []
    checks = []
    metas = [:]
  }

  /// Gives the symbols of an example (id - 1, one byte each) to a body, after checking them.
  ///
  /// Those of an image are its grey levels, row by row, without its mask; those of a pair are its first
  /// document. The buffer is valid only inside
  /// the body. 1-2 microseconds beyond the body's own time; images are decoded at every read.
  /// - Parameter position: 0 ..< count.
  /// - Throws: `checksumMismatch` when bytes, label or place do not give the example's checksum, or the
  ///   shard is missing or has another size than the index says.
  public func withSymbols<Result>(
    at position: Int, _ body: (UnsafeBufferPointer<UInt8>) throws -> Result
  ) throws -> Result {
    if isPairs { return try withParts(at: position) { try body($0[0]) } }
    return try withStored(at: position) { stored, _, shard in
      guard let result = try form.withParts(stored, mask: nil, { try body($0[0]) }) else {
        throw damaged(position, shard)
      }
      return result
    }
  }

  /// Gives the parts of an example to a body: its one sequence, its image and its mask, its grey levels and
  /// its planes of red, green and blue, or the two documents of a pair.
  ///
  /// - Throws: as `withSymbols(at:_:)`.
  public func withParts<Result>(
    at position: Int, _ body: ([UnsafeBufferPointer<UInt8>]) throws -> Result
  ) throws -> Result {
    if let documents {
      let (one, other) = try documentPositions(at: position)
      return try documents.withSymbols(at: one) { one in
        try documents.withSymbols(at: other) { other in try body([one, other]) }
      }
    }
    return try withStored(at: position) { stored, mask, shard in
      guard let result = try form.withParts(stored, mask: mask, body) else {
        throw damaged(position, shard)
      }
      return result
    }
  }

  /// Gives the bytes of an example as they lie in its shard, and those of its mask, after checking them.
  func withStored<Result>(
    at position: Int,
    _ body: (UnsafeBufferPointer<UInt8>, UnsafeBufferPointer<UInt8>?, MappedShard) throws -> Result
  ) throws -> Result {
    precondition(position >= 0 && position < count, "position outside of the split")
    let shard = shards[Int(shardOfRow[position])]
    let label = labels[position]
    let meta = metas[position] ?? []
    return try shard.withBytes { bytes in
      guard
        let (stored, mask) = form.stored(
          in: bytes, offset: offsets[position], length: Int(storedLengths[position]), meta: meta),
        checks[position]
          == Digest.check64(
            position: position, label: label == -1 ? nil : Int(label), meta: meta, stored: stored,
            mask: mask)
      else { throw damaged(position, shard) }
      return try body(stored, mask, shard)
    }
  }

  /// Where the two documents of a pair lie in the split `documents`.
  ///
  /// - Throws: `checksumMismatch` when the pair's row is damaged.
  public func documentPositions(at position: Int) throws -> (first: Int, second: Int) {
    let pair = pairs[position]
    let known = 0..<(documents?.count ?? 0)
    guard pair.isSound, known.contains(pair.document1), known.contains(pair.document2) else {
      throw DatasetError.damagedPair(dataset, split, position, database: database)
    }
    return (pair.document1, pair.document2)
  }

  /// Gives the symbols of a stored sequence to a body without checking them.
  ///
  /// - Throws: `checksumMismatch` when it is not there.
  func withUncheckedSymbols<Result>(
    at position: Int, _ body: (UnsafeBufferPointer<UInt8>) throws -> Result
  ) throws -> Result {
    guard (0..<count).contains(position) else {
      throw DatasetError.indexDamaged(
        database, "\(dataset) \(split)/\(position) is missing", position: position)
    }
    let shard = shards[Int(shardOfRow[position])]
    return try shard.withBytes { bytes in
      let (offset, length) = (offsets[position], Int(storedLengths[position]))
      guard let (stored, _) = form.stored(in: bytes, offset: offset, length: length, meta: [])
      else { throw damaged(position, shard) }
      return try body(stored)
    }
  }

  /// The meta text of an example, as stored; nil when it has none.
  public func meta(at position: Int) -> String? {
    metas[position].map { String(decoding: $0, as: UTF8.self) }
  }

  /// Where an example lies: the shard's path relative to the database's folder, and the offset in it.
  ///
  /// Not for pairs, whose documents have places of their own.
  public func place(of position: Int) -> (shard: String, offset: Int) {
    precondition(!isPairs, "a pair has no place; its documents have")
    return (shards[Int(shardOfRow[position])].record.path, offsets[position])
  }

  /// The split's shards, in order.
  var shardRecords: [ShardRecord] { shards.map(\.record) }

  private func damaged(_ position: Int, _ shard: MappedShard) -> DatasetError {
    .damaged(
      dataset, split, position, shard: shard.record.path, offset: offsets[position],
      database: database)
  }
}

/// What the symbols of a dataset stand for.
public enum SymbolKind: Sendable, Equatable {
  /// Digits, operators and brackets of ListOps.
  case listOps
  /// Bytes of a text.
  case bytes
  /// Grey levels of a square image with so many pixels a side, row by row.
  case greyLevels(size: Int)
  /// Numbers of the user's own.
  case numbers
  /// Pixels of a side of an image; nil for other symbols.
  public var imageSize: Int? {
    if case .greyLevels(let size) = self { size } else { nil }
  }
}
