import Tensors

/// Some of the keys that queries attend to: their logits, and how weights on them become outputs.
///
/// Mechanisms that attend to several groups of keys (a window, global tokens, random blocks) hold one
/// source for each, and share one softmax over all of them.
struct KeySource {
  /// [..., Q, K], scaled.
  let logits: Tensor
  /// True where a query may not attend to a key; broadcasts to the logits.
  let blocked: Tensor?
  /// Weights [..., Q, K] to outputs [..., Q, E].
  let mix: (Tensor) throws -> Tensor

  /// - Parameters:
  ///   - queries: [..., Q, E]; keys and values: [..., K, E].
  ///   - blocked: true where a query may not attend to a key.
  init(_ queries: Tensor, _ keys: Tensor, _ values: Tensor, scale: Double, blocked: Tensor?) throws
  {
    logits = try queries.matmul(keys.transposed(-2, -1)) * scale
    self.blocked = blocked
    mix = { try $0.matmul(values) }
  }

  init(logits: Tensor, blocked: Tensor?, mix: @escaping (Tensor) throws -> Tensor) {
    self.logits = logits
    self.blocked = blocked
    self.mix = mix
  }
}

/// A logit that leaves nothing after the softmax, finite so that gradients stay so.
let blockedLogit = -1e30

extension Context {
  /// One softmax over the keys of all sources; a query that may attend to nothing gives zeros.
  ///
  /// - Parameter rate: dropout on the probabilities.
  /// - Returns: [..., Q, E].
  func attended(_ sources: [KeySource], dropout rate: Double, layer: Int) throws -> Tensor {
    let filled = try sources.map { source in
      try source.blocked.map { try source.logits.filled(where: $0, blockedLogit) } ?? source.logits
    }
    let logits = filled.count == 1 ? filled[0] : try Tensor.concatenated(filled, -1)  // [..., Q, K]
    let weights = try dropout(logits.softmax(-1), rate, layer: layer, site: "attention.probability")
    var first = 0
    var sum: Tensor?
    for source in sources {
      let count = source.logits.size(-1)
      let part = try source.mix(weights.slice(first..<(first + count), -1))  // [..., Q, E]
      sum = try sum.map { try $0 + part } ?? part
      first += count
    }
    guard let out = sum else { throw AttentionError.noKeys }
    if sources.contains(where: { $0.blocked == nil }) { return out }
    let empty = try withoutGradient { () throws -> Tensor in
      try logits.max(-1).atMost(.full([], blockedLogit / 2, logits.elementType, on: logits.device))
    }
    return try out.filled(where: empty, 0)
  }
}

/// A mask [rows, columns] from a rule.
func mask(
  _ rows: Int, _ columns: Int, on device: Device, _ isTrue: (_ row: Int, _ column: Int) -> Bool
) throws -> Tensor {
  var flags: [Bool] = []
  flags.reserveCapacity(rows * columns)
  for row in 0..<rows {
    for column in 0..<columns { flags.append(isTrue(row, column)) }
  }
  return try Tensor.from(flags, [rows, columns]).to(device)
}

extension Tensor? {
  /// Where either mask is true; a missing mask is false everywhere.
  func or(_ other: Tensor?) throws -> Tensor? {
    guard let self else { return other }
    return try other.map { try self.or($0) } ?? self
  }
}
