import Tensors

/// A sequence cut into blocks of equal size, the last one filled up with zeros.
struct Blocks {
  /// Tokens of a block, b.
  let size: Int
  /// Tokens of the sequence, L.
  let length: Int

  /// Blocks, n.
  var count: Int { (length + size - 1) / size }
  /// Tokens of all blocks, the filling counted.
  var paddedLength: Int { count * size }

  /// [B, H, L, E] to [B, H, n, b, E].
  func cut(_ x: Tensor) throws -> Tensor {
    try x.padded(after: paddedLength - length, 2)
      .reshaped([x.size(0), x.size(1), count, size, x.size(3)])
  }

  /// [B or 1, 1, n, 1, b]: true where a block holds no token; nil when there is one everywhere.
  func blockedKeys(_ context: Context) throws -> Tensor? {
    try context.blockedKeys(upTo: paddedLength)
      .map { try $0.reshaped([$0.size(0), 1, count, 1, size]) }
  }

  /// Tokens of every block, row by row; hidden ones do not count.
  func tokens(_ context: Context) -> [[Int]] {
    context.lengths.enumerated().map { row, end in
      var counts = [Int](repeating: 0, count: count)
      for place in context.shown?[row] ?? Array(0..<end) { counts[place / size] += 1 }
      return counts
    }
  }

  /// [B, H, n, b, E] to [B, H, L, E].
  func joined(_ x: Tensor) throws -> Tensor {
    try x.reshaped([x.size(0), x.size(1), paddedLength, x.size(4)]).slice(0..<length, 2)
  }
}
