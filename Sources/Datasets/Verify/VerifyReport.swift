/// How much `verify` looks at.
public enum VerifyDepth: Sendable {
  /// Sizes of files and numbers of rows.
  case quick
  /// Hashes of shards and side tables, check64 of every example, content digests.
  case full
}

/// What `verify` found.
public struct VerifyReport: Sendable, Equatable {
  /// Something that is not as it should be.
  public struct Damage: Sendable, Equatable {
    /// The split; nil when the dataset's own row is concerned.
    public let split: String?
    /// The example; nil when a whole shard or split is concerned.
    public let position: Int?
    /// The shard's file, relative to the database's folder.
    public let shard: String?
    /// Where the example begins in the shard's file.
    public let offset: Int?
    /// What is wrong, in a few words.
    public let reason: String
  }

  /// One dataset.
  public struct Dataset: Sendable, Equatable {
    /// The dataset's name.
    public let name: String
    /// Examples that it should have by now.
    public let examples: Int
    /// Examples that were read and are as they should be.
    public let checked: Int
    /// All shards were made.
    public let complete: Bool
    /// What is wrong with it.
    public let damaged: [Damage]
    /// It can be made again from its seed.
    public let canRepair: Bool
    /// It can be made again from the files that it was converted from.
    public let canConvert: Bool
    /// Wall time.
    public let seconds: Double
    /// Files that the index names and that are not there.
    public internal(set) var missing: [String] = []
    /// Files beside the shards that the index does not name; they do no harm.
    public internal(set) var orphans: [String] = []
    /// Shards that were made again.
    public internal(set) var repaired: [String] = []
    /// Files that were moved aside, where they lie now.
    public internal(set) var quarantined: [String] = []

    /// A dataset whose rows in the index cannot be read.
    static func unreadable(_ dataset: DatasetRecord, _ reason: String) -> Dataset {
      Dataset(
        name: dataset.name, examples: 0, checked: 0, complete: dataset.complete,
        damaged: [.init(split: nil, position: nil, shard: nil, offset: nil, reason: reason)],
        canRepair: false, canConvert: false, seconds: 0)
    }
  }

  /// SQLite's own checks of the index find nothing.
  public internal(set) var indexOK = true
  /// What they find, in SQLite's words.
  public internal(set) var indexProblems: [String] = []
  /// The datasets that were looked at.
  public internal(set) var datasets: [Dataset] = []
  /// Something is wrong; after a repair: still wrong.
  public var foundDamage: Bool {
    !indexOK || datasets.contains { !$0.damaged.isEmpty }
  }
}

/// How a verification runs.
public struct VerifyOptions: Sendable {
  /// How much it looks at.
  public var depth = VerifyDepth.full
  /// Damaged shards are moved to quarantine and made again from the seed.
  public var repair = false
  /// Shards that are worked on at once, at least 1.
  public var threads = 1
  /// Asks the verification to stop.
  public var cancellation = Cancellation()
  /// Hears dataset, examples done, and examples in all; from one thread at a time.
  public var progress: @Sendable (String, Int, Int) -> Void = { _, _, _ in }

  /// The defaults.
  public init() {}
}
