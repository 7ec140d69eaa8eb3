/// A Pathfinder tree of the release: one size and difficulty.
///
/// `pathfinderR/DIFFICULTY/imgs/K/sample_N.png` are grey images, `pathfinderR/DIFFICULTY/metadata/K.npy`
/// says their labels: a text of one line per image, whatever its name, or a real NumPy array of texts, as
/// the generator writes it. Column 0 is `imgs/K`, column 1 `sample_N.png`, column 3 the label.
struct ReleasedPathfinder {
  /// Which tree a file belongs to.
  struct Tree: Hashable {
    let size: Int
    let difficulty: PathfinderConfiguration.Difficulty

    /// The dataset's name, as that of a generated one.
    var name: String { "pathfinder\(size)-\(difficulty.rawValue)" }
    /// The folder in the release.
    var folder: String {
      let lengths: [PathfinderConfiguration.Difficulty: String] = [
        .easy: "curv_baseline", .intermediate: "curv_contour_length_9",
      ]
      return "pathfinder\(size)/\(lengths[difficulty] ?? "curv_contour_length_14")"
    }

    static let all = PathfinderConfiguration.sizes.flatMap { size in
      PathfinderConfiguration.Difficulty.allCases.map { Tree(size: size, difficulty: $0) }
    }
    static let byFolder = Dictionary(uniqueKeysWithValues: all.map { ($0.folder, $0) })
  }

  /// What a file of a tree is.
  enum Content: Equatable {
    case image(Key)
    case metadata
  }

  /// The batch and the number of an image.
  struct Key: Hashable, Comparable {
    let batch: Int
    let number: Int

    static func < (one: Key, other: Key) -> Bool {
      (one.batch, one.number) < (other.batch, other.number)
    }
  }

  private struct Image {
    let key: Key
    let place: FilePieces.Place
    var label = 0
  }

  let tree: Tree
  private var pieces = FilePieces()
  private var images: [Image] = []
  private var labels: [Key: (label: Int, place: LabelPlace)] = [:]
  private var metadata: [String] = []
  private var empty: Set<Key> = []
  private var skipped: [SkippedFile] = []
  private var pixels: [UInt8]

  init(_ tree: Tree) {
    self.tree = tree
    pixels = [UInt8](repeating: 0, count: tree.size * tree.size)
  }

  /// The tree that a path belongs to, and what it holds; nil for other files.
  static func content(_ components: [Substring]) -> (tree: Tree, content: Content)? {
    guard components.count >= 4 else { return nil }
    if components[components.count - 2] == "metadata" {
      guard components.last?.hasSuffix(".npy") == true else { return nil }
      let folder = components.dropLast(2).suffix(2).joined(separator: "/")
      return Tree.byFolder[folder].map { ($0, .metadata) }
    }
    guard components.count >= 5, components[components.count - 3] == "imgs",
      let key = key(components[components.count - 2], components[components.count - 1])
    else { return nil }
    let folder = components.dropLast(3).suffix(2).joined(separator: "/")
    return Tree.byFolder[folder].map { ($0, .image(key)) }
  }

  private static func key(_ batch: some StringProtocol, _ name: some StringProtocol) -> Key? {
    guard name.hasPrefix("sample_"), name.hasSuffix(".png") else { return nil }
    guard let batch = number(batch), let number = number(name.dropFirst(7).dropLast(4)) else {
      return nil
    }
    return Key(batch: batch, number: number)
  }

  private static func number(_ text: some StringProtocol) -> Int? {
    guard (1...9).contains(text.utf8.count), text.utf8.allSatisfy({ (48...57).contains($0) }) else {
      return nil
    }
    return Int(text)
  }

  // MARK: Reading

  mutating func add(_ file: SourceFile, _ content: Content) throws {
    switch content {
    case .metadata: try addMetadata(file)
    case .image(let key): try addImage(file, key)
    }
  }

  private mutating func addImage(_ file: SourceFile, _ key: Key) throws {
    let place = try pieces.append(file, limit: 1 << 20)
    guard place.count > 0 else {
      empty.insert(key)
      return skipped.append(.init(path: file.path, reason: "it is empty"))
    }
    guard pieces.decode(place, size: tree.size, into: &pixels) else {
      throw file.malformed(
        "not a sound grey PNG of \(tree.size) x \(tree.size) pixels", byte: 0)
    }
    images.append(Image(key: key, place: place))
  }

