/// The tables of one image size; shared by all threads.
final class PathfinderTables: Sendable {
  let geometry: PathfinderGeometry
  /// One for each margin that an image may have.
  let margins: [MarginTables]
  let markers: MarkerSprites
  /// Directions of 0..<360 degrees, for the way from one start to the other.
  let angles: [Direction]

  init(_ geometry: PathfinderGeometry) {
    self.geometry = geometry
    margins = geometry.margins.map { MarginTables(geometry, margin: $0) }
    markers = MarkerSprites(geometry)
    angles = (0..<360).map { Direction(degrees: $0) }
  }

  private static let built = Guarded<[Int: PathfinderTables]>([:])

  /// The tables of a size, built when they are first needed.
  static func of(_ geometry: PathfinderGeometry) -> PathfinderTables {
    built.withLock { built in
      if let tables = built[geometry.size] { return tables }
      let tables = PathfinderTables(geometry)
      built[geometry.size] = tables
      return tables
    }
  }
}
