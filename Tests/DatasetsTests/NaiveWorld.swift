@testable import Datasets

/// The occupied pixels of the naive reference.
struct NaiveWorld {
  let geometry: PathfinderGeometry
  let margin: Int
  private(set) var map: [UInt8]
  private let reduction: Lanczos

  init(_ geometry: PathfinderGeometry, margin: Int) {
    self.geometry = geometry
    self.margin = margin
    reduction = DashSprite.reduction(geometry, margin: margin)
    let (size, padding) = (geometry.size, geometry.padding)
    map = (0..<(size * size)).map { index in
      let (y, x) = (index / size, index % size)
      let isFrame = min(y, x) < padding || max(y, x) >= size - padding
      return isFrame ? 255 : 0
    }
  }

  static func disc(_ radius: Double) -> [(Int, Int)] {
    let reach = Int(radius)
    var cells: [(Int, Int)] = []
    for dy in -reach...reach {
      for dx in -reach...reach where Double(dy * dy + dx * dx) <= radius * radius {
        cells.append((dy, dx))
      }
    }
    return cells
  }

  private func isInside(_ y: Int, _ x: Int) -> Bool {
    y >= 0 && x >= 0 && y < geometry.size && x < geometry.size
  }

  func sprite(_ angle: Double) -> DashSprite {
    DashSprite(Direction(angle: angle), geometry, margin: margin, reduction: reduction)
  }

  private func forEach(_ dash: NaivePathfinder.Dash, _ body: (Int, UInt8) -> Void) {
    for (index, value) in dash.sprite.mask.enumerated() {
      let y = dash.y - dash.sprite.halfSide + index / dash.sprite.side
      let x = dash.x - dash.sprite.halfSide + index % dash.sprite.side
      if isInside(y, x) { body(y * geometry.size + x, value) }
    }
  }

  mutating func merge(_ dash: NaivePathfinder.Dash) {
    var merged = map
    forEach(dash) { merged[$0] = max(merged[$0], $1) }
    map = merged
  }

  func collides(_ dash: NaivePathfinder.Dash) -> Bool {
    var found = false
    forEach(dash) { found = found || Int(map[$0]) + Int($1) >= 459 }
    return found
  }

  /// The greatest value within the margin.
  func nearest(_ y: Int, _ x: Int) -> UInt8 {
    NaiveWorld.disc(Double(margin)).filter { isInside(y + $0.0, x + $0.1) }
      .map { map[(y + $0.0) * geometry.size + x + $0.1] }.max() ?? 0
  }

  /// The footprint; nil when a quadrant holds nothing of it.
  private func footprint(_ degrees: Int) -> [(y: Int, x: Int)]? {
    let sprite = sprite(Double(degrees) * Double.pi / 180)
    let reach = geometry.paddleLength + margin
    var taps: [(y: Int, x: Int)] = []
    for (index, value) in sprite.mask.enumerated() where value == 255 {
      let y = index / sprite.side - sprite.halfSide + 1
      let x = index % sprite.side - sprite.halfSide + 1
      if max(abs(y), abs(x)) <= reach { taps.append((y, x)) }
    }
    let quadrants = [
      taps.contains { $0.y >= 0 && $0.x >= 0 }, taps.contains { $0.y >= 0 && $0.x <= 0 },
      taps.contains { $0.y <= 0 && $0.x >= 0 }, taps.contains { $0.y <= 0 && $0.x <= 0 },
    ]
    return quadrants.contains(false) ? nil : taps
  }

  private func cells(
    _ taps: [(y: Int, x: Int)], _ isTaken: (Int, Int) -> Bool
  ) -> [(Int, Int)] {
    var cells: [(Int, Int)] = []
    for y in 0..<geometry.size {
      for x in 0..<geometry.size {
        let isBlocked = taps.contains {
          isInside(y + $0.y, x + $0.x) && isTaken(y + $0.y, x + $0.x)
        }
        if !isBlocked { cells.append((y, x)) }
      }
    }
    return cells
  }

  func startsOfZero(_ degrees: Int) -> [(Int, Int)] {
    guard let taps = footprint(degrees) else { return [] }
    let frame = 2 * geometry.seedDistance
    return cells(taps) { min($0, $1) < frame || max($0, $1) >= geometry.size - frame }
  }

  func startsOfDistractor(_ degrees: Int) -> [(Int, Int)]? {
    guard let taps = footprint(degrees) else { return nil }
    return cells(taps) { y, x in
      map[y * geometry.size + x] >= 77 || min(y, x) == 0 || max(y, x) == geometry.size - 1
    }
  }
}
