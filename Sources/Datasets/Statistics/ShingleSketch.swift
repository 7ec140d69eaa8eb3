/// A sequence as the set of its shingles: all runs of 8 symbols, each once; a shorter sequence is one run.
///
/// The sketch is MinHash with one permutation (Li, Owen and Zhang 2012, arXiv 1208.1259): each shingle's
/// hash chooses one of 128 bins and competes there for the least value. Empty bins take the value of
/// another by optimal densification (Shrivastava 2017, arXiv 1703.04664). The share of bins in which two
/// sketches agree estimates the Jaccard similarity of the sets, |A and B| / |A or B|.
struct ShingleSketch {
  static let bins = 128
  static let width = 8

  /// Writes the sketch of a sequence.
  ///
  /// - Parameter sketch: 128 values.
  static func make(
    _ symbols: UnsafeBufferPointer<UInt8>, into sketch: UnsafeMutableBufferPointer<UInt32>
  ) {
    sketch.update(repeating: .max)
    forEachShingle(symbols) { shingle in
      let hash = mixed(shingle)
      let bin = Int(truncatingIfNeeded: hash >> 57)
      // Below the greatest value, which marks an empty bin.
      let value = min(UInt32(truncatingIfNeeded: hash), .max - 1)
      if value < sketch[bin] { sketch[bin] = value }
    }
    densify(sketch)
  }

  /// Fills empty bins from others that were not empty; which ones depends on the numbers alone.
  private static func densify(_ sketch: UnsafeMutableBufferPointer<UInt32>) {
    var isEmpty = (UInt64(0), UInt64(0))
    for bin in 0..<bins where sketch[bin] == .max {
      if bin < 64 { isEmpty.0 |= 1 << UInt64(bin) } else { isEmpty.1 |= 1 << UInt64(bin - 64) }
    }
    for bin in 0..<bins where sketch[bin] == .max {
      var attempt: UInt64 = 1
      while true {
        let other = Int(truncatingIfNeeded: mixed(UInt64(bin) << 32 | attempt) >> 57)
        let mask = other < 64 ? isEmpty.0 >> UInt64(other) : isEmpty.1 >> UInt64(other - 64)
        if mask & 1 == 0 {
          sketch[bin] = sketch[other]
          break
        }
        attempt += 1
      }
    }
  }

  /// The distinct shingles in ascending order.
  static func shingles(_ symbols: UnsafeBufferPointer<UInt8>) -> [UInt64] {
    var all: [UInt64] = []
    all.reserveCapacity(max(1, symbols.count))
    forEachShingle(symbols) { all.append($0) }
    all.sort()
    var last: UInt64?
    return all.filter { shingle in
      defer { last = shingle }
      return shingle != last
    }
  }

  /// Size of the common part over that of the union of two sorted sets.
  static func jaccard(_ one: [UInt64], _ other: [UInt64]) -> Double {
    var (i, j, common) = (0, 0, 0)
    while i < one.count && j < other.count {
      if one[i] == other[j] { common += 1 }
      let isLess = one[i] <= other[j]
      let isMore = one[i] >= other[j]
      if isLess { i += 1 }
      if isMore { j += 1 }
    }
    return Double(common) / Double(max(1, one.count + other.count - common))
  }

  private static func forEachShingle(
    _ symbols: UnsafeBufferPointer<UInt8>, _ body: (UInt64) -> Void
  ) {
    guard symbols.count >= width else {
      // The count keeps `1` and `1 0` apart.
      var whole = UInt64(symbols.count)
      for symbol in symbols { whole = whole << 8 | UInt64(symbol) }
      return body(whole)
    }
    var shingle: UInt64 = 0
    for (index, symbol) in symbols.enumerated() {
      shingle = shingle << 8 | UInt64(symbol)
      if index >= width - 1 { body(shingle) }
    }
  }

  /// The finaliser of SplitMix64 (Steele, Lea and Flood 2014): every bit depends on every bit.
  private static func mixed(_ value: UInt64) -> UInt64 {
    var bits = value &+ 0x9E37_79B9_7F4A_7C15
    bits = (bits ^ bits >> 30) &* 0xBF58_476D_1CE4_E5B9
    bits = (bits ^ bits >> 27) &* 0x94D0_49BB_1331_11EB
    return bits ^ bits >> 31
  }
}
