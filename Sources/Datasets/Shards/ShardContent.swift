/// One shard in memory: consecutive examples of a split, ready to be published.
///
/// Symbols lie end to end behind the header of a one-dimensional uint8 `.npy` file; images are members of
/// a tar archive. Offsets are those in the file.
public struct ShardContent: Sendable {
  struct Row: Sendable {
    let offset: Int
    let length: Int
    let label: Int?
    let check64: Int64
    let meta: String?
  }

  /// An image as it is stored, and its symbols.
  struct Image {
    let png: UnsafeBufferPointer<UInt8>
    let symbols: UnsafeBufferPointer<UInt8>
  }

  let first: Int
  let form: StoredForm
  /// Symbols in all examples together.
  private(set) var tokens = 0
  private(set) var rows: [Row] = []
  /// The digests of the examples, 32 bytes each.
  private(set) var leaves: [UInt8] = []
  /// The file without header and end.
  private var payload: [UInt8] = []

  /// - Parameters:
  ///   - first: the position of its first example in the split.
  ///   - capacity: bytes, about.
  public init(first: Int, capacity: Int, form: StoredForm = .symbols) {
    self.first = first
    self.form = form
    payload.reserveCapacity(capacity)
  }

  /// Appends a sequence.
  ///
  /// - Parameter second: the colours of an image, stored behind its grey levels.
  public mutating func append(
    _ example: UnsafeBufferPointer<UInt8>, second: UnsafeBufferPointer<UInt8>? = nil, label: Int?,
    meta: String? = nil
  ) {
    let position = first + rows.count
    rows.append(
      Row(
        offset: NpyHeader.bytes + payload.count, length: example.count, label: label,
        check64: Digest.check64(
          position: position, label: label, meta: meta.map { Array($0.utf8) } ?? [],
          stored: example, mask: second),
        meta: meta))
    payload.append(contentsOf: example)
    if let second { payload.append(contentsOf: second) }
    tokens += example.count
    let parts = second.map { [example, $0] } ?? [example]
    leaves.append(contentsOf: Digest.leaf(position: position, label: label, parts: parts))
  }

  /// Appends the members of an image: `000123.png`, `000123.seg.png` with a mask, `000123.cls`.
  ///
  /// - Parameter meta: holds the size of the stored mask when there is one.
  mutating func append(_ image: Image, mask: Image?, label: Int, meta: String) {
    let position = first + rows.count
    let name = TarHeader.number(position)
    let offset = payload.count + TarHeader.blockBytes
    addMember(name + ".png", image.png)
    if let mask { addMember(name + ".seg.png", mask.png) }
    var text = String(label)
    text.withUTF8 { addMember(name + ".cls", $0) }
    rows.append(
      Row(
        offset: offset, length: image.png.count, label: label,
        check64: Digest.check64(
          position: position, label: label, meta: Array(meta.utf8), stored: image.png,
          mask: mask?.png),
        meta: meta))
    tokens += image.symbols.count
    let parts = [image.symbols] + (mask.map { [$0.symbols] } ?? [])
    leaves.append(contentsOf: Digest.leaf(position: position, label: label, parts: parts))
  }

  private mutating func addMember(_ name: String, _ content: UnsafeBufferPointer<UInt8>) {
    payload += TarHeader.header(name, bytes: content.count)
    payload.append(contentsOf: content)
    payload.append(
      contentsOf: repeatElement(0, count: TarHeader.padding(after: content.count)))
  }

  /// A shard from its file and its rows in the index.
  ///
  /// - Parameter damaged: what is thrown for an example that does not give its checksum.
  init(
    file: [UInt8], rows stored: [ExampleRow], first: Int, form: StoredForm,
    damaged: (Int) -> DatasetError
  ) throws {
    self.init(first: first, capacity: 0, form: form)
    let head = form.isArray ? NpyHeader.bytes : 0
    let tail = form.isArray ? 0 : 2 * TarHeader.blockBytes
    guard file.count >= head + tail else { throw damaged(first) }
    payload = Array(file[head..<(file.count - tail)])
    guard isFile(file) else { throw damaged(first) }
    try file.withUnsafeBufferPointer { bytes in
      for (index, row) in stored.enumerated() {
        let leaf = row.withParts(in: bytes, form) {
          Digest.leaf(position: row.position, label: row.label, parts: $0)
        }
        guard row.position == first + index, let leaf else { throw damaged(first + index) }
        rows.append(
          Row(
            offset: row.offset, length: row.length, label: row.label, check64: row.check64,
            meta: row.meta))
        tokens += form.tokens(stored: row.length)
        leaves.append(contentsOf: leaf)
      }
    }
  }

  private var header: [UInt8] {
    form.isArray ? NpyHeader.header(count: payload.count) : []
  }

  /// Two zero blocks end an archive.
  private var end: [UInt8] {
    form.isArray ? [] : [UInt8](repeating: 0, count: 2 * TarHeader.blockBytes)
  }

  /// Whether a file holds exactly this shard.
  func isFile(_ bytes: some Collection<UInt8>) -> Bool {
    let (header, end) = (header, end)
    return bytes.count == header.count + payload.count + end.count
      && bytes.prefix(header.count).elementsEqual(header)
      && bytes.dropFirst(header.count).prefix(payload.count).elementsEqual(payload)
      && bytes.suffix(end.count).elementsEqual(end)
  }

  /// Publishes the shard and its side table; files of other content are never replaced.
  func publish(_ path: String) throws -> (shard: PublishedFile, sideTable: PublishedFile) {
    // The side table first: a shard that a killed writer left is then known by it, see `leftovers`.
    let sideTable = try Publication.publish(
      ShardRecord.sideTable(of: path), replacing: .nothing
    ) { sink in
      try sink.write(Array(sideTableText.utf8))
    }
    let shard = try Publication.publish(path, replacing: .nothing) { sink in
      try sink.write(header)
      try sink.write(payload)
      try sink.write(end)
    }
    return (shard, sideTable)
  }

  /// The size of the shard's file.
  var fileBytes: Int { header.count + payload.count + end.count }

  /// The side table as it is published.
  var sideTableText: String {
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
