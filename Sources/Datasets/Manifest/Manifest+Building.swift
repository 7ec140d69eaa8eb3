import Crypto
import Foundation

extension Manifest {
  /// Writes the manifest to a file; an earlier manifest is replaced, another file is not.
  ///
  /// - Throws: `diskFull`, `failure`, `configurationDiffers`.
  public func publish(_ path: String) throws {
    if access(path, F_OK) == 0, (try? Manifest(contentsOf: path)) == nil {
      throw DatasetError.fileInTheWay(path, dataset: nil)
    }
    let text = try json
    try Publication.publish(path) { try $0.write(Array(text.utf8)) }
  }

  /// The tool and version that manifests and listings name.
  public static let currentTool = "lra-data 1.0.0"

  /// The manifest of a complete dataset.
  ///
  /// Reads all examples, because duplicates are counted by content; every one is checked.
  /// - Parameter threads: shards read at once.
  /// - Throws: `failure` when the dataset is incomplete, `checksumMismatch`, and what opening throws.
  public init(of name: String, in store: DatasetStore, threads: Int = 1) throws {
    let index = try Index(at: store.path, .read)
    let dataset = try index.dataset(named: name)
    guard dataset.complete, let digest = dataset.contentDigest else {
      throw DatasetError.incomplete(name, path: store.path, next: nil)
    }
    let splits = try index.splits(of: dataset)
    let ofPairs = Set(PairSplits.among(splits, of: dataset).map(\.name))
    var surveys: [String: SplitSurvey] = [:]
    // Those of documents come first: pairs are what their documents are.
    for split in splits where !ofPairs.contains(split.name) {
      surveys[split.name] = try SplitSurvey(split, of: dataset, index, store, threads)
    }
    let documents = surveys[PairSplits.documents]
    for split in splits where ofPairs.contains(split.name) {
      let pairs = try SplitReader(of: dataset, split: split.name, index: index, store: store)
      surveys[split.name] = try SplitSurvey(pairs, documents: documents?.contents ?? [])
    }
    self.init(dataset, splits, splits.compactMap { surveys[$0.name] }, Digest.hex(digest))
    sources = try index.sources(of: dataset).map {
      Source(name: $0.name, bytes: $0.bytes, sha256: Digest.hex($0.sha256))
    }
  }

  /// - Parameter surveys: one for each split.
  private init(
    _ dataset: DatasetRecord, _ splits: [SplitRecord], _ surveys: [SplitSurvey], _ digest: String
  ) {

    var earlier: Set<ContentKey> = []
    var across = 0
    for survey in surveys {
      across += survey.contents.count { earlier.contains($0) }
      earlier.formUnion(survey.contents)
    }
    tool = Manifest.currentTool
    name = dataset.name
    task = dataset.task
    generatorVersion = dataset.generatorVersion
    parameters = dataset.parameters
    seed = dataset.seed
    shardExamples = surveys.map(\.shardExamples).max() ?? 0
    self.splits = zip(splits, surveys).map { split, survey in
      Split(
        name: split.name, ordinal: split.ordinal, examples: split.count,
        contentDigest: Digest.hex(split.contentDigest ?? []), lengths: survey.lengths,
        labels: survey.labels, duplicates: survey.contents.count - Set(survey.contents).count)
    }
    duplicatesAcrossSplits = across
    contentDigest = digest
    sources = []
    licence = dataset.taskDescription.licence
    citation = dataset.taskDescription.citation
  }

  /// Whether identity, sizes and digests of a dataset are those of this manifest; its name may differ.
  func agrees(with dataset: DatasetRecord, _ splits: [SplitRecord]) -> Bool {
    task == dataset.task && generatorVersion == dataset.generatorVersion && seed == dataset.seed
      && CanonicalJSON.encode(parameters) == dataset.config
      && self.splits.map(\.name) == splits.map(\.name)
      && self.splits.map(\.examples) == splits.map(\.count)
      && dataset.contentDigest.map(Digest.hex) == contentDigest
  }
}

/// The first 16 bytes of SHA-256 of an example's symbols, or of the keys of a pair's documents: equal for
/// equal examples only.
private struct ContentKey: Hashable, Sendable {
  let high: UInt64
  let low: UInt64

  init(_ symbols: UnsafeBufferPointer<UInt8>) {
    self.init(UnsafeRawBufferPointer(symbols))
  }

  /// A pair.
  init(_ document1: ContentKey, _ document2: ContentKey) {
    let keys = (document1.high, document1.low, document2.high, document2.low)
    self = withUnsafeBytes(of: keys) { ContentKey($0) }
  }

  private init(_ bytes: UnsafeRawBufferPointer) {
    var hash = SHA256()
    hash.update(bufferPointer: bytes)
    (high, low) = hash.finalize().withUnsafeBytes {
      (
        $0.loadUnaligned(as: UInt64.self),
        $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
      )
    }
  }
}

/// What a manifest says of a split, from reading all of it.
private struct SplitSurvey {
  private(set) var contents: [ContentKey] = []
  let lengths: Manifest.Lengths
  private(set) var labels: [String: Int] = [:]
  private(set) var shardExamples = 0

  init(
    _ split: SplitRecord, of dataset: DatasetRecord, _ index: Index, _ store: DatasetStore,
    _ threads: Int
  ) throws {
    let shards = try index.shards(of: split)
    let form = StoredForm(of: dataset)
    let read = Guarded<(contents: [ContentKey], rows: [ExampleRow])>(([], []))
    try OrderedWork.run(count: shards.count, threads: threads) { number in
      let rows = try index.examples(of: shards[number])
      var contents: [ContentKey] = []
      let reader = ShardReader(
        shards[number], split: split.name, dataset: dataset.name, form: form, store: store)
      try reader.forEach(rows) { _, parts in contents += parts.prefix(1).map(ContentKey.init) }
      return (contents, rows)
    } commit: { _, shard in
      read.withLock {
        $0.contents += shard.0
        $0.rows += shard.1
      }
    }
    let (contents, rows) = read.withLock { $0 }
    guard rows.count == split.count, !rows.isEmpty else {
      throw DatasetError.indexDamaged(
        store.path,
        "\(dataset.name) \(split.name) has \(rows.count.grouped) rows, "
          + "\(split.count.grouped) expected")
    }
    self.contents = contents
    for row in rows { labels["\(row.label ?? -1)", default: 0] += 1 }
    lengths = Manifest.Lengths(rows.map { form.tokens(stored: $0.length) })
    shardExamples = shards.first?.count ?? 0
  }

  /// Pairs, each as long as its longer document.
  ///
  /// - Parameter documents: the keys of all documents, by position.
  init(_ pairs: SplitReader, documents: [ContentKey]) throws {
    guard pairs.count > 0 else {
      throw DatasetError.rowsMissing(
        pairs.dataset, pairs.split, rows: 0, of: 1, database: pairs.database)
    }
    for position in 0..<pairs.count {
      let (one, other) = try pairs.documentPositions(at: position)
      contents.append(ContentKey(documents[one], documents[other]))
      labels["\(pairs.labels[position])", default: 0] += 1
    }
    lengths = Manifest.Lengths(pairs.lengths.map(Int.init))
  }
}

extension Manifest.Lengths {
  /// - Parameter lengths: at least one.
  fileprivate init(_ lengths: [Int]) {
    let sorted = lengths.sorted()
    self.init(
      min: sorted[0], lowerQuartile: sorted[sorted.count / 4], median: sorted[sorted.count / 2],
      upperQuartile: sorted[sorted.count * 3 / 4], max: sorted[sorted.count - 1],
      tokens: sorted.reduce(0, +))
  }
}
