/// A row of `dataset`.
public struct DatasetRecord: Sendable, Equatable {
  /// The row's id.
  public let id: Int64
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
  /// 32 bytes, once the dataset is complete.
  public let contentDigest: [UInt8]?
  /// All shards are there and the digests are known.
  public let complete: Bool
}

/// A row of `split`.
public struct SplitRecord: Sendable, Equatable {
  /// The row's id.
  public let id: Int64
  /// `train`, `validation`, `test` or another name.
  public let name: String
  /// train 0, validation 1, test 2, others 3...
  public let ordinal: Int
  /// How many examples the split has when it is complete.
  public let count: Int
  /// 32 bytes, once the dataset is complete.
  public let contentDigest: [UInt8]?
}

/// A row of `shard`: consecutive examples in one file, with a side table beside it.
public struct ShardRecord: Sendable, Equatable {
  /// The row's id.
  public let id: Int64
  /// The id of its split.
  public let splitID: Int64
  /// Its number in the split, from 0.
  public let ordinal: Int
  /// The file, relative to the database's folder.
  public let path: String
  /// `u8` or `png`.
  public let encoding: String
  /// The position of its first example in the split.
  public let first: Int
  /// How many examples it has.
  public let count: Int
  /// The size of the file.
  public let bytes: Int
  /// SHA-256 of the file, 32 bytes.
  public let sha256: [UInt8]
  /// The size of the side table.
  public let metaBytes: Int
  /// SHA-256 of the side table, 32 bytes.
  public let metaSHA256: [UInt8]

  /// The side table's file, relative to the database's folder.
  public var sideTablePath: String { ShardRecord.sideTable(of: path) }

  static func sideTable(of path: String) -> String {
    (path.lastIndex(of: ".").map { String(path[..<$0]) } ?? path) + ".tsv"
  }
}

/// A row of `example`: where one example lies, and what it is.
public struct ExampleRow: Sendable, Equatable {
  /// Its place in the split.
  public let position: Int
  /// The shard that holds it.
  public let shardID: Int64
  /// Where its first byte lies in the shard's file.
  public let offset: Int
  /// How many bytes it has there.
  public let length: Int
  /// The class; nil when unlabelled.
  public let label: Int?
  /// The checksum of row and bytes, see `Digest.check64`.
  public let check64: Int64
  /// What else is known of it, for people; nil for ListOps.
  public let meta: String?
}

/// A row of `pair`: two documents of the dataset's split `documents`, and their class.
public struct PairRow: Sendable, Equatable {
  /// Its place in the split.
  public let position: Int
  /// The first document's position.
  public let document1: Int
  /// The second document's position.
  public let document2: Int
  /// The class.
  public let label: Int
  /// The checksum of the row, see `Digest.check64(position:label:document1:document2:)`.
  public let check64: Int64

  /// The row gives its checksum.
  var isSound: Bool {
    check64
      == Digest.check64(
        position: position, label: label, document1: document1, document2: document2)
  }
}

extension PairRow {
  /// The row of a pair at its place.
  init(_ pair: DocumentPair, position: Int) {
    self.init(
      position: position, document1: pair.document1, document2: pair.document2, label: pair.label,
      check64: Digest.check64(
        position: position, label: pair.label, document1: pair.document1,
        document2: pair.document2))
  }
}

/// A row of `source`: an archive or file that a dataset was converted from.
public struct SourceRecord: Sendable, Equatable {
  /// The file's name, without folder.
  public let name: String
  /// Its size.
  public let bytes: Int
  /// SHA-256 of the file, 32 bytes.
  public let sha256: [UInt8]
}

/// What a flipped bit can do to a row: a value of the wrong kind.
struct UnexpectedValue: Error {
  let column: String
}
