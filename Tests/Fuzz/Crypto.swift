/// Stands in for swift-crypto: parsers only pass bytes through it, and fuzzing needs no digests.
public struct SHA256 {
  /// A hash of nothing.
  public init() {}
  /// Does nothing.
  public mutating func update(bufferPointer: UnsafeRawBufferPointer) {}
  /// Does nothing.
  public mutating func update(data: some Sequence<UInt8>) {}
  /// Zeros.
  public func finalize() -> SHA256Digest { [UInt8](repeating: 0, count: 32) }
  /// Zeros.
  public static func hash(data: some Sequence<UInt8>) -> SHA256Digest { SHA256().finalize() }
}

/// A digest of zeros.
public typealias SHA256Digest = [UInt8]
