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

  /// Every block with its neighbours: [B, H, L, E] to [B, H, n, w, E], w = (before + 1 + after) b.
  ///
  /// Outside the sequence stand zeros, which `blockedWindows` marks.
  func windows(_ x: Tensor, before: Int, after: Int) throws -> Tensor {
    if before == 0 && after == 0 { return try cut(x) }
    return try x.padded(before: before * size, after: paddedLength - length + after * size, 2)
      .windows(size: (before + 1 + after) * size, step: size, 2)  // [B, H, n, E, w]
      .transposed(3, 4)  // [B, H, n, w, E]
  }

  /// [B or 1, 1, n, 1, w]: true where a window holds no token; nil when there is one everywhere.
  func blockedWindows(_ context: Context, before: Int, after: Int) throws -> Tensor? {
    if before == 0 && after == 0 {
      return try context.blockedKeys(upTo: paddedLength)
        .map { try $0.reshaped([$0.size(0), 1, count, 1, size]) }
    }
    let flags =
      try context.blockedKeys(upTo: paddedLength)
      ?? Tensor.zeros([1, paddedLength], .bool, on: context.device)
    return try flags.padded(before: before * size, after: after * size, 1, value: 1)
      .windows(size: (before + 1 + after) * size, step: size, 1)  // [B, n, w]
      .unsqueezed(1).unsqueezed(3)  // [B, 1, n, 1, w]
  }

  /// [B, H, n, b, E] to [B, H, L, E].
  func joined(_ x: Tensor) throws -> Tensor {
    try x.reshaped([x.size(0), x.size(1), paddedLength, x.size(4)]).slice(0..<length, 2)
  }
}
