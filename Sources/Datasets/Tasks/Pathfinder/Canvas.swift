/// A square 8-bit picture on which dashes are drawn at several times their size.
struct Canvas {
  let side: Int
  var pixels: [UInt8]

  init(side: Int) {
    self.side = side
    pixels = [UInt8](repeating: 0, count: side * side)
  }

  private mutating func span(_ from: Int, _ through: Int, row: Int) {
    guard row >= 0, row < side else { return }
    let first = max(from, 0)
    let last = min(through, side - 1)
    guard first <= last else { return }
    for column in first...last { pixels[row * side + column] = 255 }
  }

  /// A line with both end pixels, as Pillow draws it.
  mutating func line(from start: (y: Int, x: Int), to end: (y: Int, x: Int), width: Int) {
    if width == 1 { thin(start, end) } else { wide(start, end, width) }
  }

  /// Bresenham's line.
  private mutating func thin(_ start: (y: Int, x: Int), _ end: (y: Int, x: Int)) {
    let dx = abs(end.x - start.x)
    let dy = abs(end.y - start.y)
    let stepX = end.x < start.x ? -1 : 1
    let stepY = end.y < start.y ? -1 : 1
    var (y, x) = start
    let steep = dy >= dx
    let (major, minor) = steep ? (dy, dx) : (dx, dy)
    var error = 2 * minor - major
    for _ in 0..<major {
      span(x, x, row: y)
      if error >= 0 {
        if steep { x += stepX } else { y += stepY }
        error -= 2 * major
      }
      error += 2 * minor
      if steep { y += stepY } else { x += stepX }
    }
    span(end.x, end.x, row: end.y)
  }

  /// A quadrilateral around the line, as Pillow places its corners.
  private mutating func wide(_ start: (y: Int, x: Int), _ end: (y: Int, x: Int), _ width: Int) {
    let dx = Double(end.x - start.x)
    let dy = Double(end.y - start.y)
    let length = (dx * dx + dy * dy).squareRoot()
    guard length > 0 else { return span(start.x, start.x, row: start.y) }
    let half = Double(width - 1) / 2
    let small = Double(Canvas.roundDown(half)) / length
    let large = Double(Canvas.roundUp(half)) / length
    let a = Canvas.roundDown(small * dy)
    let b = Canvas.roundDown(large * dy)
    let c = Canvas.roundDown(small * dx)
    let e = Canvas.roundDown(large * dx)
    fill([
      (start.y + e, start.x - a), (end.y + e, end.x - a), (end.y - c, end.x + b),
      (start.y - c, start.x + b),
    ])
  }

  private struct Edge {
    let top: Int
    let bottom: Int
    let y: Int
    let x: Int
    let slope: Float

    init(_ one: (y: Int, x: Int), _ two: (y: Int, x: Int)) {
      top = min(one.y, two.y)
      bottom = max(one.y, two.y)
      (y, x) = one
      slope = one.y == two.y ? 0 : Float(two.x - one.x) / Float(two.y - one.y)
    }

    /// Where the edge crosses a row; the single precision is Pillow's.
    func crossing(_ row: Int) -> Float { Float(row - y) * slope + Float(x) }
    func contains(_ row: Int) -> Bool { row >= top && row <= bottom }
    func ends(_ row: Int) -> Bool { row == top || row == bottom }
  }

  /// Fills a polygon by scan line.
  private mutating func fill(_ corners: [(y: Int, x: Int)]) {
    var edges: [Edge] = []
    for (number, corner) in corners.enumerated() {
      let next = corners[(number + 1) % corners.count]
      if corner.y == next.y {
        span(min(corner.x, next.x), max(corner.x, next.x), row: corner.y)
      } else {
        edges.append(Edge(corner, next))
      }
    }
    guard let top = corners.map(\.y).min(), let bottom = corners.map(\.y).max() else { return }
    for row in top...bottom {
      let crossings = Canvas.crossings(edges, row, last: bottom).sorted()
      var free = Int.min
      for pair in stride(from: 1, to: crossings.count, by: 2) {
        let through = Canvas.roundDown(Double(crossings[pair]))
        let from = max(Canvas.roundUp(Double(crossings[pair - 1])), free)
        guard through >= free, through >= from else { continue }
        span(from, through, row: row)
        free = through + 1
      }
    }
  }

  private static func crossings(_ edges: [Edge], _ row: Int, last: Int) -> [Float] {
    var crossings: [Float] = []
    for (number, edge) in edges.enumerated() where edge.contains(row) {
      var crossing = edge.crossing(row)
      if row == edge.bottom && row < last {
        crossings += [crossing, crossing]
        continue
      }
      if edge.ends(row) && edge.slope != 0 {
        for other in edges[..<number] where other.ends(row) && other.slope != 0 {
          let neighbour = row + (row == edge.bottom ? -1 : 1)
          guard crossing.rounded() == other.crossing(row).rounded(), other.contains(neighbour)
          else { continue }
          // A corner that lies off both of its edges would leave a gap to the next row.
          let (p, q) = (edge.crossing(neighbour), other.crossing(neighbour))
          if crossing > p + 1 && crossing > q + 1 {
            crossing = max(p, q).rounded() + 1
          } else if crossing < p - 1 && crossing < q - 1 {
            crossing = min(p, q).rounded() - 1
          }
          break
        }
      }
      crossings.append(crossing)
    }
    return crossings
  }

  /// To the nearest integer, halves away from zero.
  static func roundUp(_ value: Double) -> Int {
    value >= 0 ? Int((value + 0.5).rounded(.down)) : -Int((0.5 - value).rounded(.down))
  }

  /// To the nearest integer, halves towards zero.
  static func roundDown(_ value: Double) -> Int {
    value >= 0 ? Int((value - 0.5).rounded(.up)) : -Int((-value - 0.5).rounded(.up))
  }

  /// Sets every pixel within a radius of a set pixel.
  func dilated(radius: Int) -> Canvas {
    var result = Canvas(side: side)
    for y in 0..<side {
      for x in 0..<side where pixels[y * side + x] != 0 {
        for dy in -radius...radius {
          var reach = radius
          while reach * reach + dy * dy > radius * radius { reach -= 1 }
          result.span(x - reach, x + reach, row: y + dy)
        }
      }
    }
    return result
  }
}
