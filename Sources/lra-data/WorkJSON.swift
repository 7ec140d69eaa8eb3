import Console
import Datasets

/// `gen` and `build` as JSON.
struct GenerationJSON: Encodable {
  let dataset: String
  let task: String
  let state: String
  let splits: [SplitJSON]
  let tokens: Int
  let bytes: Int
  let shards: Int
  let seconds: Double
  let contentDigest: Nullable<String>
  let manifestMatch: Nullable<Bool>

  init(_ result: GenerationResult) {
    dataset = result.dataset
    task = result.task
    state = result.state.rawValue
    splits = result.splits.map { SplitJSON(name: $0.name, count: $0.count) }
    tokens = result.tokens
    bytes = result.bytes
    shards = result.shards
    seconds = result.seconds
    contentDigest = Nullable(result.worker == nil ? result.contentDigest : nil)
    manifestMatch = Nullable(result.manifestMatch)
  }
}

/// A split in every JSON object.
struct SplitJSON: Encodable {
  let name: String
  let count: Int
}

/// `convert` as JSON: what `gen` says, with the sources and what was left out.
struct ConversionJSON: Encodable {
  private let generation: GenerationJSON
  private let sources: [SourceJSON]
  private let skipped: [SkippedJSON]
  private let files: [FileJSON]
  private let notes: [String]

  private struct FileJSON: Encodable {
    let path: String
    let split: Nullable<String>
  }

  private struct SourceJSON: Encodable {
    let name: String
    let bytes: Int
    let sha256: String
  }

  private enum CodingKeys: String, CodingKey { case sources, skipped, files, notes }

  init(_ result: ConversionResult) {
    generation = GenerationJSON(result.generation)
    sources = result.sources.map {
      SourceJSON(name: $0.name, bytes: $0.bytes, sha256: Digest.hex($0.sha256))
    }
    skipped = result.skipped.map(SkippedJSON.init)
    files = result.files.map { FileJSON(path: $0.path, split: Nullable($0.split)) }
    notes = result.notes
  }

  func encode(to encoder: any Encoder) throws {
    try generation.encode(to: encoder)
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(sources, forKey: .sources)
    try container.encode(skipped, forKey: .skipped)
    try container.encode(files, forKey: .files)
    try container.encode(notes, forKey: .notes)
  }
}

/// A file that was left out.
struct SkippedJSON: Encodable {
  let path: String
  let reason: String

  init(_ file: SkippedFile) {
    path = file.path
    reason = file.reason
  }
}

/// A dry run as JSON.
struct EstimateJSON: Encodable {
  let dataset: String
  let task: String
  var state = "planned"
  let splits: [SplitJSON]
  let tokens: Int
  let bytes: Int
  let shards: Int
  let seconds: Double

  init(_ name: String, task: String, splits: [SplitSize], _ estimate: GenerationEstimate) {
    dataset = name
    self.task = task
    self.splits = splits.filter { $0.count > 0 }.map { SplitJSON(name: $0.name, count: $0.count) }
    tokens = estimate.tokens
    bytes = estimate.bytes
    shards = estimate.shards
    seconds = estimate.seconds
  }
}
