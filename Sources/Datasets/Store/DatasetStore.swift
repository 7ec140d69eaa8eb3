import Foundation

/// What a dataset is, in short: a line of `lra-data ls`.
public struct DatasetSummary: Sendable, Equatable {
  /// A split and how many examples it has when complete.
  public struct Split: Sendable, Equatable {
    /// `train`, `validation`, `test` or another name.
    public let name: String
    /// train 0, validation 1, test 2, others 3...
    public let ordinal: Int
    /// How many examples it has.
    public let count: Int
  }

  /// The name that users type, as `listops-2k`.
  public let name: String
  /// The task, as `listops`.
  public let task: String
  /// The parameters as canonical JSON.
  public let config: String
  /// The seed; nil for converted data.
  public let seed: Int?
  /// The version of the generator or converter.
  public let generatorVersion: Int
  /// 64 hexadecimal digits, once the dataset is complete.
  public let contentDigest: String?
  /// All shards are there.
  public let complete: Bool
  /// The splits, by ordinal.
  public let splits: [Split]
}

/// The datasets of one database file.
///
/// A store is a path: it holds nothing open. Shards lie in `data/NAME` beside the database; see
/// `DatasetFolder` for two databases in one folder.
public struct DatasetStore: Sendable {
  /// The database's path as the user gave it; messages show it.
  public let path: String
  /// The database's real path, links to the file resolved.
  ///
  /// Lock and shards lie beside it.
  public let location: String

  /// A store at the path of its database; nothing is opened or made yet.
  public init(at path: String) {
    self.path = path
    location = DatasetStore.resolved(path)
  }

  /// Follows links to a file, there or not; links of folders on the way lead to the same place anyhow.
  static func resolved(_ path: String) -> String {
    var path = path
    for _ in 0..<40 {
      guard let target = try? FileManager.default.destinationOfSymbolicLink(atPath: path) else {
        return path
      }
      let parent = (path as NSString).deletingLastPathComponent
      path =
        target.hasPrefix("/") || parent.isEmpty
        ? target : (parent as NSString).appendingPathComponent(target)
    }
    return path
  }

  /// The right to write, see `WriterLock`.
  func writerLock() throws -> WriterLock { try WriterLock(database: location, shown: path) }

  /// The folder that shard paths are relative to.
  public var folder: String {
    let parent = (location as NSString).deletingLastPathComponent
    return parent.isEmpty ? "." : parent
  }

  /// The absolute or working-folder path of a path in the index.
  public func file(_ relative: String) -> String {
    folder == "." ? relative : (folder as NSString).appendingPathComponent(relative)
  }

  /// Whether a shard and its side table are there.
  func hasFiles(of shard: ShardRecord) -> Bool {
    [shard.path, shard.sideTablePath].allSatisfy { access(file($0), F_OK) == 0 }
  }

  /// All datasets, by the order in which they were made.
  ///
  /// - Throws: as `Index.init(at:_:)` in mode `read`.
  public func datasets() throws -> [DatasetSummary] {
    let index = try Index(at: path, .read)
    return try index.datasets().map { dataset in
      DatasetSummary(
        name: dataset.name, task: dataset.task, config: dataset.config, seed: dataset.seed,
        generatorVersion: dataset.generatorVersion,
        contentDigest: dataset.contentDigest.map(Digest.hex), complete: dataset.complete,
        splits: try index.splits(of: dataset).map {
          .init(name: $0.name, ordinal: $0.ordinal, count: $0.count)
        })
    }
  }

  /// A reader of one split.
  ///
  /// - Throws: `usage` when there is no such dataset or split; `failure` when the dataset is incomplete;
  ///   `checksumMismatch` when the index is damaged.
  public func open(dataset: String, split: String) throws -> SplitReader {
    let index = try Index(at: path, .read)
    let record = try index.dataset(named: dataset)
    guard record.complete else {
      throw DatasetError.incomplete(dataset, path: path, next: nil)
    }
    return try SplitReader(of: record, split: split, index: index, store: self)
  }
}
