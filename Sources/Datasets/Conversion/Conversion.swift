import Foundation

/// What a converter is: the identity of the dataset that it makes, and how it reads its sources.
///
/// A conversion reads everything before it writes anything, so bad input leaves nothing behind. What is
/// read is kept in memory in its final order; shards are then pure functions of split and range, as those
/// of a generator, and are written in parallel and resumed like them.
public protocol Converter: Sendable {
  /// The task, as `text`.
  var task: String { get }
  /// The dataset's name when the user gives none.
  var datasetName: String { get }
  /// Everything that decides the content, apart from the sources.
  var parameters: [String: ParameterValue] { get }
  /// Names of further parameters whose values the sources tell, as `num_classes`.
  static var measured: Set<String> { get }
  /// Changes whenever the same sources give another content.
  static var version: Int { get }
  /// Its files may be compressed one by one: `mine.tsv.gz`.
  static var readsCompressedFiles: Bool { get }

  /// - Throws: `usage` for parameters that cannot be.
  func validate() throws
  /// Reads the sources.
  ///
  /// - Throws: `malformedInput` with the place.
  func read(_ sources: SourceReader) throws -> ConvertedContent
}

extension Converter {
  /// A converter knows all its parameters unless it says otherwise.
  public static var measured: Set<String> { [] }
  /// Archives alone are unpacked unless a converter says otherwise.
  public static var readsCompressedFiles: Bool { false }
}

/// Whose splits a converted dataset has.
public enum SplitProtocol: String, Sendable, CaseIterable {
  /// The original test set; validation is taken from the training data where there is none.
  case paper
  /// What LRA's released code does.
  case released
}

/// What was read: the splits, and how their shards come to be.
public struct ConvertedContent: Sendable {
  let splits: [SplitSize]
  /// What users call the examples: `examples`, `reviews`, `images`.
  let unit: String
  var skipped: [SkippedFile] = []
  /// The pairs of those splits that are pairs of documents, by ordinal; they have no shards.
  var pairs: [Int: [DocumentPair]] = [:]
  /// What users should know of the sources, a sentence each.
  var notes: [String] = []
  /// Which files were read, and the split that each gave; nil where the splits are chosen or in a column.
  var files: [ReadFile] = []
  /// The parameters that the sources told.
  var measured: [String: ParameterValue] = [:]
  let makeShard: ShardMaker

  init(
    splits: [SplitSize], unit: String, skipped: [SkippedFile],
    makeShard: @escaping ShardMaker
  ) {
    self.splits = splits
    self.unit = unit
    self.skipped = skipped
    self.makeShard = makeShard
  }

  /// Sequences in memory.
  ///
  /// - Parameters:
  ///   - splits: rows in their final order.
  ///   - form: how the shards hold them.
  init(
    _ symbols: [UInt8], splits: [(name: String, rows: [SequenceRow])], unit: String,
    skipped: [SkippedFile] = [], form: StoredForm = .symbols
  ) {
    let sizes = splits.enumerated().map {
      SplitSize(name: $1.name, ordinal: $0, count: $1.rows.count)
    }
    let rows = splits.map(\.rows)
    self.init(splits: sizes, unit: unit, skipped: skipped) { split, range, step in
      let rows = rows[split.ordinal][range]
      var shard = ShardContent(
        first: range.lowerBound, capacity: rows.reduce(0) { $0 + $1.count + $1.behind }, form: form)
      try symbols.withUnsafeBufferPointer { symbols in
        for row in rows {
          let end = row.start + row.count
          shard.append(
            UnsafeBufferPointer(rebasing: symbols[row.start..<end]),
            second: row.behind == 0
              ? nil : UnsafeBufferPointer(rebasing: symbols[end..<(end + row.behind)]),
            label: row.label, meta: row.meta)
          try step(1)
        }
      }
      return shard
    }
  }
}

/// A file that examples come from.
public struct ReadFile: Sendable, Equatable {
  /// The file's place within its source.
  public let path: String
  /// The split that its name says; nil when the splits are chosen here or named in a column.
  public let split: String?
}

/// What a conversion did, or would do.
public struct ConversionResult: Sendable, Equatable {
  /// The dataset.
  public let generation: GenerationResult
  /// The sources that it was made from, by name.
  public let sources: [SourceRecord]
  /// Files that were left out.
  public let skipped: [SkippedFile]
  /// What users should know of the sources, a sentence each.
  public let notes: [String]
  /// Files of one's own that were read, in order.
  public let files: [ReadFile]

  /// A result, put together by hand.
  public init(
    generation: GenerationResult, sources: [SourceRecord], skipped: [SkippedFile],
    notes: [String] = [], files: [ReadFile] = []
  ) {
    self.files = files
    self.generation = generation
    self.sources = sources
    self.skipped = skipped
    self.notes = notes
  }
}

