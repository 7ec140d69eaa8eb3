/// Everything that depends on image size and margin alone, so that no trigonometry is left per image.
///
/// Directions have numbers: 0..<360 are -180...179 degrees, 360 + c is that of candidate c. Sprites have
/// the same numbers; a candidate's is drawn backwards from the head, as the reference does.
final class MarginTables: Sendable {
  /// A candidate for the next head with its weight.
  struct Choice: Sendable {
    /// round(cos^2 * 2^31) of the turn.
    let weight: UInt64
    /// From the pivot's byte in a map to the cell's.
    let offset: Int32
    let candidate: Int32
  }

  /// Where snake 0 may start, and what a first dash needs.
  struct Seed: Sendable {
    let sine: Double
    let cosine: Double
    let reversedSine: Double
    let reversedCosine: Double
    /// Fully occupied pixels relative to the start.
    let footprint: [(y: Int, x: Int)]
    /// Each quadrant holds a part of the footprint.
    let isComplete: Bool
    /// Cells of the image, by row, then column, whose footprint keeps off the wide frame.
    let starts: [(y: Int16, x: Int16)]
  }

  let geometry: PathfinderGeometry
  let margin: Int
  /// Dash length plus margin.
  let reach: Int
  let layout: MapLayout
  let candidates: [(y: Int, x: Int)]
  let seeds: [Seed]
  /// By direction in degrees: there are cells for snake 0 to start from.
  let hasStarts: [Bool]
  /// By direction: the step to the next pivot.
  let steps: [PivotStep]
  /// By direction: the choices, `choiceStarts[d]..<choiceStarts[d + 1]`.
  let choices: [Choice]
  let choiceStarts: [Int]

  let lines: SpritePlane
  let masks: SpritePlane
  /// The masks, each value spread over the disc of the margin.
  let spreadMasks: SpritePlane
  /// Where the map is above this, mask and map together reach 459 of 510.
  let limits: SpritePlane
  /// Mask at least 77: more than 0.3.
  let occupied: SpriteBits
  /// Line above 64.
  let ink: SpriteBits

  init(_ geometry: PathfinderGeometry, margin: Int) {
    self.geometry = geometry
    self.margin = margin
    reach = geometry.paddleLength + margin
    let halfSide = geometry.halfSide(margin: margin)
    let layout = MapLayout(geometry, margin: margin)
    self.layout = layout
    candidates = DashCandidates(radius: reach).cells
    let degrees = (-180..<180).map { Direction(degrees: $0) }
    let turned = candidates.map {
      Direction(angle: ExactMath.atan2(Double($0.y), Double($0.x)))
    }
    let directions = degrees + turned
    let reduction = DashSprite.reduction(geometry, margin: margin)
    let sprites = (degrees + turned.map(\.reversed)).map {
      DashSprite($0, geometry, margin: margin, reduction: reduction)
    }
    lines = SpritePlane(sprites.map(\.line), halfSide: halfSide)
    masks = SpritePlane(sprites.map(\.mask), halfSide: halfSide)
    spreadMasks = SpritePlane(
      sprites.map { MarginTables.spread($0, margin) }, halfSide: halfSide + margin)
    limits = SpritePlane(
      sprites.map { $0.mask.map { $0 >= 204 ? UInt8(458 - Int($0)) : 255 } }, halfSide: halfSide,
      empty: 255)
    occupied = SpriteBits(sprites.map(\.mask), halfSide: halfSide) { $0 >= 77 }
    ink = SpriteBits(sprites.map(\.line), halfSide: halfSide) { $0 > 64 }
    let stepLength = Double(geometry.paddleLength + 2 * margin)
    steps = directions.map { PivotStep($0, length: stepLength, layout) }
    let reachOfSeeds = reach
    seeds = zip(degrees, sprites).map { Seed($0, $1, geometry, reach: reachOfSeeds) }
    hasStarts = seeds.map { !$0.starts.isEmpty }
    var choices: [Choice] = []
    var starts = [0]
    for direction in directions {
      for (number, (cell, next)) in zip(candidates, turned).enumerated() {
        let weight = MarginTables.weight(direction, next, geometry.continuityValue)
        guard weight > 0 else { continue }
        choices.append(
          Choice(
            weight: weight, offset: Int32(cell.y * layout.stride + cell.x),
            candidate: Int32(number)))
      }
      starts.append(choices.count)
    }
    self.choices = choices
    choiceStarts = starts
  }

