import Foundation

/// A shard as it should be: its place in the split, and what the index says of it.
struct ExpectedShard: Sendable {
  let split: SplitRecord
  let ordinal: Int
  let range: Range<Int>
  let form: StoredForm
  let path: String
  let record: ShardRecord?

  /// The shards that a split should have, and those rows of the index that are too many.
  ///
  /// - Parameters:
  ///   - folder: the dataset's.
  ///   - complete: all of them; else those that the index names, because a worker makes some.
  static func all(
    of split: SplitRecord, dataset: DatasetRecord, in folder: String, records: [ShardRecord],
    complete: Bool
  ) -> (expected: [ExpectedShard], surplus: [ShardRecord]) {
    let size = shardExamples(split, records)
    let whole = (split.count + size - 1) / size
    let last = records.map { $0.ordinal + 1 }.max() ?? 0
    let count = complete ? whole : min(whole, last)
    let form = StoredForm(of: dataset)
    let expected = (0..<count).compactMap { ordinal -> ExpectedShard? in
      let record = records.first { $0.ordinal == ordinal }
      guard complete || record != nil else { return nil }
      return ExpectedShard(
        split: split, ordinal: ordinal,
        range: ordinal * size..<min((ordinal + 1) * size, split.count),
        form: form, path: form.path(in: folder, split: split.name, ordinal: ordinal),
        record: record)
    }
    return (expected, records.filter { !(0..<count).contains($0.ordinal) })
  }

  /// What most rows agree on: a single row may be damaged.
  private static func shardExamples(_ split: SplitRecord, _ records: [ShardRecord]) -> Int {
    var votes: [Int: Int] = [:]
    for record in records {
      if record.ordinal > 0, record.first > 0, record.first % record.ordinal == 0 {
        votes[record.first / record.ordinal, default: 0] += 1
      }
      if record.first + record.count < split.count { votes[record.count, default: 0] += 1 }
    }
    let best = votes.filter { $0.key > 0 }.max { ($0.value, $0.key) < ($1.value, $1.key) }
    return best?.key ?? max(1, records.isEmpty ? min(4096, split.count) : split.count)
  }
}

/// What a look at one shard gave.
struct ShardCheck: Sendable {
  let expected: ExpectedShard
  var damaged: [VerifyReport.Damage] = []
  var missing: [String] = []
  /// Examples that are as they should be.
  var checked = 0
  /// The digests of the examples, 32 bytes each; only whole when nothing is damaged.
  var leaves: [UInt8] = []
  /// The shard's file gives the hash of its row.
  var fileIsSound = false
  /// Its first example is what parameters and seed give.
  var followsFromSeed = true

  init(_ expected: ExpectedShard) {
    self.expected = expected
  }

  private mutating func damage(_ reason: String, position: Int? = nil, offset: Int? = nil) {
    damaged.append(
      .init(
        split: expected.split.name, position: position, shard: expected.path, offset: offset,
        reason: reason))
  }

  /// Looks at a shard.
  ///
  /// - Parameter plan: how it was made; nil for converted data.
  static func run(
    _ expected: ExpectedShard, _ depth: VerifyDepth, plan: GenerationPlan?, index: Index,
    store: DatasetStore
  ) throws -> ShardCheck {
    var check = ShardCheck(expected)
    guard let record = expected.record else {
      check.damage("the index has no row of this shard")
      return check
    }
    guard record.first == expected.range.lowerBound, record.count == expected.range.count,
      record.path == expected.path, record.encoding == expected.form.encoding
    else {
      check.damage("its row in the index is wrong")
      return check
    }
    check.sideTable(record, depth, store)
    let bytes = check.file(record.path, size: record.bytes, store)
    let rows = try check.rows(record, depth, index)
    guard depth == .full, let bytes, let rows else { return check }
    try check.examples(rows, record, bytes, plan)
    return check
  }

  private mutating func sideTable(
    _ record: ShardRecord, _ depth: VerifyDepth, _ store: DatasetStore
  ) {
    guard let bytes = file(record.sideTablePath, size: record.metaBytes, store) else { return }
    if depth == .full, Digest.sha256(bytes) != record.metaSHA256 {
      damage("its side table does not match its SHA-256")
    }
  }

  /// The bytes of a file of the right size.
  private mutating func file(_ path: String, size: Int, _ store: DatasetStore) -> Data? {
    let url = URL(fileURLWithPath: store.file(path))
    guard let bytes = try? Data(contentsOf: url, options: .alwaysMapped) else {
      missing.append(path)
      damage("\(path) is missing")
      return nil
    }
    guard bytes.count == size else {
      damage("\(path) has \(bytes.count.grouped) bytes, \(size.grouped) expected")
      return nil
    }
    return bytes
  }

  /// The rows of the examples when there is one for each.
  private mutating func rows(
    _ record: ShardRecord, _ depth: VerifyDepth, _ index: Index
  ) throws -> [ExampleRow]? {
    if depth == .quick {
      let count = try index.exampleCount(of: record)
      if count == record.count {
        checked = count
      } else {
        damage("\(count.grouped) of its \(record.count.grouped) rows are in the index")
      }
      return nil
    }
    let rows: [ExampleRow]
    do {
      rows = try index.examples(of: record)
    } catch let error as DatasetError where error.code == .checksumMismatch {
      damage("its rows in the index cannot be read")
      return nil
    }
    let present = Set(rows.map(\.position))
    for position in expected.range where !present.contains(position) {
      damage("its row is missing from the index", position: position)
    }
    return rows
  }

  private mutating func examples(
    _ rows: [ExampleRow], _ record: ShardRecord, _ bytes: Data, _ plan: GenerationPlan?
  ) throws {
    fileIsSound = Digest.sha256(bytes) == record.sha256
    let before = damaged.count
    bytes.withUnsafeBytes { raw in
      let stored = raw.bindMemory(to: UInt8.self)
      leaves.reserveCapacity(32 * rows.count)
      for row in rows {
        let leaf = row.withParts(in: stored, expected.form) {
          Digest.leaf(position: row.position, label: row.label, parts: $0)
        }
        guard row.shardID == record.id, let leaf else {
          damage(
            fileIsSound ? "its row does not match the stored symbols" : "checksum mismatch",
            position: row.position, offset: row.offset)
          continue
        }
        checked += 1
        leaves.append(contentsOf: leaf)
      }
    }
    if !fileIsSound && damaged.count == before {
      damage("the file does not match its SHA-256")
    }
    if let plan, let row = rows.first, row.position == expected.range.lowerBound {
      let size = SplitSize(
        name: expected.split.name, ordinal: expected.split.ordinal, count: expected.split.count)
      let made = try? plan.makeShard(size, row.position..<row.position + 1) { _ in }
      followsFromSeed = made?.rows.first?.check64 == row.check64
    }
  }
}
