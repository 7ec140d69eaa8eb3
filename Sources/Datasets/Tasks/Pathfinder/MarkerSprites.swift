/// The filled circles on the ends of a path.
///
/// Near the border the filter has fewer taps, which changes a few grey levels, so there is a sprite for
/// every distance from the border that makes a difference.
struct MarkerSprites: Sendable {
  /// Pixels to each side of the marker's centre.
  let halfSide: Int
  private let size: Int
  /// Centres closer to a border than this have sprites of their own.
  private let border: Int
  private let sprites: [[UInt8]]

  var side: Int { 2 * halfSide + 1 }

  init(_ geometry: PathfinderGeometry) {
    size = geometry.size
    // Two radii are the diameter: the disc reaches half of it, the filter three pixels more.
    halfSide = (geometry.markerDiameter + 1) / 2 + 4
    border = halfSide
    let scale = geometry.antialias
    let reduction = Lanczos(from: size * scale, to: size)
    var sprites: [[UInt8]] = []
    for row in 0...(2 * border) {
      for column in 0...(2 * border) {
        let y = MarkerSprites.representative(row, border, size)
        let x = MarkerSprites.representative(column, border, size)
        sprites.append(
          MarkerSprites.draw(
            y, x, geometry, halfSide: halfSide, reduction))
      }
    }
    self.sprites = sprites
  }

  /// A coordinate of the class: those near the borders stand for themselves, one for the middle.
  private static func representative(_ number: Int, _ border: Int, _ size: Int) -> Int {
    number < border ? number : number == border ? size / 2 : size - (2 * border + 1 - number)
  }

  private func number(_ coordinate: Int) -> Int {
    if coordinate < border { return max(coordinate, 0) }
    if coordinate >= size - border { return min(coordinate, size - 1) - size + 2 * border + 1 }
    return border
  }

  /// The grey levels around a centre inside the image; those outside the image are 0.
  func sprite(y: Int, x: Int) -> [UInt8] {
    sprites[number(y) * (2 * border + 1) + number(x)]
  }

  private static func draw(
    _ y: Int, _ x: Int, _ geometry: PathfinderGeometry, halfSide: Int, _ reduction: Lanczos
  ) -> [UInt8] {
    let scale = geometry.antialias
    let canvasSide = geometry.size * scale
    // (R a)^2 with a = 2 is the diameter's square.
    let square = geometry.markerDiameter * geometry.markerDiameter
    let reach = geometry.markerDiameter
    let rows = max(0, y * scale - reach)..<min(canvasSide, y * scale + reach + 1)
    let columns = max(0, x * scale - reach)..<min(canvasSide, x * scale + reach + 1)
    let side = 2 * halfSide + 1
    var between = [UInt8](repeating: 0, count: rows.count * side)
    var result = [UInt8](repeating: 0, count: side * side)
    for (number, row) in rows.enumerated() {
      let dy = row - y * scale
      for column in 0..<side {
        let output = x - halfSide + column
        guard output >= 0, output < geometry.size else { continue }
        between[number * side + column] = reduction.output(output, nonzero: columns) {
          let dx = $0 - x * scale
          return dy * dy + dx * dx <= square ? 255 : 0
        }
      }
    }
    for row in 0..<side {
      let output = y - halfSide + row
      guard output >= 0, output < geometry.size else { continue }
      for column in 0..<side {
        result[row * side + column] = reduction.output(output, nonzero: rows) {
          between[($0 - rows.lowerBound) * side + column]
        }
      }
    }
    return result
  }
}