  /// Where a label stands: which file of the metadata, and its line or row.
  private struct LabelPlace {
    let file: Int
    let number: Int
    let isRow: Bool
  }

  private func text(_ place: LabelPlace) -> String {
    metadata[place.file] + (place.isRow ? ", row \(place.number)" : ":\(place.number)")
  }

  private mutating func addMetadata(_ file: SourceFile) throws {
    metadata.append(file.path)
    var head = [UInt8](repeating: 0, count: 6)
    let count = try head.withUnsafeMutableBytes { try file.fill($0) }
    head.removeLast(6 - count)
    if NpyArray.isMagic(head) { return try addArray(file, head) }
    try file.beginning(with: head).forEachLine { line in
      let fields = String(decoding: line.bytes.prefix(1000), as: UTF8.self)
        .split(whereSeparator: \.isWhitespace)
      if fields.isEmpty { return }
      guard try add(fields, line.number, isRow: false, file) else {
        throw line.malformed("expected imgs/K sample_N.png, a third field and a label of 0 or 1")
      }
    }
  }

  /// An array of texts, a row per image.
  private mutating func addArray(_ file: SourceFile, _ head: [UInt8]) throws {
    let header = try file.npyHeader(after: head)
    guard case .text(let width, let isWide) = header.element, header.shape.count == 2,
      (4...64).contains(header.shape[1]), width <= 1000
    else {
      throw file.malformed("not an array of texts, a row of at least 4 per image", byte: 0)
    }
    var row = [UInt8](repeating: 0, count: header.shape[1] * header.element.bytes)
    for number in 0..<header.shape[0] {
      let place = header.start + number * row.count
      let count = try row.withUnsafeMutableBytes { try file.fill($0) }
      guard count == row.count else {
        throw file.malformed("the array is cut", byte: place + count)
      }
      let texts = (0..<header.shape[1]).map { column in
        let cell = row[(column * header.element.bytes)...].prefix(header.element.bytes)
        let bytes = isWide ? ReleasedPathfinder.narrow(cell, header.isBigEndian) : Array(cell)
        return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)[...]
      }
      guard try add(texts, number, isRow: true, file) else {
        throw file.malformed(
          "row \(number.grouped) has no imgs/K, sample_N.png, third field and label of 0 or 1",
          byte: place)
      }
    }
  }

  /// Code points of four bytes as bytes; what is not ASCII becomes `?`.
  private static func narrow(_ cell: ArraySlice<UInt8>, _ isBigEndian: Bool) -> [UInt8] {
    stride(from: cell.startIndex, to: cell.endIndex, by: 4).map { start in
      let word =
        isBigEndian ? cell[start..<(start + 4)].reversed() : Array(cell[start..<(start + 4)])
      return word[0] < 128 && word.dropFirst().allSatisfy { $0 == 0 } ? word[0] : 63
    }
  }

  /// Notes the label of an image.
  ///
  /// - Returns: false when the fields do not say one.
  /// - Throws: `malformedInput` when the image has another label already.
  private mutating func add(
    _ fields: [Substring], _ number: Int, isRow: Bool, _ file: SourceFile
  ) throws -> Bool {
    guard fields.count >= 4, fields[0].hasPrefix("imgs/"),
      let key = ReleasedPathfinder.key(fields[0].dropFirst(5), fields[1]),
      fields[3] == "0" || fields[3] == "1"
    else { return false }
    let label = fields[3] == "1" ? 1 : 0
    let place = LabelPlace(file: metadata.count - 1, number: number, isRow: isRow)
    if let other = labels[key], other.label != label {
      throw DatasetError.twoLabels(
        file.source, path(key), (other.label, text(other.place)), (label, text(place)))
    }
    labels[key] = (label, place)
    return true
  }

  // MARK: Content

  /// Whether any image or label was found.
  var isEmpty: Bool { images.isEmpty && labels.isEmpty && skipped.isEmpty }

  /// The dataset's content: images by batch and number, split by the SHA-256 of their member paths.
  func content(from sources: String) throws -> ConvertedContent {
    var skipped = skipped
    var found: [Image] = []
    found.reserveCapacity(images.count)
    for var image in images.sorted(by: { $0.key < $1.key }) {
      if found.last?.key == image.key {
        throw DatasetError.sourceMalformed(
          sources, member: path(image.key), "the image is there twice, in different folders")
      }
      guard let label = labels[image.key] else {
        skipped.append(.init(path: path(image.key), reason: "no line of the metadata names it"))
        continue
      }
      image.label = label.label
      found.append(image)
    }
    let known = empty.union(images.map(\.key))
    for key in labels.keys.sorted() where !known.contains(key) {
      skipped.append(
        .init(path: path(key), reason: "the metadata names it, but it is not there"))
    }
    guard !found.isEmpty else {
      throw DatasetError.nothingFound(
        sources, "images with labels in \(tree.folder)",
        expected: "metadata/K.npy and imgs/K/sample_N.png")
    }
    let split = HashSplit(count: found.count, validation: found.count / 10, test: found.count / 10)
    {
      path(found[$0].key)
    }
    let splits = [split.train, split.validation, split.test].map { $0.map { found[$0] } }
    let sizes = zip(["train", "validation", "test"], splits).enumerated().map {
      SplitSize(name: $1.0, ordinal: $0, count: $1.1.count)
    }
    let (pieces, tree) = (pieces, tree)
    return ConvertedContent(splits: sizes, unit: "images", skipped: skipped) { split, range, step in
      try ReleasedPathfinder.shard(splits[split.ordinal][range], range, tree, pieces, step)
    }
  }

  private func path(_ key: Key) -> String {
    "\(tree.folder)/imgs/\(key.batch)/sample_\(key.number).png"
  }

  /// Decodes images and encodes them as ours.
  private static func shard(
    _ images: ArraySlice<Image>, _ range: Range<Int>, _ tree: Tree, _ pieces: FilePieces,
    _ step: GenerationStep
  ) throws -> ShardContent {
    guard let encoder = PNGEncoder() else { throw DatasetError.noEncoder() }
    let size = tree.size
    var shard = ShardContent(
      first: range.lowerBound, capacity: range.count * (2048 + size * size / 4),
      form: .png(size: size, hasMask: false))
    var pixels = [UInt8](repeating: 0, count: size * size)
    for image in images {
      let meta = #"{"batch":\#(image.key.batch),"sample":\#(image.key.number)}"#
      guard pieces.decode(image.place, size: size, into: &pixels) else {
        throw DatasetError.noEncoder()
      }
      let appended: Void? = pixels.withUnsafeBufferPointer { pixels in
        encoder.encode(pixels, width: size, height: size) { png in
          shard.append(
            .init(png: png, symbols: pixels), mask: nil, label: image.label, meta: meta)
        }
      }
      guard appended != nil else { throw DatasetError.noEncoder() }
      try step(1)
    }
    return shard
  }
}

