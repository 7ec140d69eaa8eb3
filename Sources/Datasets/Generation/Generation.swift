import Foundation
import GRDB

/// One run of `gen`: makes the missing shards of a dataset and completes it.
///
/// Shards are made in parallel, published, and committed to the index in order, so what is safe is always
/// a beginning of the dataset.
struct Generation: Sendable {
  private let plan: GenerationPlan
  private let store: DatasetStore
  private let options: GenerationOptions

  init(_ plan: GenerationPlan, in store: DatasetStore, _ options: GenerationOptions) {
    self.plan = plan
    self.store = store
    self.options = options
  }

  /// A shard to be made, or to be read when it is there.
  private struct Job: Sendable {
    let split: SplitRecord
    let ordinal: Int
    let range: Range<Int>
    /// Its file, relative to the database's folder.
    let path: String
    /// Its row in the index.
    let record: ShardRecord?
    /// The same when its files are there: a removal that was killed takes files before rows.
    let existing: ShardRecord?
    var size: SplitSize {
      SplitSize(name: split.name, ordinal: split.ordinal, count: split.count)
    }
  }

  private enum Made: Sendable {
    case read(leaves: [UInt8])
    case made(ShardContent, PublishedFile, PublishedFile)
  }

  func run() throws -> GenerationResult {
    let start = DispatchTime.now().uptimeNanoseconds
    func seconds() -> Double {
      Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9
    }
    try plan.validate()
    guard options.shardExamples >= 1 else {
      throw DatasetError.invalidParameter(
        "--shard-examples is \(options.shardExamples), 1 or more allowed")
    }
    if let complete = try complete() { return try result(complete, .complete, seconds()) }

    let lock = try store.writerLock()
    defer { withExtendedLifetime(lock) {} }
    let folder = try place()
    let index = try Index(at: store.path, .create)
    let dataset = try register(index)
    if dataset.complete { return try result(index, .complete, seconds()) }
    try store.take(folder, for: plan.name)
    Publication.sweep(store.file(folder))

    let (jobs, completes) = share(of: try jobs(of: dataset, in: folder, index))
    let kept = jobs.count { $0.existing != nil }
    var leaves = try work(jobs, index)
    if completes {
      let pairs = PairGeneration(plan: plan, store: store, options: options)
      leaves.merge(try pairs.run(dataset, index)) { _, pairs in pairs }
      try finish(dataset, leaves, index)
    }
    let hadAll = !completes && kept == jobs.count && kept > 0
    return try result(index, hadAll ? .complete : kept > 0 ? .resumed : .made, seconds())
  }

  // MARK: The dataset's row

  /// The index when the dataset is complete in it; needs no lock and no right to write.
  private func complete() throws -> Index? {
    guard let index = try Index.ifAny(at: store.path),
      let dataset = try index.datasets().first(where: { $0.name == plan.name })
    else { return nil }
    try compare(dataset, index)
    return dataset.complete ? index : nil
  }

  /// The dataset's row, made when it is not there.
  private func register(_ index: Index) throws -> DatasetRecord {
    if let dataset = try index.datasets().first(where: { $0.name == plan.name }) {
      try compare(dataset, index)
      return dataset
    }
    try index.write { database in
      try database.execute(
        sql: "INSERT INTO dataset(name, task, config, config_sha256, seed, generator_version) "
          + "VALUES(?,?,?,?,?,?)",
        arguments: [
          plan.name, plan.task, plan.config, Data(Digest.sha256(plan.config.utf8)), plan.seed,
          plan.generatorVersion,
        ])
      let id = database.lastInsertedRowID
      for source in plan.sources {
        try database.execute(
          sql: "INSERT INTO source(dataset_id, name, bytes, sha256) VALUES(?,?,?,?)",
          arguments: [id, source.name, source.bytes, Data(source.sha256)])
      }
      for split in plan.splits where split.count > 0 {
        try database.execute(
          sql: "INSERT INTO split(dataset_id, name, ordinal, count) VALUES(?,?,?,?)",
          arguments: [id, split.name, split.ordinal, split.count])
      }
    }
    return try index.dataset(named: plan.name)
  }

  private func compare(_ dataset: DatasetRecord, _ index: Index) throws {
    let splits = try index.splits(of: dataset)
    // A split in one shard fits every shard size that is not smaller.
    var shardExamples: Int?
    for split in splits {
      guard let shard = try index.shards(of: split).first else { continue }
      if !shard.isCut(by: options.shardExamples, split) { shardExamples = shard.count }
    }
    if let (has, asks) = plan.difference(
      from: dataset, splits: splits, sources: try index.sources(of: dataset),
      shardExamples: shardExamples, asked: options.shardExamples)
    {
      let suffix = dataset.seed == plan.seed ? "2" : plan.seed.map { "s\($0)" } ?? "converted"
      throw DatasetError.configurationDiffers(
        store.path, dataset: plan.name, has: has, asks: asks, name: "\(plan.name)-\(suffix)")
    }
  }

