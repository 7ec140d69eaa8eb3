extension PathfinderConfiguration: GeneratorConfiguration {
  /// `images`.
  public static let unit = "images"

  /// What is in a database was found, whatever the limit was.
  public var unlimited: PathfinderConfiguration {
    var configuration = self
    configuration.maxAttempts = .max
    return configuration
  }

  /// What makes the shards of a seed.
  public func shardMaker(seed: Int) -> ShardMaker {
    { split, range, step in
      guard let geometry, let encoder = PNGEncoder() else { throw DatasetError.noEncoder() }
      let tables = PathfinderTables.of(geometry)
      let generator = PathfinderGenerator(
        self, tables, seed: seed, attemptLimit: UInt64(max(1, maxAttempts)))
      let painter = PathfinderPainter(self, tables)
      var scene = PathfinderScene()
      var shard = ShardContent(
        first: range.lowerBound, capacity: range.count * (2048 + pixels / 4),
        form: TaskDescription.pathfinder.form(parameters))
      for position in range {
        try generator.place(split: split, position: position, into: &scene)
        try shard.append(scene, self, geometry, painter, encoder)
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
