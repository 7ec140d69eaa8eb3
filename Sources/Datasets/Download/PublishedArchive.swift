/// An archive that somebody else publishes: where, how large, and its SHA-256.
public struct PublishedArchive: Sendable, Equatable {
  /// What users type: `imdb`, `cifar10` or `lra-release`.
  public let kind: String
  /// Where its publisher keeps it.
  public let url: String
  /// Its size; nil when nobody published one.
  public let bytes: Int?
  /// SHA-256 as 64 hexadecimal digits; nil when nobody published one: it is recorded at the first fetch.
  public let sha256: String?

  /// The name of its file.
  public let name: String

  /// Makes a description.
  public init(kind: String, name: String, url: String, bytes: Int?, sha256: String?) {
    self.kind = kind
    self.name = name
    self.url = url
    self.bytes = bytes
    self.sha256 = sha256
  }

  /// All that `fetch` knows.
  ///
  /// Sizes and digests as TensorFlow Datasets and several independent projects record them.
  public static let all = [
    PublishedArchive(
      kind: "imdb", name: "aclImdb_v1.tar.gz",
      url: "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz", bytes: 84_125_825,
      sha256: "c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe"),
    PublishedArchive(
      kind: "cifar10", name: "cifar-10-binary.tar.gz",
      url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", bytes: 170_052_171,
      sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"),
    PublishedArchive(
      kind: "cifar10-python", name: "cifar-10-python.tar.gz",
      url: "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz", bytes: 170_498_071,
      sha256: "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"),
    PublishedArchive(
      kind: "lra-release", name: "lra_release.gz",
      url: "https://storage.googleapis.com/long-range-arena/lra_release.gz", bytes: nil, sha256: nil
    ),
  ]
}

/// How a download runs.
public struct FetchOptions: Sendable {
  /// How often a broken connection is taken up again, at least 1.
  public var attempts = 10
  /// Seconds between attempts.
  public var pause = 2.0
  /// Asks the download to stop; what has arrived is kept.
  public var cancellation = Cancellation()
  /// Hears bytes that are there, and bytes in all when known.
  public var progress: @Sendable (Int, Int?) -> Void = { _, _ in }

  /// The defaults.
  public init() {}
}

/// What a download gave.
public struct FetchResult: Sendable, Equatable {
  /// Where it came from.
  public let url: String
  /// Where it lies.
  public let path: String
  /// Its size.
  public let bytes: Int
  /// 64 hexadecimal digits.
  public let sha256: String
  /// The digest is the published one, or the one of an earlier fetch.
  public let verified: Bool
  /// Bytes that an earlier, interrupted fetch had left; nil when the whole file was there already.
  public let resumedFrom: Int?
}