  /// round(cos^2 * 2^31) of the turn, 0 beyond a quarter turn divided by the continuity.
  private static func weight(_ from: Direction, _ to: Direction, _ continuity: Double) -> UInt64 {
    let difference = abs(to.angle - from.angle)
    let turn = continuity * min(difference, 2 * Double.pi - difference)
    guard turn < Double.pi / 2 else { return 0 }
    let cosine = ExactMath.cos(turn)
    return UInt64((cosine * cosine * 0x1p31).rounded())
  }

  /// The maximum over the disc of the margin, in a picture wider by the margin.
  private static func spread(_ sprite: DashSprite, _ margin: Int) -> [UInt8] {
    let side = sprite.side
    let wide = side + 2 * margin
    var result = [UInt8](repeating: 0, count: wide * wide)
    for dy in -margin...margin {
      for dx in -margin...margin where dy * dy + dx * dx <= margin * margin {
        for y in 0..<side {
          let row = (y + margin + dy) * wide + margin + dx
          for x in 0..<side { result[row + x] = max(result[row + x], sprite.mask[y * side + x]) }
        }
      }
    }
    return result
  }
}

extension MarginTables.Seed {
  fileprivate init(
    _ direction: Direction, _ sprite: DashSprite, _ geometry: PathfinderGeometry, reach: Int
  ) {
    sine = direction.sine
    cosine = direction.cosine
    let reversed = direction.reversed
    reversedSine = reversed.sine
    reversedCosine = reversed.cosine
    let taps = sprite.footprint(reach: reach)
    footprint = taps
    isComplete = [(1, 1), (1, -1), (-1, 1), (-1, -1)].allSatisfy { signs in
      taps.contains { $0.y * signs.0 >= 0 && $0.x * signs.1 >= 0 }
    }
    let size = geometry.size
    let frame = 2 * geometry.seedDistance
    func isFrame(_ y: Int, _ x: Int) -> Bool {
      guard y >= 0, y < size, x >= 0, x < size else { return false }
      return y < frame || y >= size - frame || x < frame || x >= size - frame
    }
    var starts: [(y: Int16, x: Int16)] = []
    if isComplete {
      for y in 0..<size {
        for x in 0..<size where !taps.contains(where: { isFrame(y + $0.y, x + $0.x) }) {
          starts.append((Int16(y), Int16(x)))
        }
      }
    }
    self.starts = starts
  }
}

/// The displacement from a pivot to the next one: `ceil(pivot + length * direction)` in doubles.
struct PivotStep: Sendable {
  /// Bytes of a map; only where the rounding is the same for every pivot.
  let y: Int32
  let x: Int32
  /// Some pivot rounds differently, so the sum must be evaluated: sin(pi) is 1.2e-16, which `ceil`
  /// sees next to small numbers only.
  let isLiteral: Bool
  let exactY: Double
  let exactX: Double

  init(_ direction: Direction, length: Double, _ layout: MapLayout) {
    let dy = length * direction.sine
    let dx = length * direction.cosine
    exactY = dy
    exactX = dx
    func common(_ step: Double) -> Int? {
      let first = Int(step.rounded(.up))
      let range = -layout.pad..<(layout.size + layout.pad)
      return range.allSatisfy { Int((Double($0) + step).rounded(.up)) == $0 + first } ? first : nil
    }
    let (y, x) = (common(dy), common(dx))
    isLiteral = y == nil || x == nil
    self.y = Int32(y ?? 0)
    self.x = Int32(x ?? 0)
  }
}

/// How a map of the image lies in memory: with a wide border, so that nothing needs clipping.
///
/// The border is occupied, like the frame inside the image. A dash that reaches over the image's edge
/// meets the frame anyway, so what the border holds never decides anything.
struct MapLayout: Sendable {
  let size: Int
  let pad: Int
  let stride: Int
  let bytes: Int

  init(_ geometry: PathfinderGeometry, margin: Int) {
    size = geometry.size
    let reach = geometry.paddleLength + margin
    let step = geometry.paddleLength + 2 * margin
    // A pivot lies within reach of a cell of the image, the next one a step further out, and its
    // candidates within reach of that.
    pad = max(2 * (reach + 1) + step + 2, geometry.halfSide(margin: margin) + margin + 1)
    stride = (size + 2 * pad + 15) / 16 * 16
    bytes = stride * (size + 2 * pad) + 64
  }

  @inline(__always)
  func place(_ y: Int, _ x: Int) -> Int { (y &+ pad) &* stride &+ x &+ pad }
}
