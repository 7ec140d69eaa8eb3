/// The random numbers of one attempt at one example, in order.
///
/// Counter words: (block from 1, attempt, position, split). Words of a block are used in order 0-3.
public struct RandomStream: Sendable {
  private let key: RandomKey
  private var counter: Philox.Block
  private var words: Philox.Block = (0, 0, 0, 0)
  private var used = 4
  private var pendingHalf: UInt32?

  init(key: RandomKey, attempt: UInt64, position: UInt64, split: UInt64) {
    self.key = key
    counter = (0, attempt, position, split)
  }

  /// 64 random bits; a pending half of an earlier `u32` stays pending.
  public mutating func u64() -> UInt64 {
    if used == 4 {
      counter.0 &+= 1
      words = Philox.block(counter, key.word0, key.word1)
      used = 0
    }
    used += 1
    switch used {
    case 1: return words.0
    case 2: return words.1
    case 3: return words.2
    default: return words.3
    }
  }

  /// 32 random bits: the low half of a word, then its high half.
  public mutating func u32() -> UInt32 {
    if let half = pendingHalf {
      pendingHalf = nil
      return half
    }
    let word = u64()
    pendingHalf = UInt32(truncatingIfNeeded: word >> 32)
    return UInt32(truncatingIfNeeded: word)
  }

  /// A uniform integer in 0..<n without bias (Lemire 2019, arXiv 1805.10941).
  ///
  /// - Parameter bound: at least 1.
  public mutating func below(_ bound: UInt32) -> UInt32 {
    precondition(bound > 0, "below(0) has no result")
    let threshold = (0 &- bound) % bound
    while true {
      let product = UInt64(u32()) * UInt64(bound)
      if UInt32(truncatingIfNeeded: product) >= threshold { return UInt32(product >> 32) }
    }
  }

  /// A uniform integer in 0..<n without bias, from 64 bits.
  ///
  /// - Parameter bound: at least 1.
  public mutating func below64(_ bound: UInt64) -> UInt64 {
    precondition(bound > 0, "below64(0) has no result")
    while true {
      let product = u64().multipliedFullWidth(by: bound)
      // The threshold is below the bound, so its division is rarely needed.
      if product.low >= bound || product.low >= (0 &- bound) % bound { return product.high }
    }
  }

  /// A uniform number in [0, 1): 53 bits.
  public mutating func unit() -> Double { Double(u64() >> 11) * 0x1p-53 }
}
