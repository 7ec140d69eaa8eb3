/// Philox4x64-10: a block of four words is a pure function of a counter and a key.
///
/// Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3". NumPy has the same
/// generator, so tests have an independent oracle.
public enum Philox {
  /// Four 64-bit words: a counter on the way in, random words on the way out.
  public typealias Block = (UInt64, UInt64, UInt64, UInt64)

  @usableFromInline static let multiplier0: UInt64 = 0xD2E7_470E_E14C_6C93
  @usableFromInline static let multiplier1: UInt64 = 0xCA5A_8263_9512_1157
  @usableFromInline static let weyl0: UInt64 = 0x9E37_79B9_7F4A_7C15
  @usableFromInline static let weyl1: UInt64 = 0xBB67_AE85_84CA_A73B

  /// The random words of a counter under a key.
  @inlinable @inline(__always)
  public static func block(_ counter: Block, _ key0: UInt64, _ key1: UInt64) -> Block {
    var words = counter
    var key = (key0, key1)
    for _ in 0..<10 {
      let low = words.0.multipliedFullWidth(by: multiplier0)
      let high = words.2.multipliedFullWidth(by: multiplier1)
      words = (high.high ^ words.1 ^ key.0, high.low, low.high ^ words.3 ^ key.1, low.low)
      key = (key.0 &+ weyl0, key.1 &+ weyl1)
    }
    return words
  }
}
