/// One dash in one direction: what is drawn, and what it occupies.
struct DashSprite: Sendable {
  /// Pixels to each side of the centre, where the dash starts.
  let halfSide: Int
  /// Grey levels 0...255, row by row.
  let line: [UInt8]
  /// How much of each pixel the dash with its margin occupies, 0...255.
  let mask: [UInt8]

  var side: Int { 2 * halfSide + 1 }

  /// - Parameters:
  ///   - direction: from the centre.
  ///   - reduction: from the drawing's side to the sprite's.
  init(_ direction: Direction, _ geometry: PathfinderGeometry, margin: Int, reduction: Lanczos) {
    halfSide = geometry.halfSide(margin: margin)
    let scale = geometry.antialias
    let centre = halfSide * scale
    var canvas = Canvas(side: 2 * centre + 1)
    let length = Double(geometry.paddleLength * scale)
    let end = (
      y: Int((Double(centre) + length * direction.sine).rounded(.up)),
      x: Int((Double(centre) + length * direction.cosine).rounded(.up))
    )
    canvas.line(from: (centre, centre), to: end, width: geometry.lineWidth)
    line = reduction.reduced(canvas)
    mask = reduction.reduced(canvas.dilated(radius: margin * scale))
  }

  static func reduction(_ geometry: PathfinderGeometry, margin: Int) -> Lanczos {
    let halfSide = geometry.halfSide(margin: margin)
    return Lanczos(from: 2 * halfSide * geometry.antialias + 1, to: 2 * halfSide + 1)
  }

  /// Fully occupied pixels relative to the start, moved by (1, 1), within a square window.
  ///
  /// The move is the reference's: part of its distribution.
  func footprint(reach: Int) -> [(y: Int, x: Int)] {
    var taps: [(y: Int, x: Int)] = []
    for y in 0..<side {
      for x in 0..<side where mask[y * side + x] == 255 {
        let tap = (y: y - halfSide + 1, x: x - halfSide + 1)
        if abs(tap.y) <= reach && abs(tap.x) <= reach { taps.append(tap) }
      }
    }
    return taps
  }
}

/// The cells around a pivot on which the next dash may have its head.
struct DashCandidates {
  /// Cells relative to the pivot, by row, then column; each once.
  let cells: [(y: Int, x: Int)]

  /// - Parameter radius: dash length plus margin.
  init(radius: Int) {
    var cells: [(y: Int, x: Int)] = []
    let distance = Double(radius)
    var step = 0
    while Double(step) / distance < 2 * Double.pi {
      let direction = Direction(angle: Double(step) / distance)
      let cell = (
        y: Int((distance * direction.sine).rounded(.down)),
        x: Int((distance * direction.cosine).rounded(.down))
      )
      if !cells.contains(where: { $0 == cell }) { cells.append(cell) }
      step += 1
    }
    self.cells = cells.sorted { ($0.y, $0.x) < ($1.y, $1.x) }
  }
}
