import CTorch

/// A key for counter-based random numbers, refined by names and numbers.
///
/// Every random value in a model is a pure function of such a key and of counters (example,
/// element), so nothing has to be saved to continue a run, and results do not depend on threads or
/// ranks.
public struct RandomKey: Sendable, Equatable {
  /// The 64 bits that the kernels take.
  public let bits: UInt64

  /// The root key of a seed.
  public init(seed: Int) { bits = Self.mix(0x6C72_612D_7377_6966, UInt64(bitPattern: Int64(seed))) }

  private init(bits: UInt64) { self.bits = bits }

  /// The key for a number under this one: a step, a layer.
  public subscript(index: Int) -> RandomKey {
    RandomKey(bits: Self.mix(bits, UInt64(bitPattern: Int64(index))))
  }

  /// The key for a name under this one: a parameter, a site.
  ///
  /// FNV-1a over the UTF-8 bytes, then mixed.
  public subscript(name: String) -> RandomKey {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return RandomKey(bits: Self.mix(bits ^ 0x6E61_6D65, hash))
  }

  /// SplitMix64's finaliser (Steele and others 2014).
  private static func mix(_ key: UInt64, _ value: UInt64) -> UInt64 {
    var x = key &+ (value &+ 1) &* 0x9e37_79b9_7f4a_7c15
    x = (x ^ (x >> 30)) &* 0xbf58_476d_1ce4_e5b9
    x = (x ^ (x >> 27)) &* 0x94d0_49bb_1331_11eb
    return x ^ (x >> 31)
  }
}

extension Tensor {
  /// Values from N(0, 1), a pure function of the key: a new CPU tensor.
  public static func normal(_ shape: [Int], key: RandomKey) throws -> Tensor {
    let tensor = try Tensor.zeros(shape)
    guard ct_fill_normal(tensor.handle, key.bits, 1) == 0 else { throw TensorError.last }
    return tensor
  }

  /// Values from U(-1, 1), a pure function of the key: a new CPU tensor.
  public static func uniform(_ shape: [Int], key: RandomKey) throws -> Tensor {
    let tensor = try Tensor.zeros(shape)
    guard ct_fill_uniform(tensor.handle, key.bits, 1) == 0 else { throw TensorError.last }
    return tensor
  }

  /// Dropout by counter: element e of example b is kept as a pure function of (key, examples[b],
  /// e).
  ///
  /// Kept elements are scaled by 1/(1-rate); the rate is rounded to 1/65,536.
  /// - Parameters:
  ///   - rate: in 0..<1; 0 changes nothing.
  ///   - examples: [B] int64 on the CPU, the global positions of the examples in this [B, ...].
  ///   - residual: added afterwards, like this tensor in shape.
  public func dropout(
    _ rate: Double, key: RandomKey, examples: Tensor, addedTo residual: Tensor? = nil
  ) throws -> Tensor {
    if rate == 0 { return try residual.map { try $0 + self } ?? self }
    return try Tensor(
      ct_dropout(handle, residual?.handle, examples.handle, key.bits, rate))
  }
}
