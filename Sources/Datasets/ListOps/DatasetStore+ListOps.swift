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
    fatalError("in the next commit")
  }
}
