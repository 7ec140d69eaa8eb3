/// A split to be made: its name, and how many examples.
public struct SplitSize: Sendable, Equatable {
  /// `train`, `validation`, `test` or another name.
  public let name: String
  /// The counter word of its random numbers: train 0, validation 1, test 2, others 3...
  public let ordinal: Int
  /// How many examples, 0 or more; an empty split is left out.
  public let count: Int

  /// A split of any name.
  public init(name: String, ordinal: Int, count: Int) {
    self.name = name
    self.ordinal = ordinal
    self.count = count
  }

  /// The three splits of the benchmark.
  public static func standard(train: Int, validation: Int, test: Int) -> [SplitSize] {
    [
      SplitSize(name: "train", ordinal: 0, count: train),
      SplitSize(name: "validation", ordinal: 1, count: validation),
      SplitSize(name: "test", ordinal: 2, count: test),
    ]
  }
}

/// How far a generation is; called at least for every shard, from one thread at a time.
public struct GenerationProgress: Sendable, Equatable {
  /// The split that is being made.
  public let split: String
  /// Examples of this split that are made, finished shards of an earlier run included.
  public let done: Int
  /// Examples that the split will have, of this worker's share only.
  public let total: Int
}

/// What a generation did.
public struct GenerationResult: Sendable, Equatable {
  /// Whether it had to do anything.
  public enum State: String, Sendable {
    /// Made from nothing.
    case made
    /// Shards of an earlier run were kept, the rest was made.
    case resumed
    /// It was complete already.
    case complete
  }

  /// The dataset's name.
  public let dataset: String
  /// The task.
  public let task: String
  /// Whether it had to do anything.
  public let state: State
  /// The folder of its shards, relative to the database's folder.
  public let folder: String
  /// The splits with their sizes.
  public let splits: [DatasetSummary.Split]
  /// Symbols in all examples together.
  public let tokens: Int
  /// The size of all shards, side tables not counted.
  public let bytes: Int
  /// How many shards there are.
  public let shards: Int
  /// Wall time, the reading of sources included.
  public internal(set) var seconds: Double
  /// 64 hexadecimal digits; empty while other workers' shards are missing.
  public let contentDigest: String
  /// Whether parameters, sizes and digests agree with the expected manifest; nil when none was given.
  public let manifestMatch: Bool?
  /// The share that was made when shards of other workers are missing; nil when the dataset is complete.
  public let worker: WorkerShare?
}

/// How a generation runs; nothing here changes the content.
public struct GenerationOptions: Sendable {
  /// Examples per shard, at least 1.
  public var shardExamples = 4096
  /// Shards that are worked on at once, at least 1.
  public var threads = 1
  /// Which shards are made here.
  public var worker = WorkerShare.all
  /// The manifest that the result should agree with.
  public var expected: Manifest?
  /// Asks the generation to stop.
  public var cancellation = Cancellation()
  /// Hears how far it is.
  public var progress: @Sendable (GenerationProgress) -> Void = { _ in }

  /// The defaults.
  public init() {}
}
