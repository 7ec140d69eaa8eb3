import Foundation

/// What a look at one dataset gave.
struct DatasetCheck: Sendable {
  let dataset: DatasetRecord
  let splits: [SplitRecord]
  let plan: GenerationPlan?
  var shards: [ShardCheck] = []
  var pairs: [PairCheck] = []
  /// Rows of shards that the dataset should not have.
  var surplus: [ShardRecord] = []
  /// Damage that belongs to no shard.
  var damaged: [VerifyReport.Damage] = []
  /// From what is stored, when every shard is sound: digests by split, and of the whole.
  var digests: (splits: [[UInt8]], dataset: [UInt8])?
  var seconds = 0.0

  var report: VerifyReport.Dataset {
    VerifyReport.Dataset(
      name: dataset.name,
      examples: shards.reduce(0) { $0 + $1.expected.range.count }
        + pairs.reduce(0) { $0 + $1.expected },
      checked: shards.reduce(0) { $0 + $1.checked } + pairs.reduce(0) { $0 + $1.checked },
      complete: dataset.complete,
      damaged: damaged + shards.flatMap(\.damaged) + pairs.flatMap(\.damaged), canRepair: canRepair,
      canConvert: canConvert,
      seconds: seconds)
  }

  /// The dataset's row is sound, so its shards can be made from it.
  var canRepair: Bool { plan != nil && rowIsSound }
  /// Its damaged shards come back from its sources.
  var canConvert: Bool { dataset.seed == nil && rowIsSound }
  private var rowIsSound = true

  /// Looks at a dataset.
  static func run(
    _ dataset: DatasetRecord, index: Index, store: DatasetStore, _ options: VerifyOptions
  ) throws -> DatasetCheck {
    let start = DispatchTime.now().uptimeNanoseconds
    let splits = try index.splits(of: dataset)
    let made = GenerationPlan(of: dataset, splits: splits)
    var check = DatasetCheck(dataset: dataset, splits: splits, plan: made)
    if Digest.sha256(dataset.config.utf8) != (try index.configDigest(of: dataset)) {
      check.rowIsSound = false
      check.damage("the parameters in the index do not match their SHA-256")
    }
    let ofPairs = PairSplits.among(splits, of: dataset)
    for split in ofPairs {
      let documents = splits.first { $0.name == PairSplits.documents }?.count ?? 0
      check.pairs.append(
        try PairCheck.run(
          split, documents: documents, complete: dataset.complete, options.depth, index))
    }
    var expected: [ExpectedShard] = []
    let folder = store.dataFolder(
      of: dataset.name, holding: try index.shards(of: dataset).map(\.path))
    for split in splits where !ofPairs.contains(split) {
      // Counted before the shards are read: what a writer adds in between belongs to shards we see.
      let rows = try index.exampleCount(of: split) + index.pairCount(of: split)
      let (shards, surplus) = ExpectedShard.all(
        of: split, dataset: dataset, in: folder, records: try index.shards(of: split),
        complete: dataset.complete)
      expected += shards
      check.surplus += surplus
      let wanted = shards.reduce(0) { $0 + $1.range.count }
      if !surplus.isEmpty || rows > wanted {
        check.damage(
          "\(max(rows - wanted, 0).grouped) rows too many in the index", split: split.name)
      }
    }
    try check.look(at: expected, index, store, options)
    if options.depth == .full {
      try check.digestPairs(index, store, options)
      check.compareDigests()
    }
    check.seconds = Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9
    return check
  }

  private mutating func damage(_ reason: String, split: String? = nil) {
    damaged.append(.init(split: split, position: nil, shard: nil, offset: nil, reason: reason))
  }

  private mutating func look(
    at expected: [ExpectedShard], _ index: Index, _ store: DatasetStore, _ options: VerifyOptions
  ) throws {
    let checks = Guarded<[ShardCheck]>([])
    let done = Guarded(0)
    let total = expected.reduce(0) { $0 + $1.range.count }
    let plan = plan
    let name = dataset.name
    try OrderedWork.run(count: expected.count, threads: options.threads) { number in
      if options.cancellation.isCancelled { throw DatasetError.verifyInterrupted(store.path) }
      return try ShardCheck.run(
        expected[number], options.depth, plan: plan, index: index, store: store)
    } commit: { number, check in
      checks.withLock { $0.append(check) }
      let count = done.withLock { done in
        done += expected[number].range.count
        return done
      }
      options.progress(name, count, total)
    }
    shards = checks.withLock { $0 }
  }

  /// Every shard and every pair is as it should be.
  private var rowsAreSound: Bool {
    shards.allSatisfy { $0.damaged.isEmpty } && pairs.allSatisfy { $0.damaged.isEmpty }
  }

  /// Computes the digests of the pairs; their documents were checked before.
  private mutating func digestPairs(
    _ index: Index, _ store: DatasetStore, _ options: VerifyOptions
  ) throws {
    guard dataset.complete, rowsAreSound, !pairs.isEmpty else { return }
    let documents = try SplitReader(
      of: dataset, split: PairSplits.documents, index: index, store: store)
    for number in pairs.indices {
      let leaves = PairLeaves(
        rows: pairs[number].rows, documents: documents, threads: options.threads)
      pairs[number].leaves = try leaves.compute { _ in
        if options.cancellation.isCancelled { throw DatasetError.verifyInterrupted(store.path) }
      }
    }
  }

  /// Recomputes the content digests from the stored symbols.
  private mutating func compareDigests() {
    guard dataset.complete, rowsAreSound else { return }
    let computed = splits.map { split in
      Digest.split(
        name: split.name,
        leaves: shards.filter { $0.expected.split.id == split.id }.map(\.leaves)
          + pairs.filter { $0.split.id == split.id }.map(\.leaves))
    }
    let whole = Digest.dataset(
      task: dataset.task, splits: zip(splits.map(\.name), computed).map { ($0, $1) })
    digests = (computed, whole)
    let sound = whole == dataset.contentDigest
    for (split, digest) in zip(splits, computed) where split.contentDigest != digest {
      damage("the content digest is not that of the stored symbols", split: split.name)
    }
    if !sound { damage("the content digest is not that of the stored symbols") }
    guard shards.contains(where: { !$0.followsFromSeed }) else { return }
    if sound {
      // All content is as it was: the row that says how it was made is not.
      rowIsSound = false
      return damage("the examples do not follow from the parameters and the seed in the index")
    }
    for number in shards.indices where !shards[number].followsFromSeed {
      let expected = shards[number].expected
      shards[number].damaged.append(
        .init(
          split: expected.split.name, position: nil, shard: expected.path, offset: nil,
          reason: "its examples do not follow from the parameters and the seed"))
    }
  }
}