  // MARK: Shards

  /// The folder of the shards, after a look at what lies there: nothing is written yet.
  ///
  /// - Throws: `configurationDiffers` when it is another database's, or when somebody's file has the name
  ///   of a shard that is to be made.
  private func place() throws -> String {
    var held: [String] = []
    if let index = try Index.ifAny(at: store.path),
      let dataset = try index.datasets().first(where: { $0.name == plan.name })
    {
      held = try index.shards(of: dataset).map(\.path)
    }
    let folder = try store.writableFolder(of: plan.name, holding: held)
    try store.checkRoom(for: folder, of: plan.name)
    let names = try? FileManager.default.contentsOfDirectory(atPath: store.file(folder))
    guard let names, !names.isEmpty else { return folder }
    let (present, known) = (Set(names.map { "\(folder)/\($0)" }), Set(held))
    let splits = plan.splits.filter { plan.pairs[$0.ordinal] == nil }
    for place in ShardPlace.all(of: splits, shardExamples: options.shardExamples) {
      let shard = plan.form.path(in: folder, split: place.split, ordinal: place.ordinal)
      guard !known.contains(shard) else { continue }
      for path in [shard, ShardRecord.sideTable(of: shard)]
      where present.contains(path) && !WrittenFile.isOurs(store.file(path)) {
        throw DatasetError.fileInTheWay(path, dataset: plan.name)
      }
    }
    return folder
  }

  private func jobs(
    of dataset: DatasetRecord, in folder: String, _ index: Index
  ) throws -> [Job] {
    let splits = try index.splits(of: dataset).filter { plan.pairs[$0.ordinal] == nil }
    return try splits.flatMap { split in
      let shards = try index.shards(of: split)
      return stride(from: 0, to: split.count, by: options.shardExamples).map { first in
        let ordinal = first / options.shardExamples
        let record = shards.first { $0.ordinal == ordinal }
        return Job(
          split: split, ordinal: ordinal,
          range: first..<min(first + options.shardExamples, split.count),
          path: plan.form.path(in: folder, split: split.name, ordinal: ordinal), record: record,
          existing: record.flatMap { store.hasFiles(of: $0) ? $0 : nil })
      }
    }
  }

  /// The shards of this worker; all when no other is missing, because the digests need them.
  private func share(of jobs: [Job]) -> (jobs: [Job], completes: Bool) {
    let others = jobs.indices.filter { !options.worker.makes($0) }
    if others.allSatisfy({ jobs[$0].existing != nil }) { return (jobs, true) }
    return (jobs.indices.filter(options.worker.makes).map { jobs[$0] }, false)
  }

  /// Makes what is missing and reads what is there; the digests need both.
  ///
  /// - Returns: the digests of the examples by split id, in order.
  private func work(_ jobs: [Job], _ index: Index) throws -> [Int64: [[UInt8]]] {
    let leaves = Guarded<[Int64: [[UInt8]]]>([:])
    let safe = Guarded(jobs.reduce(0) { $0 + ($1.existing?.count ?? 0) })
    let meter = Meter(options, totals: jobs.map { ($0.split.name, $0.range.count) })
    do {
      try OrderedWork.run(count: jobs.count, threads: options.threads) { number in
        try make(jobs[number], index, meter)
      } commit: { number, made in
        let job = jobs[number]
        switch made {
        case .read(let read):
          leaves.withLock { $0[job.split.id, default: []].append(read) }
        case .made(let content, let shard, let sideTable):
          try commit(job, content, shard, sideTable, index)
          leaves.withLock { $0[job.split.id, default: []].append(content.leaves) }
          safe.withLock { $0 += job.range.count }
        }
      }
    } catch is Stopped {
      throw DatasetError.interrupted(
        safe: safe.withLock { $0 }, of: jobs.reduce(0) { $0 + $1.range.count }, unit: plan.unit,
        path: store.path)
    }
    return leaves.withLock { $0 }
  }

  private func make(_ job: Job, _ index: Index, _ meter: Meter) throws -> Made {
    let step: GenerationStep = { try meter.count($0, of: job.size) }
    if let existing = job.existing {
      return .read(leaves: try leaves(of: existing, job, index, step))
    }
    let content = try plan.makeShard(job.size, job.range, step)
    meter.report(job.size)
    // A leftover of an interrupted run holds the same bytes; others belong to another database.
    let target = store.file(job.path)
    if let there = FileManager.default.contents(atPath: target), !content.isFile(there) {
      throw DatasetError.foreignShard(job.path, dataset: plan.name, database: store.path)
    }
    let table = ShardRecord.sideTable(of: job.path)
    if let there = FileManager.default.contents(atPath: store.file(table)),
      there != Data(content.sideTableText.utf8)
    {
      throw DatasetError.foreignShard(table, dataset: plan.name, database: store.path)
    }
    let (shard, sideTable) = try content.publish(target)
    return .made(content, shard, sideTable)
  }

