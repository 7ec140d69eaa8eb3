/// What a dataset can be written as.
public enum ExportFormat: String, Sendable, CaseIterable {
  /// The files of LRA's release, which its code, S4, Nystromformer and others read.
  case lra
  /// Tar shards for the Python package webdataset.
  case webdataset
  /// A Croissant description (MLCommons, format 1.1) with everything that it describes.
  case croissant
}

/// How an export runs.
public struct ExportOptions: Sendable {
  /// Asks it to stop; nothing of it is left then.
  public var cancellation = Cancellation()
  /// Hears examples done, and examples in all.
  public var progress: @Sendable (Int, Int) -> Void = { _, _ in }

  /// The defaults.
  public init() {}
}

/// What an export wrote.
public struct ExportResult: Sendable, Equatable {
  /// The format.
  public let format: ExportFormat
  /// The folder with all files.
  public let folder: String
  /// Examples in all splits.
  public let examples: Int
  /// Every file.
  public let files: [PublishedFile]
}

extension DatasetStore {
  /// Writes a dataset in the layout of other tools.
  ///
  /// The folder appears complete or not at all; every example is checked while it is read.
  /// - Parameter folder: for `lra` the folder of LRA's layouts, which gets one folder per dataset; else one
  ///   that is empty or not there.
  /// - Throws: `usage` when the format has no layout for the task or files are there already,
  ///   `checksumMismatch`, `diskFull`, `interrupted`.
  public func export(
    _ name: String, as format: ExportFormat, to folder: String, options: ExportOptions = .init()
  ) throws -> ExportResult {
    let index = try Index(at: path, .read)
    let record = try index.dataset(named: name)
    guard record.complete else { throw DatasetError.incomplete(name, path: path, next: nil) }
    let readers = try index.splits(of: record).map {
      try SplitReader(of: record, split: $0.name, index: index, store: self)
    }
    let source = ExportSource(store: self, dataset: record, readers: readers, options: options)
    switch format {
    case .lra: return try LRAExport(source, folder).run(source)
    case .webdataset: return try WebDatasetExport(source, folder).run()
    case .croissant: return try CroissantExport(source, folder).run()
    }
  }
}

/// A dataset that is being exported: its splits, read in order, counted, stoppable.
final class ExportSource {
  let store: DatasetStore
  let dataset: DatasetRecord
  let readers: [SplitReader]
  private let options: ExportOptions
  private var done = 0

  init(
    store: DatasetStore, dataset: DatasetRecord, readers: [SplitReader], options: ExportOptions
  ) {
    self.store = store
    self.dataset = dataset
    self.readers = readers
    self.options = options
  }

  /// Examples of all splits.
  var count: Int { readers.reduce(0) { $0 + $1.count } }

  var parameters: [String: ParameterValue] { dataset.parameters }

  /// Gives the positions of a split to a body, one after the other.
  func forEach(
    _ reader: SplitReader, in range: Range<Int>? = nil, _ body: (Int) throws -> Void
  ) throws {
    for position in range ?? 0..<reader.count {
      if options.cancellation.isCancelled { throw DatasetError.exportInterrupted() }
      try body(position)
      done += 1
      if done % 256 == 0 || done == count { options.progress(min(done, count), count) }
    }
  }

  /// The label, -1 without one.
  func label(_ reader: SplitReader, _ position: Int) -> Int { Int(reader.labels[position]) }

  /// Gives an image as a PNG file to a body.
  func withPNG(
    _ reader: SplitReader, _ position: Int, _ encoder: PNGEncoder,
    _ body: (UnsafeBufferPointer<UInt8>, _ mask: UnsafeBufferPointer<UInt8>?) throws -> Void
  ) throws {
    if !reader.form.isArray {
      return try reader.withStored(at: position) { image, mask, _ in try body(image, mask) }
    }
    guard let size = reader.symbols.imageSize else {
      throw DatasetError.invalidParameter("\(reader.dataset) has no images")
    }
    let written: Void? = try reader.withSymbols(at: position) { pixels in
      try encoder.encode(pixels, width: size, height: size) { try body($0, nil) }
    }
    if written == nil { throw DatasetError.noEncoder() }
  }

  static func encoder() throws -> PNGEncoder {
    guard let encoder = PNGEncoder() else { throw DatasetError.noEncoder() }
    return encoder
  }
}
