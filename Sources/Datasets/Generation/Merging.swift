import Foundation

/// What a merge would put together.
public struct MergePlan: Sendable {
  /// The dataset's name.
  public let dataset: String
  /// The task.
  public let task: String
  /// Every parameter.
  public let parameters: [String: ParameterValue]
  /// The seed.
  public let seed: Int
  /// The splits with their sizes.
  public let splits: [SplitSize]
  /// How many shards the dataset has.
  public let shards: Int
  /// The size of those that are to be copied, side tables not counted.
  public let bytes: Int
  /// How many are to be copied from which database; what several hold comes from the first.
  public let copied: [(database: String, shards: Int)]

  /// The generator's configuration.
  public var configuration: (any GeneratorConfiguration)? { plan.configuration }

  let plan: GenerationPlan
  let shardExamples: Int
}

extension DatasetStore {
  /// Looks at the databases of workers and finds what a merge into this one would copy.
  ///
  /// - Parameters:
  ///   - parts: paths of databases; this store's own may be among them.
  ///   - name: the dataset; nil for the only one that all of them hold.
  /// - Throws: `configurationDiffers` when they hold different datasets of the name, `failure` with a
  ///   list when shards are in none of them, `usage`.
  public func mergePlan(_ parts: [String], name: String? = nil) throws -> MergePlan {
    let name = try name ?? commonName(parts)
    let loaded = try parts.map { try MergePart($0, dataset: name) }
    guard let first = loaded.first else { throw DatasetError.partsUnclear([], databases: []) }
    guard let plan = GenerationPlan(of: first.dataset, splits: first.splits),
      let seed = first.dataset.seed
    else { throw DatasetError.notMergeable(name, path: first.path) }
    for part in loaded.dropFirst() {
      if let (has, holds) = plan.difference(
        from: part.dataset, splits: part.splits, sources: [], shardExamples: nil, asked: 0)
      {
        throw DatasetError.partDiffers(
          part.path, has: has, first: first.path, holds: holds, dataset: name)
      }
    }
    let own = try own(name)
    let all = loaded + (own.map { [$0] } ?? [])
    let size = try shardExamples(all)
    let places = ShardPlace.all(of: plan.splits, shardExamples: size)
    if own?.dataset.complete != true { try requireAll(places, all, name) }

    var sources: [ShardPlace.Key: MergeSource] = [:]
    var counts: [Int] = []
    for part in loaded {
      let before = sources.count
      for place in places where own?.record(place) == nil && sources[place.key] == nil {
        guard let record = part.record(place) else { continue }
        sources[place.key] = MergeSource(record: record, split: place.split, part: part)
      }
      counts.append(sources.count - before)
    }
    return MergePlan(
      dataset: name, task: plan.task, parameters: plan.configuration?.parameters ?? [:],
      seed: seed, splits: plan.splits, shards: places.count,
      bytes: sources.values.reduce(0) { $0 + $1.record.bytes },
      copied: zip(loaded, counts).map { ($0.path, $1) }, plan: plan.copying(sources),
      shardExamples: size)
  }

  /// Copies the shards of workers into this database and completes the dataset.
  ///
  /// Every shard is checked against its SHA-256, every example against its checksum, before anything of
  /// the shard is written. What was copied before an interruption is kept.
  /// - Throws: `checksumMismatch`, `configurationDiffers`, `locked`, `diskFull`, `interrupted`.
  public func merge(
    _ plan: MergePlan, options: GenerationOptions = .init()
  ) throws -> GenerationResult {
    var options = options
    options.shardExamples = plan.shardExamples
    options.worker = .all
    return try Generation(plan.plan, in: self, options).run()
  }

  private func commonName(_ parts: [String]) throws -> String {
    let names = try parts.map { try Index(at: $0, .read).datasets().map(\.name) }
    let common = (names.first ?? []).filter { name in names.allSatisfy { $0.contains(name) } }
    guard let only = common.first, common.count == 1 else {
      throw DatasetError.partsUnclear(common, databases: parts)
    }
    return only
  }

  /// What this database has of the dataset already.
  private func own(_ name: String) throws -> MergePart? {
    guard let index = try Index.ifAny(at: path),
      try index.datasets().contains(where: { $0.name == name })
    else { return nil }
    return try MergePart(path, dataset: name, present: true)
  }

  /// Examples per shard, which all shards have to agree on.
  private func shardExamples(_ parts: [MergePart]) throws -> Int {
    // A shard that is its whole split fits every size that is not smaller.
    let exact = parts.lazy.compactMap(\.shardExamples).first
    let size = exact ?? parts.flatMap(\.splits).map(\.count).max() ?? 1
    for part in parts {
      for (split, record) in part.records {
        guard record.isCut(by: size, split) else {
          throw DatasetError.partDiffers(
            part.path, has: "\(record.count.grouped) examples per shard",
            first: parts.first?.path ?? "", holds: "\(size.grouped)", dataset: part.dataset.name)
        }
      }
    }
    return size
  }

  private func requireAll(_ places: [ShardPlace], _ parts: [MergePart], _ name: String) throws {
    let missing = places.indices.filter { number in
      parts.allSatisfy { $0.record(places[number]) == nil }
    }
    guard !missing.isEmpty else { return }
    let held = parts.map { part in places.indices.filter { part.record(places[$0]) != nil } }
    throw DatasetError.partsMissing(
      ShardPlace.text(missing.map { places[$0] }), of: name, databases: parts.count,
      workers: WorkerShare.making(missing, beside: held, total: places.count))
  }
}

extension GenerationPlan {
  /// A plan whose shards are not made but read and checked.
  fileprivate func copying(_ sources: [ShardPlace.Key: MergeSource]) -> GenerationPlan {
    var copy = self
    copy.makeShard = { split, range, step in
      let key = ShardPlace.Key(split: split.name, first: range.lowerBound)
      guard let source = sources[key] else {
        throw DatasetError.partsMissing(
          ["a shard of \(split.name)"], of: name, databases: 2, workers: [])
      }
      let content = try source.content(form)
      try step(range.count)
      return content
    }
    return copy
  }
}