  /// The digests of a shard that an earlier run made; every example is checked.
  private func leaves(
    of record: ShardRecord, _ job: Job, _ index: Index, _ step: GenerationStep
  ) throws -> [UInt8] {
    let reader = ShardReader(
      record, split: job.split.name, dataset: plan.name, form: plan.form, store: store)
    var leaves: [UInt8] = []
    try reader.forEach(try index.examples(of: record)) { row, parts in
      leaves.append(
        contentsOf: Digest.leaf(position: row.position, label: row.label, parts: parts))
      try step(1)
    }
    return leaves
  }

  private func commit(
    _ job: Job, _ content: ShardContent, _ shard: PublishedFile, _ sideTable: PublishedFile,
    _ index: Index
  ) throws {
    try index.write { database in
      if let old = job.record { try Index.remove(old, database) }
      try database.execute(
        sql: "INSERT INTO shard(split_id, ordinal, path, encoding, first, count, bytes, sha256, "
          + "meta_bytes, meta_sha256) VALUES(?,?,?,?,?,?,?,?,?,?)",
        arguments: [
          job.split.id, job.ordinal, job.path, plan.form.encoding, job.range.lowerBound,
          job.range.count, shard.bytes,
          Data(shard.sha256), sideTable.bytes, Data(sideTable.sha256),
        ])
      try Index.insert(content, split: job.split.id, shard: database.lastInsertedRowID, database)
    }
  }

  // MARK: The end

  private func finish(
    _ dataset: DatasetRecord, _ leaves: [Int64: [[UInt8]]], _ index: Index
  ) throws {
    let splits = try index.splits(of: dataset).map { split in
      (split, Digest.split(name: split.name, leaves: leaves[split.id] ?? []))
    }
    let digest = Digest.dataset(task: plan.task, splits: splits.map { ($0.0.name, $0.1) })
    try index.write { database in
      for (split, digest) in splits {
        try database.execute(
          sql: "UPDATE split SET content_digest=? WHERE id=?", arguments: [Data(digest), split.id])
      }
      try database.execute(
        sql: "UPDATE dataset SET content_digest=?, complete=1 WHERE id=?",
        arguments: [Data(digest), dataset.id])
    }
  }

  private func result(
    _ index: Index, _ state: GenerationResult.State, _ seconds: Double
  ) throws -> GenerationResult {
    let dataset = try index.dataset(named: plan.name)
    let splits = try index.splits(of: dataset)
    let shards = try splits.flatMap { try index.shards(of: $0) }
    let digest = Digest.hex(dataset.contentDigest ?? [])
    return GenerationResult(
      dataset: plan.name, task: plan.task, state: state,
      folder: store.dataFolder(of: plan.name, holding: shards.map(\.path)),
      splits: splits.map { .init(name: $0.name, ordinal: $0.ordinal, count: $0.count) },
      tokens: shards.reduce(0) { $0 + plan.form.tokens(of: $1) },
      bytes: shards.reduce(0) { $0 + $1.bytes }, shards: shards.count, seconds: seconds,
      contentDigest: digest,
      manifestMatch: dataset.complete
        ? options.expected.map { $0.agrees(with: dataset, splits) } : nil,
      worker: dataset.complete ? nil : options.worker)
  }
}

/// The work was asked to stop.
private struct Stopped: Error {}

/// Counts examples over all threads, reports them, and stops the work when that is asked for.
private final class Meter: Sendable {
  private let options: GenerationOptions
  private let totals: [String: Int]
  private let done = Guarded<[String: Int]>([:])

  /// - Parameter totals: splits with examples that are to be made or read.
  init(_ options: GenerationOptions, totals: [(String, Int)]) {
    self.options = options
    self.totals = Dictionary(totals, uniquingKeysWith: +)
  }

  func count(_ examples: Int, of split: SplitSize) throws {
    if options.cancellation.isCancelled { throw Stopped() }
    done.withLock { done in
      let before = done[split.name, default: 0]
      done[split.name] = before + examples
      if before / 256 != (before + examples) / 256 { report(split, done: before + examples) }
    }
  }

  func report(_ split: SplitSize) {
    done.withLock { report(split, done: $0[split.name, default: 0]) }
  }

  private func report(_ split: SplitSize, done: Int) {
    let total = totals[split.name] ?? split.count
    options.progress(GenerationProgress(split: split.name, done: done, total: total))
  }
}
