/// Places the dashes: a scene is a pure function of configuration, seed, split and position.
///
/// The algorithm of Linsley et al. 2018 (arXiv 1805.08315) in its version of 2019, which LRA used (Tay
/// et al. 2020, arXiv 2011.04006), with that version's quirks; `strict` rejects targets that touch.
///
/// Draw order. The stream of attempt 0 gives what no rejection may change: label = below(2), marked
/// target = below(2), and, where a size has several margins, its index = below(count). Attempts 1, 2...
/// each start a stream of their own; the first in which both targets can be placed is the example:
/// 1. Snake 0, up to 3 tries: direction below(360); the attempt fails when the direction has no cell to
///    start from; start below(cells). A head or pivot outside of the image is a miss.
/// 2. Snake 1, up to 3 tries: direction below(360), angle from the other start below(360).
/// 3. Dashes 1..<N, each of snake 0, then of snake 1: up to 3 times below64(sum of weights).
/// 4. The accepted attempt's stream goes on: for every distractor up to 5 times: up to 3 tries of
///    direction below(360) and start below(free cells); then d - 1 dashes as in 3.
///
/// A failure ends its attempt without another draw. For one thread at a time.
final class PathfinderGenerator {
  let configuration: PathfinderConfiguration
  private let tables: PathfinderTables
  private let key: RandomKey
  private let attemptLimit: UInt64

  // Working memory, by margin.
  private let maps: [OccupancyMaps]
  private var cells: FreeCells
  private var inkOfTargets: [[UInt64]]
  /// The dashes of the targets, by turns.
  private let targets: UnsafeMutablePointer<OccupancyMaps.Dash>

  private struct Snake {
    var pivot: (y: Int, x: Int)
    var direction: Int
    /// Merged only when the next dash is accepted: what lets a dash sit right behind another.
    var pending: OccupancyMaps.Dash
  }

  init(
    _ configuration: PathfinderConfiguration, _ tables: PathfinderTables, seed: Int,
    attemptLimit: UInt64
  ) {
    self.configuration = configuration
    self.tables = tables
    self.attemptLimit = attemptLimit
    key = RandomKey(
      task: PathfinderConfiguration.task,
      generatorVersion: PathfinderConfiguration.generatorVersion,
      parameters: configuration.canonicalJSON, seed: seed)
    let dashes = 2 * configuration.contourLength
    maps = tables.margins.map { OccupancyMaps($0, capacity: dashes) }
    targets = .allocate(capacity: dashes)
    let size = configuration.size
    cells = FreeCells(size: size)
    inkOfTargets = [[], []]
  }

  deinit { targets.deallocate() }

  /// Places the dashes of an example.
  ///
  /// - Throws: `usage` when no attempt succeeds.
  func place(split: SplitSize, position: Int, into scene: inout PathfinderScene) throws {
    var first = key.stream(split: split.ordinal, position: position)
    let label = Int(first.below(2))
    scene.label = configuration.segmentation == .none ? label : 1
    scene.marked = Int(first.below(2))
    scene.marginIndex =
      tables.margins.count > 1 ? Int(first.below(UInt32(tables.margins.count))) : 0
    let tables = tables.margins[scene.marginIndex]
    let maps = maps[scene.marginIndex]
    defer { maps.clear() }
    var attempt: UInt64 = 0
    while attempt < attemptLimit {
      attempt += 1
      // Most attempts end with their first draw.
      if !mayStart(split: split.ordinal, position: position, attempt: attempt, tables) { continue }
      var stream = key.stream(split: split.ordinal, position: position, attempt: attempt)
      guard placeTargets(&stream, tables, maps) else {
        maps.revert()
        continue
      }
      for target in 0...1 {
        scene.targets[target].removeAll(keepingCapacity: true)
        for number in 0..<configuration.contourLength {
          scene.targets[target].append(targets[2 * number + target])
        }
      }
      scene.touching = targetsTouch(tables, scene)
      if scene.touching && configuration.mode == .strict {
        maps.revert()
        continue
      }
      scene.attempt = attempt
      maps.keep()
      placeDistractors(&stream, tables, maps, &scene)
      return
    }
    throw DatasetError.placementsExhausted(split.name, position, attempts: attempt)
  }

