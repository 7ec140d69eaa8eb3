/// Many small pictures of one size as rows of whole vectors, trimmed to the rows that hold something.
///
/// Immutable once built; freed with its owner.
final class SpritePlane: @unchecked Sendable {
  typealias Vector = SIMD16<UInt8>

  /// Pixels from the sprite's origin up and to the left.
  let halfSide: Int
  /// Vectors of 16 pixels per row.
  let vectors: Int
  private let rowBytes: Int
  private let spriteBytes: Int
  private let bytes: UnsafeMutableRawPointer
  /// By sprite: first row that holds something, and one past the last.
  private let rows: UnsafeMutablePointer<(first: Int32, end: Int32)>

  /// - Parameters:
  ///   - sprites: square pictures of side 2 halfSide + 1.
  ///   - empty: the value that changes nothing.
  init(_ sprites: [[UInt8]], halfSide: Int, empty: UInt8 = 0) {
    let side = 2 * halfSide + 1
    self.halfSide = halfSide
    vectors = (side + 15) / 16
    rowBytes = 16 * vectors
    spriteBytes = rowBytes * side
    bytes = .allocate(byteCount: spriteBytes * sprites.count, alignment: 16)
    bytes.initializeMemory(as: UInt8.self, repeating: empty, count: spriteBytes * sprites.count)
    rows = .allocate(capacity: sprites.count)
    for (number, sprite) in sprites.enumerated() {
      var first = side
      var end = 0
      for y in 0..<side {
        for x in 0..<side where sprite[y * side + x] != empty {
          bytes.storeBytes(
            of: sprite[y * side + x], toByteOffset: number * spriteBytes + y * rowBytes + x,
            as: UInt8.self)
          first = min(first, y)
          end = y + 1
        }
      }
      rows[number] = (Int32(min(first, end)), Int32(end))
    }
  }

  deinit {
    bytes.deallocate()
    rows.deallocate()
  }

  /// Pixelwise maximum with a map.
  ///
  /// - Parameters:
  ///   - place: the map's byte under the sprite's origin.
  ///   - stride: bytes of a row of the map.
  @inline(__always)
  func merge(_ sprite: Int, into place: UnsafeMutableRawPointer, stride: Int) {
    let (first, end) = rows[sprite]
    var target = place + ((Int(first) &- halfSide) &* stride &- halfSide)
    var source = UnsafeRawPointer(bytes) + (sprite &* spriteBytes &+ Int(first) &* rowBytes)
    if vectors == 1 {
      for _ in first..<end {
        let old = target.loadUnaligned(as: Vector.self)
        let new = source.load(as: Vector.self)
        target.storeBytes(of: old.replacing(with: new, where: old .< new), as: Vector.self)
        target += stride
        source += 16
      }
    } else {
      for _ in first..<end {
        let old = target.loadUnaligned(as: Vector.self)
        let right = target.loadUnaligned(fromByteOffset: 16, as: Vector.self)
        let new = source.load(as: Vector.self)
        let newRight = source.load(fromByteOffset: 16, as: Vector.self)
        target.storeBytes(of: old.replacing(with: new, where: old .< new), as: Vector.self)
        target.storeBytes(
          of: right.replacing(with: newRight, where: right .< newRight), toByteOffset: 16,
          as: Vector.self)
        target += stride
        source += 32
      }
    }
  }

  /// Puts back what a map held under a sprite.
  @inline(__always)
  func restore(
    _ sprite: Int, in place: UnsafeMutableRawPointer, from original: UnsafeRawPointer, stride: Int
  ) {
    let (first, end) = rows[sprite]
    let offset = (Int(first) &- halfSide) &* stride &- halfSide
    var target = place + offset
    var source = original + offset
    for _ in first..<end {
      target.storeBytes(of: source.loadUnaligned(as: Vector.self), as: Vector.self)
      if vectors == 2 {
        target.storeBytes(
          of: source.loadUnaligned(fromByteOffset: 16, as: Vector.self), toByteOffset: 16,
          as: Vector.self)
      }
      target += stride
      source += stride
    }
  }

  /// Whether a map exceeds a sprite anywhere.
  @inline(__always)
  func isExceeded(_ sprite: Int, by place: UnsafeRawPointer, stride: Int) -> Bool {
    let (first, end) = rows[sprite]
    var target = place + ((Int(first) &- halfSide) &* stride &- halfSide)
    var source = UnsafeRawPointer(bytes) + (sprite &* spriteBytes &+ Int(first) &* rowBytes)
    var excess = Vector(repeating: 0)
    for _ in first..<end {
      let map = target.loadUnaligned(as: Vector.self)
      let limit = source.load(as: Vector.self)
      excess |= map.replacing(with: limit, where: map .< limit) ^ limit
      if vectors == 2 {
        let right = target.loadUnaligned(fromByteOffset: 16, as: Vector.self)
        let limitRight = source.load(fromByteOffset: 16, as: Vector.self)
        excess |= right.replacing(with: limitRight, where: right .< limitRight) ^ limitRight
      }
      target += stride
      source += rowBytes
    }
    let halves = unsafeBitCast(excess, to: SIMD2<UInt64>.self)
    return halves.x | halves.y != 0
  }
}

/// Bits of small pictures: a word of up to 32 pixels per row.
struct SpriteBits: Sendable {
  let halfSide: Int
  /// By sprite and row; bit i is the i-th pixel from the left.
  let rows: [UInt32]

  init(_ sprites: [[UInt8]], halfSide: Int, where isSet: (UInt8) -> Bool) {
    let side = 2 * halfSide + 1
    precondition(side <= 32, "a row of a sprite must fit a word")
    self.halfSide = halfSide
    rows = sprites.flatMap { sprite in
      (0..<side).map { y in
        (0..<side).reduce(UInt32(0)) { isSet(sprite[y * side + $1]) ? $0 | 1 << $1 : $0 }
      }
    }
  }

  /// Sets a sprite's pixels in a picture of whole words; those outside the picture are left out.
  ///
  /// - Parameter words: of a row.
  func set(_ sprite: Int, y: Int, x: Int, size: Int, in picture: inout [UInt64]) {
    let side = 2 * halfSide + 1
    let words = (size + 63) / 64
    for row in 0..<side {
      let line = y - halfSide + row
      var bits = UInt64(rows[sprite * side + row])
      guard bits != 0, line >= 0, line < size else { continue }
      var column = x - halfSide
      if column < 0 {
        bits >>= UInt64(min(-column, 63))
        column = 0
      }
      guard column < size else { continue }
      if size - column < 32 { bits &= 1 << UInt64(size - column) - 1 }
      let (word, shift) = (column >> 6, UInt64(column & 63))
      picture[line * words + word] |= bits << shift
      if shift > 32, word + 1 < words { picture[line * words + word + 1] |= bits >> (64 - shift) }
    }
  }
}
