/// The parameters of a generator, and how examples come from them.
///
/// An example is a pure function of task, version, parameters, seed, split and position.
public protocol GeneratorConfiguration: Sendable, Equatable {
  /// The task as the index has it.
  static var task: String { get }
  /// Raised whenever the same parameters and seed give other examples.
  static var generatorVersion: Int { get }
  /// What users call the examples: `examples`, `images`.
  static var unit: String { get }
  /// Sizes of train, validation and test when the user gives none.
  static var standardSplits: [SplitSize] { get }

  /// The parameters of a manifest or of a dataset's config; nil when they are another generator's.
  init?(parameters: [String: ParameterValue])
  /// Everything that decides the content, apart from the seed.
  var parameters: [String: ParameterValue] { get }
  /// The dataset's name when the user gives none.
  var datasetName: String { get }
  /// The same for examples that were found before: whatever stops a search that takes long is lifted.
  var unlimited: Self { get }

  /// Checks that examples can exist.
  ///
  /// - Throws: `usage`, with every mistake in one message.
  func validate() throws
  /// What makes the shards of a seed.
  func shardMaker(seed: Int) -> ShardMaker
}

/// Called between examples with the number that were made since the last call; throws when the work shall
/// stop.
public typealias GenerationStep = @Sendable (_ examples: Int) throws -> Void

/// Makes the examples of a range of a split.
public typealias ShardMaker =
  @Sendable (_ split: SplitSize, _ range: Range<Int>, _ step: GenerationStep) throws -> ShardContent

extension GeneratorConfiguration {
  /// The parameters as canonical JSON: what the index holds and the random key is made from.
  public var canonicalJSON: String { CanonicalJSON.encode(parameters) }

  /// The same: nothing stops the search.
  public var unlimited: Self { self }

  /// What a generation would cost; makes some examples in memory.
  ///
  /// - Throws: `usage` when no such examples exist.
  public func estimate(
    seed: Int, splits: [SplitSize], options: GenerationOptions
  ) throws -> GenerationEstimate {
    try validate()
    return try plan(name: datasetName, seed: seed, splits: splits).estimate(options)
  }

  /// What is to be made.
  func plan(name: String, seed: Int, splits: [SplitSize]) -> GenerationPlan {
    GenerationPlan(
      name: name, task: Self.task, config: canonicalJSON, seed: seed,
      generatorVersion: Self.generatorVersion, splits: splits, unit: Self.unit,
      configuration: self, makeShard: shardMaker(seed: seed))
  }
}

extension DatasetStore {
  /// Makes a dataset from a seed, or the part of it that is missing.
  ///
  /// The content depends on configuration and seed alone; an example is the same in every split size,
  /// shard size and thread count. A complete dataset of the same configuration is left as it is.
  /// - Parameters:
  ///   - name: nil for the configuration's own, as `listops-2k`.
  ///   - seed: 0 or more.
  ///   - splits: their sizes; empty ones are left out.
  /// - Throws: `configurationDiffers`, `locked`, `diskFull`, `usage`, `interrupted`.
  public func generate<Configuration: GeneratorConfiguration>(
    _ configuration: Configuration, name: String? = nil, seed: Int = 0,
    splits: [SplitSize] = Configuration.standardSplits, options: GenerationOptions = .init()
  ) throws -> GenerationResult {
    try configuration.validate()
    let plan = configuration.plan(
      name: name ?? configuration.datasetName, seed: seed, splits: splits)
    return try Generation(plan, in: self, options).run()
  }
}

extension TaskDescription {
  /// The parameters that a manifest or a dataset has, as its generator knows them.
  ///
  /// - Parameters:
  ///   - task: the task as the index has it.
  ///   - version: the generator's.
  /// - Returns: nil when no generator makes such examples.
  public static func configuration(
    ofTask task: String, version: Int, _ parameters: Parameters
  ) -> (any GeneratorConfiguration)? {
    guard let generator = of(stored: task).generator, generator.generatorVersion == version else {
      return nil
    }
    return generator.init(parameters: parameters)
  }
}
