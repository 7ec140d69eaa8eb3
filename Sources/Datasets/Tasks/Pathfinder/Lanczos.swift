/// Reduction with the Lanczos-3 filter in 22-bit fixed point, as Pillow does it.
struct Lanczos {
  private struct Taps {
    let first: Int
    let weights: [Int]
  }

  private let taps: [Taps]
  private static let precision = 22

  /// - Parameters:
  ///   - from: pixels of a row before.
  ///   - to: pixels of a row afterwards, fewer.
  init(from: Int, to: Int) {
    let ratio = Double(from) / Double(to)
    let support = 3 * ratio
    let inverse = 1 / ratio
    var known: [Double: Double] = [:]
    func sinc(_ x: Double) -> Double {
      if x == 0 { return 1 }
      let angle = x * Double.pi
      return ExactMath.sin(angle) / angle
    }
    func filter(_ x: Double) -> Double {
      guard x >= -3, x < 3 else { return 0 }
      if let value = known[x] { return value }
      let value = sinc(x) * sinc(x / 3)
      known[x] = value
      return value
    }
    taps = (0..<to).map { output in
      let centre = (Double(output) + 0.5) * ratio
      let first = max(0, Int(centre - support + 0.5))
      let end = min(from, Int(centre + support + 0.5))
      let weights = (0..<(end - first)).map {
        filter((Double($0 + first) - centre + 0.5) * inverse)
      }
      let sum = weights.reduce(0, +)
      return Taps(
        first: first,
        weights: weights.map {
          let fixed = $0 / sum * Double(1 << Lanczos.precision)
          return Int(fixed < 0 ? fixed - 0.5 : fixed + 0.5)
        })
    }
  }

  /// The outputs in a range from inputs of which only those in a range are not 0.
  ///
  /// - Parameter input: the input's pixel at an index.
  @inline(__always)
  func output(_ index: Int, nonzero: Range<Int>, _ input: (Int) -> UInt8) -> UInt8 {
    let taps = taps[index]
    var sum = 1 << (Lanczos.precision - 1)
    let from = max(nonzero.lowerBound, taps.first)
    let to = min(nonzero.upperBound, taps.first + taps.weights.count)
    var position = from
    while position < to {
      sum += taps.weights[position - taps.first] * Int(input(position))
      position += 1
    }
    return UInt8(max(0, min(255, sum >> Lanczos.precision)))
  }

  /// A square picture made smaller: first along rows, then along columns, 8 bits in between.
  func reduced(_ canvas: Canvas) -> [UInt8] {
    let side = canvas.side
    let count = taps.count
    var between = [UInt8](repeating: 0, count: side * count)
    var result = [UInt8](repeating: 0, count: count * count)
    canvas.pixels.withUnsafeBufferPointer { pixels in
      for y in 0..<side {
        let row = pixels[(y * side)..<((y + 1) * side)]
        guard row.contains(where: { $0 != 0 }) else { continue }
        for x in 0..<count {
          between[y * count + x] = output(x, nonzero: 0..<side) { pixels[y * side + $0] }
        }
      }
    }
    between.withUnsafeBufferPointer { between in
      for y in 0..<count {
        for x in 0..<count {
          result[y * count + x] = output(y, nonzero: 0..<side) { between[$0 * count + x] }
        }
      }
    }
    return result
  }
}
