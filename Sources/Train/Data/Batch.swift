/// Examples that are trained on or evaluated together, padded to the longest of them.
///
/// Of B pairs of documents there are 2B rows: the first documents, then the second ones in the same order.
public struct Batch: Sendable, Equatable {
  /// The step (from 1) or, in an evaluation, the batch's number (from 1).
  public let number: Int
  /// Places of the examples in their split, which key dropout and re-order predictions.
  public let positions: [Int]
  /// Documents of one example: 2 for pairs, else 1.
  public let towers: Int
  /// Token ids [towers B, L], row-major: stored symbol + 1, and 0 for padding.
  public let tokens: [Int32]
  /// Real tokens of each row [towers B], at most L.
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
    number: Int, positions: [Int], towers: Int = 1, tokens: [Int32], lengths: [Int32],
    labels: [Int32], length: Int, globalCount: Int
  ) {
    self.number = number
    self.positions = positions
    self.towers = towers
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
  ///   - filled: whether rows are filled up to `maxLength` rather than to the longest.
  ///   - globalCount: examples of the batch over all ranks.
  /// - Throws: what the source throws, such as a checksum mismatch.
  init(
    _ number: Int, of positions: [Int], from source: some ExampleSource, maxLength: Int,
    filled: Bool = false, globalCount: Int
  ) throws {
    let (count, towers) = (positions.count, source.towers)
    let most = positions.map { min(Int(source.lengths[$0]), maxLength) }.max() ?? 0
    let longest = positions.isEmpty ? 0 : filled ? maxLength : max(1, most)
    var lengths = [Int32](repeating: 0, count: towers * count)
    tokens = try [Int32](unsafeUninitializedCapacity: towers * count * longest) { buffer, filled in
      filled = towers * count * longest
      buffer.initialize(repeating: 0)
      func fill(_ row: Int, _ symbols: UnsafeBufferPointer<UInt8>) {
        lengths[row] = Int32(min(symbols.count, longest))
        for column in 0..<Int(lengths[row]) {
          buffer[row * longest + column] = Int32(symbols[column]) &+ 1
        }
      }
      for (example, position) in positions.enumerated() {
        if source.isPairs {
          try source.withParts(at: position) { parts in
            fill(example, parts[0])
            fill(count + example, parts[1])
          }
        } else {
          try source.withSymbols(at: position) { fill(example, $0) }
        }
      }
    }
    self.number = number
    self.positions = positions
    self.towers = towers
    self.lengths = lengths
    labels = positions.map { source.labels[$0] }
    length = longest
    self.globalCount = globalCount
  }

  /// The rows of some examples, of every tower.
  func rows(of examples: Range<Int>) -> [Range<Int>] {
    (0..<towers).map { $0 * count + examples.lowerBound..<$0 * count + examples.upperBound }
  }
}