  // MARK: Targets

  /// Whether the first draw of an attempt is a direction that has cells to start from.
  @inline(__always)
  private func mayStart(
    split: Int, position: Int, attempt: UInt64, _ tables: MarginTables
  ) -> Bool {
    let words = Philox.block(
      (1, attempt, UInt64(position), UInt64(split)), key.word0, key.word1)
    let product = (words.0 & 0xFFFF_FFFF) &* 360
    // A draw that below(360) repeats is left to the stream: 2^32 mod 360 is 256.
    return product & 0xFFFF_FFFF < 256 || tables.hasStarts[Int(product >> 32)]
  }

  private func placeTargets(
    _ stream: inout RandomStream, _ tables: MarginTables, _ maps: OccupancyMaps
  ) -> Bool {
    guard var zero = startZero(&stream, tables), var one = startOne(&stream, tables, zero)
    else { return false }
    targets[0] = zero.pending
    targets[1] = one.pending
    for number in 1..<configuration.contourLength {
      guard extend(&zero, &stream, tables, maps) else { return false }
      targets[2 &* number] = zero.pending
      guard extend(&one, &stream, tables, maps) else { return false }
      targets[2 &* number &+ 1] = one.pending
    }
    // Deviation from what one would expect, as in the reference: the last dash of snake 0 is never
    // merged, so distractors can run through it.
    maps.merge(one.pending)
    return true
  }

  private func startZero(_ stream: inout RandomStream, _ tables: MarginTables) -> Snake? {
    for _ in 0...tables.geometry.paddleRetrials {
      let direction = Int(stream.below(360))
      let seed = tables.seeds[direction]
      guard !seed.starts.isEmpty else { return nil }
      let start = seed.starts[Int(stream.below(UInt32(seed.starts.count)))]
      if let snake = snake(tables, direction, Int(start.y), Int(start.x)) { return snake }
    }
    return nil
  }

  private func startOne(
    _ stream: inout RandomStream, _ tables: MarginTables, _ other: Snake
  ) -> Snake? {
    let distance = Double(tables.geometry.seedDistance)
    for _ in 0...tables.geometry.paddleRetrials {
      let direction = Int(stream.below(360))
      let angle = self.tables.angles[Int(stream.below(360))]
      let y = (Double(other.pending.y) + distance * angle.sine).rounded(.toNearestOrEven)
      let x = (Double(other.pending.x) + distance * angle.cosine).rounded(.toNearestOrEven)
      if let snake = snake(tables, direction, Int(y), Int(x)) { return snake }
    }
    return nil
  }

  /// A snake of one dash; nil when its head or pivot is outside of the image.
  private func snake(_ tables: MarginTables, _ direction: Int, _ y: Int, _ x: Int) -> Snake? {
    let size = configuration.size
    func isInside(_ y: Double, _ x: Double) -> Bool {
      y >= 0 && x >= 0 && y < Double(size) && x < Double(size)
    }
    let seed = tables.seeds[direction]
    let length = Double(tables.geometry.paddleLength)
    let headY = (Double(y) + length * seed.sine).rounded(.up)
    let headX = (Double(x) + length * seed.cosine).rounded(.up)
    let pivotY = (headY + Double(tables.reach) * seed.reversedSine).rounded(.up)
    let pivotX = (headX + Double(tables.reach) * seed.reversedCosine).rounded(.up)
    guard isInside(Double(y), Double(x)), isInside(headY, headX), isInside(pivotY, pivotX)
    else { return nil }
    return Snake(
      pivot: (Int(pivotY), Int(pivotX)), direction: direction,
      pending: .init(sprite: direction, y: y, x: x, place: tables.layout.place(y, x)))
  }

