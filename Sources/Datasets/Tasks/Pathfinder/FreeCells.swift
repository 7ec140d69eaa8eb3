/// Finds where a distractor may start.
///
/// For one thread at a time.
struct FreeCells {
  private let size: Int
  private let words: Int
  private let columns: [UInt64]
  private var blocked: [UInt64]

  init(size: Int) {
    self.size = size
    words = (size + 63) / 64
    blocked = [UInt64](repeating: 0, count: words * size)
    columns = (0..<words).map { word in
      size - 64 * word >= 64 ? UInt64.max : 1 << UInt64(size - 64 * word) - 1
    }
  }

  /// How many pixels are not taken.
  func free(_ taken: [UInt64]) -> Int {
    size * size - taken.reduce(0) { $0 + $1.nonzeroBitCount }
  }

  /// Finds the cells around which no pixel of a footprint is taken; pixels outside do not count.
  ///
  /// - Returns: how many there are.
  mutating func find(_ footprint: [(y: Int, x: Int)], _ taken: [UInt64]) -> Int {
    let (size, words) = (size, words)
    return blocked.withUnsafeMutableBufferPointer { blocked in
      blocked.update(repeating: 0)
      taken.withUnsafeBufferPointer { taken in
        for (dy, dx) in footprint {
          let rows = max(0, -dy)..<min(size, size - dy)
          for y in rows {
            let source = (y &+ dy) &* words
            let target = y &* words
            for word in 0..<words {
              // Bit x of the target is bit x + dx of the source.
              var bits: UInt64
              if dx >= 0 {
                bits = taken[source &+ word] &>> UInt64(dx)
                if dx > 0, word &+ 1 < words {
                  bits |= taken[source &+ word &+ 1] &<< UInt64(64 &- dx)
                }
              } else {
                bits = taken[source &+ word] &<< UInt64(-dx)
                if word > 0 { bits |= taken[source &+ word &- 1] &>> UInt64(64 &+ dx) }
              }
              blocked[target &+ word] |= bits
            }
          }
        }
      }
      var count = 0
      for index in 0..<blocked.count {
        count += (~blocked[index] & columns[index % words]).nonzeroBitCount
      }
      return count
    }
  }

  /// The cell of a number below the count of the last search, by row, then column.
  func cell(_ number: Int) -> (y: Int, x: Int) {
    var rest = number
    for index in 0..<blocked.count {
      var bits = ~blocked[index] & columns[index % words]
      let count = bits.nonzeroBitCount
      if rest >= count {
        rest -= count
        continue
      }
      for _ in 0..<rest { bits &= bits - 1 }
      return (index / words, index % words * 64 + bits.trailingZeroBitCount)
    }
    preconditionFailure("a cell's number must be below the count")
  }
}
