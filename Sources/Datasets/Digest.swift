import Crypto

/// The digests of the content: of an example, a split and a dataset (little-endian throughout).
///
/// They cover what an example means - its place, label and symbols - and never how it is stored, so every
/// machine, shard size and thread count gives the same ones.
public enum Digest {
  /// The digest of one example.
  ///
  /// SHA-256 of u64 position, i64 label, u32 parts, and per part u64 count and its symbols.
  /// - Parameters:
  ///   - label: nil counts as -1.
  ///   - parts: one sequence; image then mask; or the two documents of a pair.
  /// - Returns: 32 bytes.
  public static func leaf(
    position: Int, label: Int?, parts: [UnsafeBufferPointer<UInt8>]
  ) -> SHA256Digest {
    var hash = SHA256()
    if let only = parts.first, parts.count == 1 {
      // One update for the fixed-size head: most examples have one part.
      withUnsafeBytes(of: Head(position, label, count: only.count)) {
        hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: $0[..<28]))
      }
      hash.update(bufferPointer: UnsafeRawBufferPointer(only))
      return hash.finalize()
    }
    hash.update(UInt64(position))
    hash.update(UInt64(bitPattern: Int64(label ?? -1)))
    hash.update(UInt32(parts.count))
    for part in parts {
      hash.update(UInt64(part.count))
      hash.update(bufferPointer: UnsafeRawBufferPointer(part))
    }
    return hash.finalize()
  }

  /// Position, label, one part, its count: 28 bytes without padding between them.
  private struct Head {
    let words: (UInt64, UInt64, UInt64, UInt32)

    init(_ position: Int, _ label: Int?, count: Int) {
      // Bytes 16-19 are the number of parts, 20-27 the count: the count's low half follows the 1.
      let count = UInt64(count)
      words = (
        UInt64(position).littleEndian, UInt64(bitPattern: Int64(label ?? -1)).littleEndian,
        (1 | count << 32).littleEndian, UInt32(truncatingIfNeeded: count >> 32).littleEndian
      )
    }
  }

  /// The digest of a split from the digests of its examples in order.
  ///
  /// SHA-256 of name, 00, u64 n, leaves.
  /// - Parameter leaves: 32 bytes per example, in any number of pieces.
  public static func split(name: String, leaves: [[UInt8]]) -> [UInt8] {
    var hash = SHA256()
    hash.update(data: Array(name.utf8) + [0])
    hash.update(UInt64(leaves.reduce(0) { $0 + $1.count } / 32))
    for piece in leaves { hash.update(data: piece) }
    return Array(hash.finalize())
  }

  /// The digest of a dataset from those of its splits, in order of their ordinals.
  ///
  /// SHA-256 of task, 00, and per split name, 00, digest.
  public static func dataset(task: String, splits: [(name: String, digest: [UInt8])]) -> [UInt8] {
    var hash = SHA256()
    hash.update(data: Array(task.utf8) + [0])
    for split in splits { hash.update(data: Array(split.name.utf8) + [0] + split.digest) }
    return Array(hash.finalize())
  }

  /// The checksum of an example's row and bytes, checked at every read.
  ///
  /// The first 8 bytes, signed little-endian, of SHA-256 of u64 position, i64 label, u32 length of meta,
  /// meta and the stored bytes.
  /// - Parameters:
  ///   - label: nil counts as -1.
  ///   - meta: the UTF-8 text of the row's meta, empty for NULL.
  ///   - stored: the bytes as they lie in the shard.
  ///   - mask: those of the image's mask.
  public static func check64(
    position: Int, label: Int?, meta: [UInt8] = [], stored: UnsafeBufferPointer<UInt8>,
    mask: UnsafeBufferPointer<UInt8>? = nil
  ) -> Int64 {
    var hash = SHA256()
    let head = (
      UInt64(position).littleEndian, UInt64(bitPattern: Int64(label ?? -1)).littleEndian,
      UInt32(meta.count).littleEndian
    )
    withUnsafeBytes(of: head) {
      hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: $0[..<20]))
    }
    if !meta.isEmpty { hash.update(data: meta) }
    hash.update(bufferPointer: UnsafeRawBufferPointer(stored))
    if let mask { hash.update(bufferPointer: UnsafeRawBufferPointer(mask)) }
    return hash.finalize().withUnsafeBytes {
      Int64(littleEndian: $0.loadUnaligned(as: Int64.self))
    }
  }

  /// The checksum of a pair's row: that of an example whose stored bytes are u64 document1, u64 document2.
  public static func check64(position: Int, label: Int, document1: Int, document2: Int) -> Int64 {
    let documents = (
      UInt64(bitPattern: Int64(document1)).littleEndian,
      UInt64(bitPattern: Int64(document2)).littleEndian
    )
    return withUnsafeBytes(of: documents) {
      check64(position: position, label: label, stored: $0.bindMemory(to: UInt8.self))
    }
  }

  /// SHA-256 of some bytes.
  public static func sha256(_ bytes: some Sequence<UInt8>) -> [UInt8] {
    Array(SHA256.hash(data: Array(bytes)))
  }

  /// Bytes as lower-case hexadecimal text.
  public static func hex(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    for byte in bytes {
      text.append(digits[Int(byte >> 4)])
      text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
  }
}

extension SHA256 {
  fileprivate mutating func update(_ integer: some FixedWidthInteger) {
    withUnsafeBytes(of: integer.littleEndian) { update(bufferPointer: $0) }
  }
}
