@testable import Datasets

/// Pathfinder by the book: whole arrays, every dash clipped by hand, every sum made anew.
///
/// Shares the sprites, which have vectors of their own, and the random stream with the generator.
struct NaivePathfinder {
  struct Image: Equatable {
    var label = 0
    var attempt = 0
    var placed = 0
    var touching = false
    var origin = [0, 0]
    var terminal = [0, 0]
    var pixels: [UInt8] = []
    var mask: [UInt8] = []
  }

  struct Dash {
    let y: Int
    let x: Int
    let sprite: DashSprite
  }

  /// What a snake consists of so far.
  final class Snake {
    var pivot: (y: Int, x: Int)
    var angle: Double
    var dashes: [Dash]

    init(pivot: (y: Int, x: Int), angle: Double, first: Dash) {
      self.pivot = pivot
      self.angle = angle
      dashes = [first]
    }
  }

  let configuration: PathfinderConfiguration
  let geometry: PathfinderGeometry
  let seed: Int

  private var size: Int { configuration.size }

  private func isInside(_ y: Int, _ x: Int) -> Bool { y >= 0 && x >= 0 && y < size && x < size }

  private func ceiling(_ value: Double) -> Int { Int(value.rounded(.up)) }

  func image(split: Int, position: Int) -> Image {
    let key = RandomKey(
      task: "pathfinder", generatorVersion: 1, parameters: configuration.canonicalJSON, seed: seed)
    var first = key.stream(split: split, position: position)
    var image = Image()
    image.label = Int(first.below(2))
    if configuration.segmentation != .none { image.label = 1 }
    let marked = Int(first.below(2))
    let margins = geometry.margins
    let margin = margins.count > 1 ? margins[Int(first.below(UInt32(margins.count)))] : margins[0]
    while true {
      image.attempt += 1
      var stream = key.stream(split: split, position: position, attempt: UInt64(image.attempt))
      var world = NaiveWorld(geometry, margin: margin)
      guard let targets = targets(&stream, &world) else { continue }
      image.touching = touch(targets)
      if image.touching && configuration.mode == .strict { continue }
      var distractors: [Snake] = []
      for _ in 0..<configuration.distractors {
        for _ in 0..<5 {
          var attempt = world
          guard let snake = distractor(&stream, &attempt) else { continue }
          world = attempt
          distractors.append(snake)
          break
        }
      }
      image.placed = distractors.count
      let origin = targets[marked].dashes[0]
      let terminal = targets[image.label == 1 ? marked : 1 - marked].dashes.last ?? origin
      image.origin = [origin.y, origin.x]
      image.terminal = [terminal.y, terminal.x]
      paint(&image, targets, distractors, marked)
      return image
    }
  }

  private func targets(_ stream: inout RandomStream, _ world: inout NaiveWorld) -> [Snake]? {
    var zero: Snake?
    for _ in 0..<3 where zero == nil {
      let degrees = Int(stream.below(360)) - 180
      let cells = world.startsOfZero(degrees)
      if cells.isEmpty { return nil }
      let cell = cells[Int(stream.below(UInt32(cells.count)))]
      zero = snake(degrees, cell.0, cell.1, world)
    }
    guard let zero else { return nil }
    var one: Snake?
    for _ in 0..<3 where one == nil {
      let degrees = Int(stream.below(360)) - 180
      let angle = Double(stream.below(360)) * Double.pi / 180
      let distance = Double(geometry.seedDistance)
      let (y, x) = (Double(zero.dashes[0].y), Double(zero.dashes[0].x))
      one = snake(
        degrees, Int((y + distance * ExactMath.sin(angle)).rounded(.toNearestOrEven)),
        Int((x + distance * ExactMath.cos(angle)).rounded(.toNearestOrEven)), world)
    }
    guard let one else { return nil }
    for _ in 1..<configuration.contourLength {
      for snake in [zero, one] where !extend(snake, &stream, &world) { return nil }
    }
    if let last = one.dashes.last { world.merge(last) }
    return [zero, one]
  }

  private func distractor(_ stream: inout RandomStream, _ world: inout NaiveWorld) -> Snake? {
    if world.map.count(where: { $0 < 77 }) * 100 < size * size { return nil }
    var found: Snake?
    for _ in 0..<3 where found == nil {
      let degrees = Int(stream.below(360)) - 180
      guard let cells = world.startsOfDistractor(degrees), !cells.isEmpty else { return nil }
      let cell = cells[Int(stream.below(UInt32(cells.count)))]
      found = snake(degrees, cell.0, cell.1, world)
    }
    guard let snake = found else { return nil }
    for _ in 1..<(configuration.contourLength / 3) {
      guard extend(snake, &stream, &world) else { return nil }
    }
    if let last = snake.dashes.last { world.merge(last) }
    return snake
  }

