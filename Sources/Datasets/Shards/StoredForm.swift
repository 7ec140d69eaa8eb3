import Foundation

/// How the examples of a dataset lie in its shards.
public enum StoredForm: Sendable, Equatable {
  /// Symbols end to end in `.npy` files.
  case symbols
  /// The same for square images, each followed by its planes of red, green and blue.
  case colours(size: Int)
  /// Grey PNGs of one size in `.tar` files; with or without a mask behind each.
  case png(size: Int, hasMask: Bool)

  /// The form of a dataset, from its row.
  ///
  /// - Parameter config: the parameters as canonical JSON.
  init(task: String, config: String) {
    self = TaskDescription.of(stored: task).form(CanonicalJSON.decode(config) ?? [:])
  }

  /// The form of a dataset, from its row.
  init(of dataset: DatasetRecord) {
    self.init(task: dataset.task, config: dataset.config)
  }

  /// The encoding as the index has it.
  var encoding: String { isArray ? "u8" : "png" }

  /// Whether the shards are `.npy` files; else they are `.tar` files.
  var isArray: Bool {
    if case .png = self { false } else { true }
  }

  /// Where a shard lies, relative to the database's folder.
  func path(in folder: String, split: String, ordinal: Int) -> String {
    let number = TarHeader.number(ordinal, digits: 5)
    return "\(folder)/\(split)-\(number).\(isArray ? "npy" : "tar")"
  }

  /// How many tokens an example has: its symbols, or the pixels of its image.
  ///
  /// - Parameter stored: its bytes in the shard.
  func tokens(stored: Int) -> Int {
    switch self {
    case .symbols, .colours: stored
    case .png(let size, _): size * size
    }
  }

  /// How many tokens a shard has.
  func tokens(of shard: ShardRecord) -> Int {
    switch self {
    case .symbols: shard.bytes - NpyHeader.bytes
    case .png(let size, _), .colours(let size): size * size * shard.count
    }
  }

  /// The bytes of an example in its shard, and those of its second part.
  ///
  /// Colours stand directly behind the grey levels; a mask is the member behind the image, the row's
  /// meta says its size.
  ///
  /// - Returns: nil when the place is outside of the shard.
  func stored(
    in bytes: UnsafeBufferPointer<UInt8>, offset: Int, length: Int, meta: [UInt8]
  ) -> (UnsafeBufferPointer<UInt8>, mask: UnsafeBufferPointer<UInt8>?)? {
    guard offset >= 0, length >= 0, length <= bytes.count, offset <= bytes.count - length else {
      return nil
    }
    let stored = UnsafeBufferPointer(rebasing: bytes[offset..<(offset + length)])
    if case .colours(let size) = self {
      let end = offset + length
      guard 3 * size * size <= bytes.count - end else { return nil }
      return (stored, UnsafeBufferPointer(rebasing: bytes[end..<(end + 3 * size * size)]))
    }
    guard case .png(_, true) = self else { return (stored, nil) }
    let start = offset + length + TarHeader.padding(after: length) + TarHeader.blockBytes
    guard let size = StoredForm.maskBytes(meta), start <= bytes.count, size <= bytes.count - start
    else { return nil }
    return (stored, UnsafeBufferPointer(rebasing: bytes[start..<(start + size)]))
  }

  private static func maskBytes(_ meta: [UInt8]) -> Int? {
    guard let key = meta.firstRange(of: Array("\"mask_bytes\":".utf8)) else { return nil }
    return meta[key.upperBound...].prefix(9).prefix { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
      .reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
  }

  /// Gives the symbols of stored bytes to a body: the one sequence, or image and mask or colours.
  ///
  /// - Parameters:
  ///   - stored: the bytes of the example, checked.
  ///   - mask: those of its second part.
  /// - Returns: nil when the bytes cannot be decoded.
  func withParts<Result>(
    _ stored: UnsafeBufferPointer<UInt8>, mask: UnsafeBufferPointer<UInt8>?,
    _ body: ([UnsafeBufferPointer<UInt8>]) throws -> Result
  ) rethrows -> Result? {
    guard case .png(let size, _) = self else {
      return try body(mask.map { [stored, $0] } ?? [stored])
    }
    let count = size * size
    let parts = mask == nil ? 1 : 2
    return try withUnsafeTemporaryAllocation(of: UInt8.self, capacity: count * parts) { pixels in
      guard let base = pixels.baseAddress,
        PNGDecoder.decode(stored, size: size, into: base)
      else { return nil }
      let image = UnsafeBufferPointer(start: base, count: count)
      guard let mask else { return try body([image]) }
      guard PNGDecoder.decode(mask, size: size, into: base + count) else { return nil }
      return try body([image, UnsafeBufferPointer(start: base + count, count: count)])
    }
  }
}
