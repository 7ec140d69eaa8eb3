/// Examples that are trained on or evaluated together, padded to the longest of them.
public struct Batch: Sendable, Equatable {
  /// The step (from 1) or, in an evaluation, the batch's number (from 1).
  public let number: Int
  /// Places of the examples in their split, which key dropout and re-order predictions.
  public let positions: [Int]
  /// Token ids [B, L], row-major: stored symbol + 1, and 0 for padding.
  public let tokens: [Int32]
  /// Real tokens of each example, at most L.
  public let lengths: [Int32]
  /// Classes, -1 for none.
  public let labels: [Int32]
  /// L, the longest of the lengths, at least 1 unless the batch is empty.
  public let length: Int
  /// Examples of the batch over all ranks, by which summed losses are divided.
  public let globalCount: Int

  /// B, the examples of this rank; 0 when the batch has fewer examples than there are ranks.
  public var count: Int { positions.count }

  /// Makes a batch from its parts.
  init(
    number: Int, positions: [Int], tokens: [Int32], lengths: [Int32], labels: [Int32], length: Int,
    globalCount: Int
  ) {
    self.number = number
    self.positions = positions
    self.tokens = tokens
    self.lengths = lengths
    self.labels = labels
    self.length = length
    self.globalCount = globalCount
  }

  /// Reads examples of a split.
  ///
  /// - Parameters:
  ///   - maxLength: what is longer is cut.
  ///   - globalCount: examples of the batch over all ranks.
  /// - Throws: what the source throws, such as a checksum mismatch.
  init(
    _ number: Int, of positions: [Int], from source: some ExampleSource, maxLength: Int,
    globalCount: Int
  ) throws {
    let lengths = positions.map { min(source.lengths[$0], Int32(clamping: maxLength)) }
    let longest = positions.isEmpty ? 0 : max(1, Int(lengths.max() ?? 0))
    tokens = try [Int32](unsafeUninitializedCapacity: positions.count * longest) { buffer, filled in
      filled = positions.count * longest
      buffer.initialize(repeating: 0)
      for (row, position) in positions.enumerated() {
        let ids = UnsafeMutableBufferPointer(rebasing: buffer[row * longest..<(row + 1) * longest])
        try source.withSymbols(at: position) { symbols in
          for column in 0..<min(symbols.count, Int(lengths[row])) {
            ids[column] = Int32(symbols[column]) &+ 1
          }
        }
      }
    }
    self.number = number
    self.positions = positions
    self.lengths = lengths
    labels = positions.map { source.labels[$0] }
    length = longest
    self.globalCount = globalCount
  }
}