/// Many small files in memory, end to end in pieces of 64 MiB.
struct FilePieces: Sendable {
  /// Where a file lies.
  struct Place: Sendable {
    let piece: Int
    let start: Int
    let count: Int
  }

  private static let pieceBytes = 1 << 26
  private var pieces: [[UInt8]] = []

  /// Appends a file.
  ///
  /// - Parameter limit: its most bytes.
  mutating func append(_ file: SourceFile, limit: Int) throws -> Place {
    if pieces.last.map({ $0.count + limit > FilePieces.pieceBytes }) ?? true {
      var piece: [UInt8] = []
      piece.reserveCapacity(FilePieces.pieceBytes + 1 << 13)
      pieces.append(piece)
    }
    let number = pieces.count - 1
    let start = pieces[number].count
    let count = try file.append(to: &pieces[number], limit: limit)
    return Place(piece: number, start: start, count: count)
  }

  /// Decodes a grey PNG; false when it is none of this size.
  func decode(_ place: Place, size: Int, into pixels: inout [UInt8]) -> Bool {
    pieces[place.piece].withUnsafeBufferPointer { bytes in
      pixels.withUnsafeMutableBufferPointer { pixels in
        guard let base = pixels.baseAddress, pixels.count == size * size else { return false }
        return PNGDecoder.decode(
          UnsafeBufferPointer(rebasing: bytes[place.start..<(place.start + place.count)]),
          size: size, into: base)
      }
    }
  }
}

extension SourceFile {
  /// The same file when its first bytes were read already.
  func beginning(with head: [UInt8]) -> SourceFile {
    var left = head[...]
    return SourceFile(
      source: source, sourceNumber: sourceNumber, path: path, bytes: bytes, location: location
    ) { buffer in
      guard !left.isEmpty else { return try read(buffer) }
      let count = min(left.count, buffer.count)
      buffer.copyBytes(from: left.prefix(count))
      left.removeFirst(count)
      return count
    }
  }
}
