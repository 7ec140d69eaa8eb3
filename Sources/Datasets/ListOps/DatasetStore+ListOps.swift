extension DatasetStore {
  /// Makes a ListOps dataset, or the part of it that is missing.
  ///
  /// The content depends on configuration and seed alone; an example is the same in every split size,
  /// shard size and thread count. A complete dataset of the same configuration is left as it is.
  /// - Parameters:
  ///   - name: nil for the configuration's own, e.g. `listops-2k`.
  ///   - seed: 0 or more.
  ///   - splits: their sizes; empty ones are left out.
  /// - Throws: `configurationDiffers`, `locked`, `diskFull`, `usage`, `interrupted`.
  public func generateListOps(
    _ configuration: ListOpsConfiguration = .init(), name: String? = nil, seed: Int = 0,
    splits: [SplitSize] = ListOpsConfiguration.standardSplits,
    options: GenerationOptions = .init()
  ) throws -> GenerationResult {
    try configuration.validate()
    let plan = GenerationPlan(
      listOps: configuration, name: name ?? configuration.datasetName, seed: seed, splits: splits)
    return try Generation(plan, in: self, options).run()
  }
}

extension GenerationPlan {
  init(listOps configuration: ListOpsConfiguration, name: String, seed: Int, splits: [SplitSize]) {
    self.init(
      name: name, task: ListOpsConfiguration.task, config: configuration.canonicalJSON, seed: seed,
      generatorVersion: ListOpsConfiguration.generatorVersion, splits: splits, unit: "examples"
    ) { split, range, step in
      let generator = ListOpsGenerator(configuration, seed: seed)
      var workspace = ListOpsGenerator.Workspace(configuration)
      // Half of the way between the limits: the default task's mean is a fifth less.
      let guess = range.count * (configuration.minLength + configuration.maxLength) / 2
      var shard = ShardContent(first: range.lowerBound, capacity: min(guess, 1 << 26))
      for position in range {
        try generator.example(split: split, position: position, in: &workspace) { symbols, value in
          shard.append(symbols, label: value)
        }
        try step(1)
      }
      return shard
    }
  }
}
