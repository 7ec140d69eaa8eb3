extension DatasetStore {
  /// Makes a Pathfinder dataset, or the part of it that is missing.
  ///
  /// The content depends on configuration and seed alone; an example is the same in every split size,
  /// shard size and thread count. A complete dataset of the same configuration is left as it is.
  /// - Parameters:
  ///   - name: nil for the configuration's own, e.g. `pathfinder32-hard`.
  ///   - seed: 0 or more.
  ///   - splits: their sizes; empty ones are left out.
  ///   - maxAttempts: after so many attempts to place the two paths an image is called impossible.
  /// - Throws: `configurationDiffers`, `locked`, `diskFull`, `usage`, `interrupted`.
  public func generatePathfinder(
    _ configuration: PathfinderConfiguration = .init(), name: String? = nil, seed: Int = 0,
    splits: [SplitSize] = PathfinderConfiguration.standardSplits,
    maxAttempts: Int = PathfinderConfiguration.standardMaxAttempts,
    options: GenerationOptions = .init()
  ) throws -> GenerationResult {
    try configuration.validate()
    let plan = GenerationPlan(
      pathfinder: configuration, name: name ?? configuration.datasetName, seed: seed,
      splits: splits, maxAttempts: maxAttempts)
    return try Generation(plan, in: self, options).run()
  }
}

extension PathfinderConfiguration {
  /// After so many attempts to place the two paths an image is called impossible.
  ///
  /// The hardest size needs some thousands.
  public static let standardMaxAttempts = 1_000_000

  /// What a generation would cost; makes some examples in memory.
  ///
  /// - Throws: `usage` when no such examples exist.
  public func estimate(
    seed: Int, splits: [SplitSize], options: GenerationOptions
  ) throws -> GenerationEstimate {
    try validate()
    return try GenerationPlan(
      pathfinder: self, name: datasetName, seed: seed, splits: splits,
      maxAttempts: PathfinderConfiguration.standardMaxAttempts
    ).estimate(options)
  }
}

extension GenerationPlan {
  init(
    pathfinder configuration: PathfinderConfiguration, name: String, seed: Int,
    splits: [SplitSize], maxAttempts: Int
  ) {
    self.init(
      name: name, task: PathfinderConfiguration.task, config: configuration.canonicalJSON,
      seed: seed, generatorVersion: PathfinderConfiguration.generatorVersion, splits: splits,
      unit: "images"
    ) { split, range, step in
      guard let geometry = configuration.geometry, let encoder = PNGEncoder() else {
        throw DatasetError.noEncoder()
      }
      let tables = PathfinderTables.of(geometry)
      let generator = PathfinderGenerator(
        configuration, tables, seed: seed, attemptLimit: UInt64(max(1, maxAttempts)))
      let painter = PathfinderPainter(configuration, tables)
      var scene = PathfinderScene()
      let form = StoredForm(task: PathfinderConfiguration.task, config: configuration.canonicalJSON)
      var shard = ShardContent(
        first: range.lowerBound, capacity: range.count * (2048 + configuration.pixels / 4),
        form: form)
      for position in range {
        try generator.place(split: split, position: position, into: &scene)
        try shard.append(scene, configuration, geometry, painter, encoder)
        try step(1)
      }
      return shard
    }
  }
}

extension ShardContent {
  /// Draws, encodes and appends a scene.
  fileprivate mutating func append(
    _ scene: PathfinderScene, _ configuration: PathfinderConfiguration,
    _ geometry: PathfinderGeometry, _ painter: PathfinderPainter, _ encoder: PNGEncoder
  ) throws {
    let margin = geometry.margins[scene.marginIndex]
    let size = configuration.size
    try withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 2 * size * size) { pixels in
      guard let base = pixels.baseAddress else { throw DatasetError.noEncoder() }
      painter.draw(scene, into: base)
      let symbols = UnsafeBufferPointer(start: base, count: size * size)
      var maskPNG: [UInt8] = []
      let maskSymbols = UnsafeBufferPointer(start: base + size * size, count: size * size)
      if configuration.segmentation != .none {
        painter.drawMask(scene, into: base + size * size)
        let encoded = encoder.encode(maskSymbols, width: size, height: size) { Array($0) }
        guard let encoded else { throw DatasetError.noEncoder() }
        maskPNG = encoded
      }
      let appended: Void? = maskPNG.withUnsafeBufferPointer { maskPNG in
        encoder.encode(symbols, width: size, height: size) { png in
          let mask = maskPNG.isEmpty ? nil : Image(png: maskPNG, symbols: maskSymbols)
          append(
            Image(png: png, symbols: symbols), mask: mask, label: scene.label,
            meta: scene.meta(margin: margin, maskBytes: mask?.png.count))
        }
      }
      guard appended != nil else { throw DatasetError.noEncoder() }
    }
  }
}