  /// Adds a dash to a snake, which merges the one before it.
  @inline(__always)
  private func extend(
    _ snake: inout Snake, _ stream: inout RandomStream, _ tables: MarginTables,
    _ maps: OccupancyMaps
  ) -> Bool {
    let step = tables.steps[snake.direction]
    var y = snake.pivot.y &+ Int(step.y)
    var x = snake.pivot.x &+ Int(step.x)
    if step.isLiteral {
      y = Int((Double(snake.pivot.y) + step.exactY).rounded(.up))
      x = Int((Double(snake.pivot.x) + step.exactX).rounded(.up))
    }
    let layout = tables.layout
    let pivot = layout.place(y, x)
    return tables.choices.withUnsafeBufferPointer { all in
      let range = tables.choiceStarts[snake.direction]..<tables.choiceStarts[snake.direction + 1]
      let choices = UnsafeBufferPointer(rebasing: all[range])
      let total = maps.weigh(choices, pivot: pivot)
      // 1e-4 in units of 2^31 * 255.
      guard total > 54_760_833 else { return false }
      for _ in 0...tables.geometry.paddleRetrials {
        let choice = choices[maps.chosen(stream.below64(total))]
        let place = pivot &+ Int(choice.offset)
        let sprite = 360 &+ Int(choice.candidate)
        if maps.collides(sprite, at: place) { continue }
        maps.merge(snake.pending)
        let cell = tables.candidates[Int(choice.candidate)]
        snake.pending = .init(sprite: sprite, y: y &+ cell.y, x: x &+ cell.x, place: place)
        snake.pivot = (y, x)
        snake.direction = sprite
        return true
      }
      return false
    }
  }

  /// Whether ink of the targets meets: on the same pixel or on one of its eight neighbours.
  private func targetsTouch(_ tables: MarginTables, _ scene: PathfinderScene) -> Bool {
    let size = configuration.size
    let words = (size + 63) / 64
    for target in 0...1 {
      inkOfTargets[target].removeAll(keepingCapacity: true)
      inkOfTargets[target].append(contentsOf: repeatElement(0, count: words * size))
      for dash in scene.targets[target] {
        tables.ink.set(dash.sprite, y: dash.y, x: dash.x, size: size, in: &inkOfTargets[target])
      }
    }
    let (one, two) = (inkOfTargets[0], inkOfTargets[1])
    for y in 0..<size {
      for word in 0..<words {
        var near: UInt64 = 0
        for row in max(0, y - 1)...min(size - 1, y + 1) {
          let bits = one[row * words + word]
          near |= bits | bits << 1 | bits >> 1
          if word > 0 { near |= one[row * words + word - 1] >> 63 }
          if word + 1 < words { near |= one[row * words + word + 1] << 63 }
        }
        if near & two[y * words + word] != 0 { return true }
      }
    }
    return false
  }

  // MARK: Distractors

  private func placeDistractors(
    _ stream: inout RandomStream, _ tables: MarginTables, _ maps: OccupancyMaps,
    _ scene: inout PathfinderScene
  ) {
    scene.distractors.removeAll(keepingCapacity: true)
    scene.placed = 0
    for _ in 0..<configuration.distractors {
      for _ in 0...tables.geometry.distractorRetrials {
        let before = scene.distractors.count
        if placeDistractor(&stream, tables, maps, &scene) {
          scene.placed += 1
          maps.keep()
          break
        }
        scene.distractors.removeSubrange(before...)
        maps.revert()
      }
    }
  }

  private func placeDistractor(
    _ stream: inout RandomStream, _ tables: MarginTables, _ maps: OccupancyMaps,
    _ scene: inout PathfinderScene
  ) -> Bool {
    let size = configuration.size
    if cells.free(maps.taken) * 100 < size * size { return false }
    var found: Snake?
    for _ in 0...tables.geometry.paddleRetrials where found == nil {
      let direction = Int(stream.below(360))
      let seed = tables.seeds[direction]
      guard seed.isComplete else { return false }
      let count = cells.find(seed.footprint, maps.taken)
      guard count > 0 else { return false }
      let start = cells.cell(Int(stream.below(UInt32(count))))
      found = snake(tables, direction, start.y, start.x)
    }
    guard var snake = found else { return false }
    scene.distractors.append(snake.pending)
    for _ in 1..<configuration.distractorLength {
      guard extend(&snake, &stream, tables, maps) else { return false }
      scene.distractors.append(snake.pending)
    }
    maps.merge(snake.pending)
    return true
  }
}
