import Foundation

extension DatasetStore {
  /// Makes the dataset of a manifest.
  ///
  /// - Parameters:
  ///   - path: the manifest's file, for messages.
  ///   - name: nil for the manifest's own.
  ///   - sources: what converted data is made from; none for generated data.
  /// - Throws: `usage` when no generator makes it, and as the generators; whether the result is the
  ///   manifest's is in `manifestMatch`.
  public func build(
    _ manifest: Manifest, path: String, name: String? = nil, from sources: [String] = [],
    options: GenerationOptions = .init()
  ) throws -> GenerationResult {
    let name = name ?? manifest.name
    guard let seed = manifest.seed else {
      return try convert(manifest, path, name, sources, options)
    }
    if !sources.isEmpty { throw DatasetError.manifestNeedsNothing(path) }
    let splits = manifest.splits.map {
      SplitSize(name: $0.name, ordinal: $0.ordinal, count: $0.examples)
    }
    var options = options
    options.shardExamples = manifest.shardExamples
    options.expected = manifest
    let configuration = TaskDescription.configuration(
      ofTask: manifest.task, version: manifest.generatorVersion, manifest.parameters)
    guard let configuration else {
      throw DatasetError.manifestNotBuildable(path, task: manifest.task)
    }
    return try generate(configuration, name: name, seed: seed, splits: splits, options: options)
  }

  /// Makes converted data of a manifest from its sources.
  private func convert(
    _ manifest: Manifest, _ path: String, _ name: String, _ sources: [String],
    _ options: GenerationOptions
  ) throws -> GenerationResult {
    var options = options
    options.shardExamples = manifest.shardExamples
    options.expected = manifest
    if sources.isEmpty {
      throw DatasetError.manifestNeedsSources(path, sources: manifest.sources.map(\.name))
    }
    let released = LRARelease.names.first {
      ReleasedDataset(named: $0)?.parameters == manifest.parameters
    }
    if let released {
      var release = LRARelease()
      release.only = [released]
      let made = try convertRelease(release, from: sources, name: name, options: options)
      if let only = made.datasets.first { return only.generation }
    }
    let converter = TaskDescription.of(stored: manifest.task).converters.lazy
      .compactMap { $0(manifest.task, manifest.parameters) }
      .first { type(of: $0).version == manifest.generatorVersion }
    guard let converter else {
      throw DatasetError.manifestNotBuildable(path, task: manifest.task)
    }
    return try convert(converter, from: sources, name: name, options: options).generation
  }
}

/// What a generation would cost, from making a few examples.
public struct GenerationEstimate: Sendable, Equatable {
  /// Symbols in all examples together, about.
  public let tokens: Int
  /// The size of all shards, about.
  public let bytes: Int
  /// How many shards there would be.
  public let shards: Int
  /// Seconds on this machine, about.
  public let seconds: Double
}

extension GenerationPlan {
  /// What the generation would cost; makes some examples in memory.
  func estimate(_ options: GenerationOptions) throws -> GenerationEstimate {
    try validate()
    let splits = splits.filter { pairs[$0.ordinal] == nil }
    guard let first = splits.first(where: { $0.count > 0 }) else {
      throw DatasetError.invalidParameter("every split is empty; ask for at least one example")
    }
    let sample = min(256, first.count)
    _ = try makeShard(first, 0..<1) { _ in }  // builds what is built once
    let start = DispatchTime.now().uptimeNanoseconds
    let made = try makeShard(first, 0..<sample) { _ in }
    let seconds = Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9
    let places = ShardPlace.all(of: splits, shardExamples: max(1, options.shardExamples))
    let mine = places.indices.filter(options.worker.makes).map { places[$0] }
    let total = mine.reduce(0) { $0 + $1.count }
    let shards = mine.count
    let perShard = form.isArray ? NpyHeader.bytes : 2 * TarHeader.blockBytes
    return GenerationEstimate(
      tokens: total * made.tokens / sample,
      bytes: total * (made.fileBytes - perShard) / sample + perShard * shards, shards: shards,
      seconds: seconds / Double(sample) * Double(total) / Double(max(1, options.threads)))
  }
}