  private func snake(_ degrees: Int, _ y: Int, _ x: Int, _ world: NaiveWorld) -> Snake? {
    let angle = Double(degrees) * Double.pi / 180
    let back = angle < 0 ? angle + Double.pi : angle - Double.pi
    let length = Double(geometry.paddleLength)
    let headY = ceiling(Double(y) + length * ExactMath.sin(angle))
    let headX = ceiling(Double(x) + length * ExactMath.cos(angle))
    let reach = length + Double(world.margin)
    let pivotY = ceiling(Double(headY) + reach * ExactMath.sin(back))
    let pivotX = ceiling(Double(headX) + reach * ExactMath.cos(back))
    guard isInside(headY, headX), isInside(pivotY, pivotX) else { return nil }
    return Snake(
      pivot: (pivotY, pivotX), angle: angle,
      first: Dash(y: y, x: x, sprite: world.sprite(angle)))
  }

  private func extend(
    _ snake: Snake, _ stream: inout RandomStream, _ world: inout NaiveWorld
  ) -> Bool {
    let step = Double(geometry.paddleLength + 2 * world.margin)
    let y = ceiling(Double(snake.pivot.y) + step * ExactMath.sin(snake.angle))
    let x = ceiling(Double(snake.pivot.x) + step * ExactMath.cos(snake.angle))
    var choices: [(weight: UInt64, y: Int, x: Int, angle: Double)] = []
    for cell in DashCandidates(radius: geometry.paddleLength + world.margin).cells
    where isInside(y + cell.y, x + cell.x) {
      let angle = ExactMath.atan2(Double(cell.y), Double(cell.x))
      let difference = abs(angle - snake.angle)
      let turn = geometry.continuityValue * min(difference, 2 * Double.pi - difference)
      let cosine = turn < Double.pi / 2 ? ExactMath.cos(turn) : 0
      let weight = UInt64((cosine * cosine * 2_147_483_648).rounded())
      let free = 255 - UInt64(world.nearest(y + cell.y, x + cell.x))
      choices.append((weight * free, y + cell.y, x + cell.x, angle))
    }
    let total = choices.reduce(0) { $0 + $1.weight }
    if total <= 54_760_833 { return false }
    for _ in 0..<3 {
      var rest = stream.below64(total)
      for choice in choices {
        if rest >= choice.weight {
          rest -= choice.weight
          continue
        }
        let back = choice.angle < 0 ? choice.angle + Double.pi : choice.angle - Double.pi
        let dash = Dash(y: choice.y, x: choice.x, sprite: world.sprite(back))
        if world.collides(dash) { break }
        if let last = snake.dashes.last { world.merge(last) }
        snake.dashes.append(dash)
        snake.pivot = (y, x)
        snake.angle = choice.angle
        return true
      }
    }
    return false
  }

  private func touch(_ targets: [Snake]) -> Bool {
    let ink = targets.map { intensities($0.dashes, 255) }
    for y in 0..<size {
      for x in 0..<size where ink[0][y * size + x] > 64 {
        for (dy, dx) in NaiveWorld.disc(1.5) where isInside(y + dy, x + dx) {
          if ink[1][(y + dy) * size + x + dx] > 64 { return true }
        }
      }
    }
    return false
  }

  /// The pixelwise maximum of dashes, as level / 255 * contrast.
  private func intensities(_ dashes: [Dash], _ contrast: Double) -> [Double] {
    var image = [Double](repeating: 0, count: size * size)
    for dash in dashes {
      let half = dash.sprite.halfSide
      for (index, level) in dash.sprite.line.enumerated() {
        let y = dash.y - half + index / dash.sprite.side
        let x = dash.x - half + index % dash.sprite.side
        guard isInside(y, x) else { continue }
        image[y * size + x] = max(image[y * size + x], Double(level) / 255 * contrast)
      }
    }
    return image
  }

  private func paint(
    _ image: inout Image, _ targets: [Snake], _ distractors: [Snake], _ marked: Int
  ) {
    let contrast = geometry.targetContrast
    var markers = [Double](repeating: 0, count: size * size)
    let tips =
      configuration.segmentation == .single ? [image.origin] : [image.origin, image.terminal]
    let sprites = MarkerSprites(geometry)
    for tip in tips {
      for (index, level) in sprites.sprite(y: tip[0], x: tip[1]).enumerated() {
        let y = tip[0] - sprites.halfSide + index / sprites.side
        let x = tip[1] - sprites.halfSide + index % sprites.side
        if isInside(y, x) {
          markers[y * size + x] = max(markers[y * size + x], Double(level) / 255)
        }
      }
    }
    let one = intensities(targets.flatMap(\.dashes), contrast)
    let two = intensities(distractors.flatMap(\.dashes), geometry.distractorContrast)
    let all = markers.indices.map { max(one[$0], two[$0], markers[$0]) }
    let scale = 255 / (all.max() ?? 1)
    image.pixels = all.map { UInt8(($0 * scale + 0.5).rounded(.down)) }
    if configuration.segmentation != .none {
      let alone = intensities(targets[marked].dashes, contrast)
      image.mask = markers.indices.map { max(alone[$0], markers[$0]) > 0.5 ? 255 : 0 }
    }
  }
}
