import Tokenizers

/// Greyscale images pixel by pixel: CIFAR-10, ten classes, 32 x 32 pixels.
///
/// Reads `cifar-10-binary.tar.gz` (batches `data_batch_1.bin` ... `data_batch_5.bin`, `test_batch.bin`; a
/// record is the label and 1,024 bytes each of red, green and blue) or `cifar-10-python.tar.gz` (the same
/// as pickles, see `PickledBatch`), or one of their folders (Krizhevsky 2009). All give the same content.
/// An example is its 1,024 grey levels, row by row; the stored symbol is the level, see `GreyLevels`.
/// On request the three planes are kept behind it as a second part.
///
/// Validation: the last tenth of the training batches, records 45,000-49,999 of the real archive, or as
/// many of the last records as are asked for.
public struct CIFAR10: Converter {
  /// The task's name in LRA.
  public static let task = "image"
  /// Changes whenever the same archive gives another content.
  public static let version = 1
  /// Pixels of a side.
  public static let size = 32

  /// Whether red, green and blue are kept.
  public var color = false
  /// Validation images; nil for a tenth.
  public var validation: Int?

  /// The defaults.
  public init() {}

  /// The converter of a manifest's parameters; nil when they are not its own.
  init?(task: String, parameters: [String: ParameterValue]) {
    color = parameters["color"] == .integer(1)
    if case .integer(let count) = parameters["validation"] { validation = count }
    guard self.task == task, self.parameters == parameters else { return nil }
  }

  /// `image`.
  public var task: String { CIFAR10.task }
  /// `image`.
  public var datasetName: String { "image" }
  /// Everything that decides the content, apart from the archive.
  public var parameters: [String: ParameterValue] {
    [
      "color": .integer(color ? 1 : 0), "converter": .string("cifar10"),
      "size": .integer(CIFAR10.size),
      "validation": validation.map(ParameterValue.integer) ?? .string("1/10"),
    ]
  }

  /// - Throws: `usage`.
  public func validate() throws {
    if let validation, validation < 0 {
      throw DatasetError.invalidParameter("--validation is \(validation), 0 or more allowed")
    }
  }

  /// Reads all images.
  ///
  /// - Throws: `malformedInput` when a batch is missing or is none, `usage` when validation asks for
  ///   more than there are.
  public func read(_ sources: SourceReader) throws -> ConvertedContent {
    var images = Images(color: color)
    var batches: [Int: [SequenceRow]] = [:]
    try sources.forEachFile { file in
      guard let (number, isPickle) = CIFAR10.batch(file.name) else { return }
      guard batches[number] == nil else {
        throw file.malformed("batch \(number == 0 ? "test" : "\(number)") is there twice")
      }
      let rows = try isPickle ? images.addPickle(file) : images.addRecords(file)
      batches[number] = rows
    }
    let missing = (1...5).filter { batches[$0] == nil }.map { "data_batch_\($0)" }
    let train = (1...5).flatMap { batches[$0] ?? [] }
    guard missing.isEmpty, let test = batches[0] else {
      throw DatasetError.nothingFound(
        sources.names, missing.first ?? "test_batch",
        expected: "cifar-10-binary.tar.gz, cifar-10-python.tar.gz or one of their folders")
    }
    let held = validation ?? train.count / 10
    guard held <= train.count else {
      throw DatasetError.invalidParameter(
        "--validation asks for \(held.grouped) images of the training batches, "
          + "which have \(train.count.grouped)")
    }
    return ConvertedContent(
      images.symbols,
      splits: [
        ("train", train.dropLast(held)), ("validation", train.suffix(held)), ("test", test),
      ], unit: "images", form: color ? .colours(size: CIFAR10.size) : .symbols)
  }

  /// The number of a batch, 0 for the test batch; nil for other files.
  private static func batch(_ name: Substring) -> (number: Int, isPickle: Bool)? {
    let isPickle = !name.hasSuffix(".bin")
    let stem = isPickle ? name : name.dropLast(4)
    if stem == "test_batch" { return (0, isPickle) }
    guard stem.hasPrefix("data_batch_"), stem.count == 12, let number = Int(stem.suffix(1)),
      (1...5).contains(number)
    else { return nil }
    return (number, isPickle)
  }

  /// Grey levels, each image followed by its colours when they are kept.
  private struct Images {
    static let pixels = CIFAR10.size * CIFAR10.size
    static let recordBytes = 1 + 3 * pixels

    let color: Bool
    private(set) var symbols: [UInt8] = []

    init(color: Bool) {
      self.color = color
      symbols.reserveCapacity((color ? 4 : 1) * Images.pixels * 60_000)
    }

    /// Appends an image.
    ///
    /// - Parameter stride: from one of its bytes to the next.
    mutating func add(
      _ planes: UnsafeRawBufferPointer, from start: Int = 0, stride: Int = 1, label: Int
    ) -> SequenceRow {
      func byte(_ place: Int) -> UInt8 { planes[start + place * stride] }
      let first = symbols.count
      for pixel in 0..<Images.pixels {
        symbols.append(
          GreyLevels.level(
            red: byte(pixel), green: byte(Images.pixels + pixel),
            blue: byte(2 * Images.pixels + pixel)))
      }
      if color { for place in 0..<(3 * Images.pixels) { symbols.append(byte(place)) } }
      return SequenceRow(
        start: first, count: Images.pixels, label: label, behind: color ? 3 * Images.pixels : 0)
    }

    mutating func addRecords(_ file: SourceFile) throws -> [SequenceRow] {
      var rows: [SequenceRow] = []
      var record = [UInt8](repeating: 0, count: Images.recordBytes)
      while true {
        let place = rows.count * Images.recordBytes
        let count = try record.withUnsafeMutableBytes { try file.fill($0) }
        if count == 0 { return rows }
        guard count == Images.recordBytes else {
          throw file.malformed(
            "a record of \(count.grouped) bytes, \(Images.recordBytes.grouped) expected",
            byte: place)
        }
        guard record[0] < 10 else {
          throw file.malformed("label \(record[0]); 0...9 allowed", byte: place)
        }
        record.withUnsafeBytes { record in
          let planes = UnsafeRawBufferPointer(rebasing: record[1...])
          rows.append(add(planes, label: Int(record[0])))
        }
      }
    }

    mutating func addPickle(_ file: SourceFile) throws -> [SequenceRow] {
      let content = try file.contents()
      return try content.withUnsafeBytes { bytes in
        let batch: PickledBatch
        do throws(MalformedBytes) {
          batch = try PickledBatch(parsing: bytes)
        } catch {
          throw file.malformed(error)
        }
        let (rows, columns) = batch.shape
        guard columns == 3 * Images.pixels, rows == batch.labels.count else {
          throw file.malformed(
            "an array of \(rows) x \(columns) for \(batch.labels.count.grouped) labels; "
              + "n x \(3 * Images.pixels) for n labels expected")
        }
        return try batch.withData(bytes) { data in
          try batch.labels.enumerated().map { row, label in
            guard (0...9).contains(label) else {
              throw file.malformed("label \(row.grouped) is \(label); 0...9 allowed")
            }
            return batch.isFortran
              ? add(data, from: row, stride: rows, label: label)
              : add(data, from: row * columns, label: label)
          }
        }
      }
    }
  }
}
