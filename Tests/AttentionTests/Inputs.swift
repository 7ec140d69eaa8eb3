import Foundation
import Tensors
import Testing

@testable import Attention

/// Inputs of tests and references that know nothing of the models.
enum Inputs {
  /// `sin(a * (i + 1) + b)`, row by row, float64.
  static func fill(_ shape: [Int], _ a: Double, _ b: Double) throws -> Tensor {
    try .from((0..<shape.reduce(1, *)).map { sin(a * Double($0 + 1) + b) }, shape)
  }

  /// Queries, keys and values [B, H, L, E] as golden.json has them, float64.
  static func queriesKeysValues(_ shape: [Int]) throws -> [Tensor] {
    try [(0.7, 0.1), (1.3, 0.2), (2.1, 0.3)].map { try fill(shape, $0.0, $0.1) }
  }

  /// A context in evaluation of rows of these lengths.
  static func context(
    _ lengths: [Int], _ length: Int, training: Bool = false, examples: [Int]? = nil
  )
    throws -> Context
  {
    try Context(
      lengths: lengths, length: length, examples: examples ?? Array(lengths.indices),
      key: RandomKey(seed: 3)["training"][5], training: training)
  }
}

/// Dense softmax attention in float64 with an explicit mask: the reference of every sparse pattern.
///
/// - Parameter allowed: whether query i of a row of real length n may attend to key j.
func denseAttention(
  _ q: Tensor, _ k: Tensor, _ v: Tensor, lengths: [Int], scale: Double? = nil,
  allowed: (_ n: Int, _ i: Int, _ j: Int) -> Bool
) throws -> Tensor {
  let (rows, columns) = (q.size(2), k.size(2))
  var blocked: [Bool] = []
  var answered: [Double] = []
  for n in lengths {
    for i in 0..<rows {
      let row = (0..<columns).map { $0 >= n || !allowed(n, i, $0) }
      blocked += row
      answered.append(row.contains(false) ? 1 : 0)
    }
  }
  let scores = try q.matmul(k.transposed(2, 3)) * (scale ?? 1 / Double(q.size(3)).squareRoot())
  let mask = try Tensor.from(blocked, [lengths.count, 1, rows, columns])
  let weights = try scores.filled(where: mask, -1e30).softmax(-1)  // [B, H, Q, K]
  return try weights.matmul(v) * Tensor.from(answered, [lengths.count, 1, rows, 1])
}

/// Compares outputs and the gradients of all inputs of two computations, in float64.
///
/// Outputs at padded positions are not compared: each row has its real length.
func expectSame(
  _ inputs: [Tensor], lengths: [Int], within tolerance: Double = 1e-10, _ note: String = "",
  _ found: ([Tensor]) throws -> Tensor, _ expected: ([Tensor]) throws -> Tensor
) throws {
  var results: [[Double]] = []
  for isExpected in [false, true] {
    let leaves = try inputs.map { try $0.detached() * 1 }
    for leaf in leaves { try leaf.requireGradient() }
    let out = try isExpected ? expected(leaves) : found(leaves)  // [B, H, L, E]
    let real = lengths.flatMap { n in (0..<out.size(2)).map { $0 < n ? 1.0 : 0.0 } }
    let flags = try Tensor.from(real, [lengths.count, 1, out.size(2), 1])
    let direction = try Inputs.fill(out.shape, 1.3, 0.4) * flags
    try (out * direction).sum().backward()
    results.append(try (out * flags).doubles())
    for (index, leaf) in leaves.enumerated() {
      let gradient = try leaf.gradient?.doubles() ?? [Double](repeating: 0, count: leaf.count)
      results[results.count - 1] += gradient
      if index == 0 { #expect(results[results.count - 1].contains { abs($0) > 1e-6 }, "\(note)") }
    }
  }
  #expect(difference(results[0], results[1]) < tolerance, "\(note)")
}

/// What `run` makes of queries, keys and values [B, H, L, E] side by side, as [B, H, L, Ev].
///
/// Widths may differ: zeros fill them up, which change no logit.
func apart(
  _ q: Tensor, _ k: Tensor, _ v: Tensor, _ run: (_ qkv: Tensor) throws -> Tensor
) throws -> Tensor {
  let width = max(q.size(3), v.size(3))
  let parts = try [q, k, v].map {
    try $0.padded(after: width - $0.size(3), 3).transposed(1, 2).unsqueezed(2)
  }
  return try run(.concatenated(parts, 2)).slice(0..<v.size(3), 3).transposed(1, 2)
}
