/// One shard in memory: consecutive examples of a split, ready to be published.
///
/// Symbols lie end to end behind the header of a one-dimensional uint8 `.npy` file; offsets are those in
/// the file.
struct ShardContent: Sendable {
  struct Row: Sendable {
    let offset: Int
    let length: Int
    let label: Int?
    let check64: Int64
    let meta: String?
  }

  let first: Int
  private(set) var symbols: [UInt8] = []
  private(set) var rows: [Row] = []
  /// The digests of the examples, 32 bytes each.
  private(set) var leaves: [UInt8] = []

  /// - Parameter first: the position of its first example in the split.
  init(first: Int, capacity: Int) {
    self.first = first
    symbols.reserveCapacity(capacity)
  }

  mutating func append(
    _ example: UnsafeBufferPointer<UInt8>, label: Int?, meta: String? = nil
  ) {
    let position = first + rows.count
    rows.append(
      Row(
        offset: NpyHeader.bytes + symbols.count, length: example.count, label: label,
        check64: Digest.check64(
          position: position, label: label, meta: meta.map { Array($0.utf8) } ?? [],
          stored: example),
        meta: meta))
    symbols.append(contentsOf: example)
    leaves.append(contentsOf: Digest.leaf(position: position, label: label, parts: [example]))
  }

  /// Whether a file holds exactly this shard.
  func isFile(_ bytes: some Collection<UInt8>) -> Bool {
    bytes.count == NpyHeader.bytes + symbols.count
      && bytes.elementsEqual(NpyHeader.header(count: symbols.count) + symbols)
  }

  /// Publishes the shard and its side table.
  func publish(_ path: String) throws -> (shard: PublishedFile, sideTable: PublishedFile) {
    let shard = try Publication.publish(path) { sink in
      try sink.write(NpyHeader.header(count: symbols.count))
      try sink.write(symbols)
    }
    let sideTable = try Publication.publish(ShardRecord.sideTable(of: path)) { sink in
      try sink.write(Array(sideTableText.utf8))
    }
    return (shard, sideTable)
  }

  private var sideTableText: String {
    var text = SideTable.header + "\n"
    for (index, row) in rows.enumerated() {
      text += SideTable.line(
        position: first + index, offset: row.offset, length: row.length, label: row.label,
        check64: row.check64, meta: row.meta)
      text += "\n"
    }
    return text
  }
}
