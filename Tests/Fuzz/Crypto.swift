/// Stands in for swift-crypto: parsers only pass bytes through it, and fuzzing needs no digests.
public struct SHA256 {
  /// A digest of zeros.
  public typealias Digest = [UInt8]

  /// A hash of nothing.
  public init() {}
  /// Does nothing.
  public mutating func update(bufferPointer: UnsafeRawBufferPointer) {}
  /// Does nothing.
  public mutating func update(data: some Sequence<UInt8>) {}
  /// Zeros.
  public func finalize() -> Digest { [UInt8](repeating: 0, count: 32) }
}
