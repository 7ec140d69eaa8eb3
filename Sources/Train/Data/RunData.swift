import Datasets

/// The three splits a run reads, and what is known of them.
///
/// A run that learns hidden tokens reads the training split alone: it is measured on a sample of it.
public final class RunData {
  /// The database.
  public let database: String
  /// The dataset's content digest, 64 hexadecimal digits.
  public let digest: String
  let digestBytes: [UInt8]
  let train: SplitReader
  let validation: SplitReader
  let test: SplitReader
  let plan: BatchPlan
  /// Whether hidden tokens are learned.
  let isMasked: Bool
  /// Examples of an evaluation during training; nil for all.
  let validationLimit: Int?
  private var rules: Baselines?

  /// Opens the recipe's dataset.
  ///
  /// - Throws: `DatasetError` when it is missing, incomplete or damaged; `TrainError` when its
  ///   training split is empty.
  public init(_ recipe: Recipe, database: String) throws {
    self.database = database
    let store = DatasetStore(at: database)
    let pairs = recipe.modelConfiguration.numTowers == 2
    func open(_ split: String) throws -> SplitReader {
      try store.open(dataset: recipe.data.dataset, split: split).checked(pairs: pairs)
    }
    train = try open("train")
    isMasked = recipe.train.objective == .masked
    validation = isMasked ? train : try open("validation")
    test = isMasked ? train : try open("test")
    validationLimit = recipe.eval.numEvalExamples ?? (isMasked ? 1000 : nil)
    digestBytes = train.contentDigest ?? []
    digest = Digest.hex(digestBytes)
    plan = try BatchPlan(
      lengths: train.lengths, batchSize: recipe.train.batchSize,
      bucketBatches: recipe.data.bucketBatches, seed: recipe.train.randomSeed)
  }

  /// What trivial rules learned on the training split reach on another, or on so many examples of it.
  func baselines(on split: SplitReader, limit: Int? = nil) throws -> BaselineScores {
    if isMasked { return BaselineScores(majority: try tokenMajority()) }
    let fitted = try rules ?? Baselines(train)
    rules = fitted
    return BaselineScores(
      try fitted.measure(
        on: split, at: limit.map { EvaluationPlan.sample($0, of: split.count) }))
  }

  /// Right predictions on a split against the first-token rule of ListOps; nil for other tasks.
  func pairedTest(_ right: RightPredictions, on split: SplitReader) throws -> PairedTest? {
    let fitted = try rules ?? Baselines(train)
    rules = fitted
    return try fitted.pairedTest(right, on: split)
  }

  /// The share of the most frequent symbol among those that hidden tokens are measured on.
  private func tokenMajority() throws -> Double {
    var counts = [Int](repeating: 0, count: 256)
    for position in EvaluationPlan.sample(validationLimit, of: train.count) {
      try train.withParts(at: position) { parts in
        for symbols in parts { for symbol in symbols { counts[Int(symbol)] += 1 } }
      }
    }
    return Double(counts.max() ?? 0) / Double(max(1, counts.reduce(0, +)))
  }

  /// A split by name.
  func split(_ name: String) throws -> SplitReader {
    switch name {
    case "train": train
    case "validation": validation
    case "test": test
    default:
      try DatasetStore(at: database).open(dataset: train.dataset, split: name)
        .checked(pairs: train.isPairs)
    }
  }
}

extension SplitReader {
  /// The split itself when its examples are what the model takes.
  fileprivate func checked(pairs: Bool) throws -> SplitReader {
    guard isPairs == pairs else {
      throw TrainError.otherExamples(dataset, split, pairs: pairs)
    }
    return self
  }
}
