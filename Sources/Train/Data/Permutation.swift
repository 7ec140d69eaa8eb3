/// A keyed permutation of [0, count) that needs no memory: the order of one epoch.
///
/// A Feistel network over just enough bits, walked until the value falls below `count`
/// (Black and Rogaway 2002, "Ciphers with arbitrary finite domains"). Less than two walks on
/// average; a pure function of (seed, stream, count), the same on every machine.
public struct Permutation: Sendable {
  /// The number of values, at least 0.
  public let count: Int

  private let keys: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)
  private let leftBits: UInt64
  private let leftMask: UInt64
  private let rightMask: UInt64

  /// The permutation of `count` values that belongs to a seed and to a path of numbers under it,
  /// such as the epoch, or the epoch and the pool.
  public init(count: Int, seed: Int, stream: Int...) {
    precondition(count >= 0, "a permutation needs a count of at least 0, not \(count)")
    self.count = count
    let bits = count > 1 ? UInt64(64 - (UInt64(count) - 1).leadingZeroBitCount) : 0
    leftBits = bits / 2
    leftMask = (1 << leftBits) - 1
    rightMask = (1 << (bits - leftBits)) - 1
    var state = mixed(UInt64(bitPattern: Int64(seed)) &+ 0x9E37_79B9_7F4A_7C15)
    for number in stream {
      state = mixed(state ^ mixed(UInt64(bitPattern: Int64(number)) &+ 0xD1B5_4A32_D192_ED03))
    }
    func key(_ round: UInt64) -> UInt64 { mixed(state &+ (round &+ 1) &* 0x9E37_79B9_7F4A_7C15) }
    keys = (key(0), key(1), key(2), key(3), key(4), key(5), key(6), key(7))
  }

  /// The value at a place of the order.
  public subscript(index: Int) -> Int {
    precondition(index >= 0 && index < count, "place \(index) is outside 0..<\(count)")
    var value = UInt64(index)
    repeat { value = encrypted(value) } while value >= UInt64(count)
    return Int(value)
  }

  private func encrypted(_ value: UInt64) -> UInt64 {
    var left = value & leftMask
    var right = value >> leftBits
    left ^= mixed(right ^ keys.0) & leftMask
    right ^= mixed(left ^ keys.1) & rightMask
    left ^= mixed(right ^ keys.2) & leftMask
    right ^= mixed(left ^ keys.3) & rightMask
    left ^= mixed(right ^ keys.4) & leftMask
    right ^= mixed(left ^ keys.5) & rightMask
    left ^= mixed(right ^ keys.6) & leftMask
    right ^= mixed(left ^ keys.7) & rightMask
    return left | right << leftBits
  }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014): every input bit moves every output
/// bit.
private func mixed(_ value: UInt64) -> UInt64 {
  var z = value
  z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
  z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
  return z ^ (z >> 31)
}