extension DatasetStore {
  /// Makes a dataset from its sources, or the part of it that is missing.
  ///
  /// The content depends on the converter's parameters and the sources alone. A complete dataset of the
  /// same parameters and sources is left as it is.
  /// - Parameters:
  ///   - paths: archives, folders or files, as the converter wants them.
  ///   - name: nil for the converter's own.
  /// - Throws: `malformedInput` before anything is written; `configurationDiffers`, `locked`, `diskFull`,
  ///   `usage`, `interrupted`.
  public func convert(
    _ converter: some Converter, from paths: [String], name: String? = nil,
    options: GenerationOptions = .init()
  ) throws -> ConversionResult {
    try converter.validate()
    let name = name ?? converter.datasetName
    if let complete = try complete(converter, name, paths, options) { return complete }
    let start = DispatchTime.now().uptimeNanoseconds
    let (plan, content) = try read(converter, from: paths, name: name, options: options)
    var generation = try Generation(plan, in: self, options).run()
    generation.seconds = Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9
    return ConversionResult(
      generation: generation, sources: plan.sources, skipped: content.skipped,
      notes: content.notes, files: content.files)
  }

  /// What a conversion would make; reads the sources and writes nothing.
  ///
  /// - Returns: what it would cost, its splits, and the files that it would leave out.
  public func estimate(
    _ converter: some Converter, from paths: [String], options: GenerationOptions = .init()
  ) throws -> (GenerationEstimate, splits: [SplitSize], skipped: [SkippedFile]) {
    try converter.validate()
    let (plan, content) = try read(
      converter, from: paths, name: converter.datasetName, options: options)
    return (try plan.estimate(options), plan.splits, content.skipped)
  }

  private func read(
    _ converter: some Converter, from paths: [String], name: String, options: GenerationOptions
  ) throws -> (GenerationPlan, ConvertedContent) {
    let reader = SourceReader(
      paths, plain: type(of: converter).readsCompressedFiles,
      isCancelled: { options.cancellation.isCancelled }
    ) {
      options.progress(GenerationProgress(split: "reading", done: $0, total: $1))
    }
    var content = try converter.read(reader)
    content.skipped = reader.skipped + content.skipped
    let plan = GenerationPlan(converter, content, name: name, sources: reader.records)
    try plan.validate()
    return (plan, content)
  }

  /// The dataset when it is complete with the same parameters and sources; these are hashed, not read.
  func complete(
    _ converter: some Converter, _ name: String, _ paths: [String], _ options: GenerationOptions
  ) throws -> ConversionResult? {
    let measured = type(of: converter).measured
    guard let index = try? Index(at: path, .read),
      let dataset = try index.datasets().first(where: { $0.name == name }), dataset.complete,
      dataset.task == converter.task, dataset.generatorVersion == type(of: converter).version,
      let config = CanonicalJSON.decode(dataset.config),
      config.filter({ !measured.contains($0.key) }) == converter.parameters
    else { return nil }
    let sources = try index.sources(of: dataset)
    var found: [SourceRecord] = []
    for path in paths {
      switch try SourceKind(path) {
      case .folder: return nil
      case .archive(let bytes), .file(let bytes):
        let name = SourceReader.name(of: path)
        guard sources.contains(where: { $0.name == name && $0.bytes == bytes }) else { return nil }
        let record = try HashedFile.record(of: path)
        found.append(SourceRecord(name: name, bytes: record.bytes, sha256: record.sha256))
      }
    }
    guard Set(found.map(\.name)).count == sources.count, sources.allSatisfy(found.contains) else {
      return nil
    }
    let splits = try index.splits(of: dataset)
    var content = ConvertedContent(
      splits: splits.map { SplitSize(name: $0.name, ordinal: $0.ordinal, count: $0.count) },
      unit: "examples", skipped: []
    ) { _, range, _ in ShardContent(first: range.lowerBound, capacity: 0) }
    content.measured = config.filter { measured.contains($0.key) }
    let plan = GenerationPlan(converter, content, name: name, sources: sources)
    let generation = try Generation(plan, in: self, options).run()
    return ConversionResult(generation: generation, sources: sources, skipped: [], notes: [])
  }
}

extension GenerationPlan {
  init(
    _ converter: some Converter, _ content: ConvertedContent, name: String,
    sources: [SourceRecord]
  ) {
    let parameters = converter.parameters.merging(content.measured) { $1 }
    self.init(
      name: name, task: converter.task, config: CanonicalJSON.encode(parameters),
      seed: nil, generatorVersion: type(of: converter).version, splits: content.splits,
      pairs: content.pairs, unit: content.unit,
      sources: sources.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) },
      makeShard: content.makeShard)
  }
}
