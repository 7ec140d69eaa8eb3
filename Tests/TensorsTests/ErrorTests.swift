import Testing

@testable import Tensors

/// Root mean square errors of the kernels against float64, beside those of the library's operations: over
/// outputs and gradients of several draws, and sums long enough for errors to grow.
@Suite(.serialized) struct ErrorTests {
  struct Case: CustomTestStringConvertible, Sendable {
    let name: String
    let shapes: [[Int]]
    let kernel: @Sendable ([Tensor]) throws -> Tensor
    let library: @Sendable ([Tensor]) throws -> Tensor

    var testDescription: String { name }
  }

  static let cases: [Case] =
    [(1000, 256, 512), (777, 130, 33)].map { rows, input, output in
      Case(name: "linear \(rows) \(input) \(output)", shapes: [[rows, input], [output, input]]) {
        try $0[0].linear($0[1], nil)
      } library: {
        try $0[0].matmul($0[1].transposed(0, 1))
      }
    }
    + [64, 33].map { width in
      Case(name: "layer norm \(width)", shapes: [[1000, width], [width], [width]]) {
        try $0[0].layerNorm($0[1], $0[2], eps: 1e-5)
      } library: {
        try normalized($0[0]) * $0[1] + $0[2]
      }
    }
    + [(64, 128), (128, 512)].map { width, hidden in
      let shapes = [[2, 500, width], [width], [width], [hidden, width], [width, hidden]]
      let share = 1 / Double(width).squareRoot()
      return Case(name: "feed-forward \(width) \(hidden)", shapes: shapes) { x in
        let branch = try x[0].feedForward(
          norm: LayerNorm(weight: .from(x[1]), bias: .from(x[2]), eps: 1e-5),
          up: Linear(weight: .from(x[3] * share), bias: nil), activation: .gelu,
          down: Linear(weight: .from(x[4] * share), bias: nil),
          dropout: FusedDropout(0.1, keys: keys, examples: .from([Int64(0), 1], [2])))
        return try #require(branch)
      } library: { x in
        let examples = try Tensor.from([Int64(0), 1], [2])
        let inner = try (normalized(x[0]) * x[1] + x[2])
          .matmul((x[3] * share).transposed(0, 1)).gelu()
          .dropout(0.1, key: keys[0], examples: examples)
        return try inner.matmul((x[4] * share).transposed(0, 1))
          .dropout(0.1, key: keys[1], examples: examples, addedTo: x[0])
      }
    }
    + [(1024, 64, 0), (777, 32, 0), (dropped, 32, 0.1)].map { length, width, rate in
      let scale = 1 / Double(width).squareRoot()
      let name = "attention \(length) \(width)" + (rate > 0 ? ", dropout" : "")
      return Case(name: name, shapes: [[2, length, 3, 1, width]]) {
        try $0[0].attention(
          keyLengths: .from([Int64(length), Int64(length / 3)], [2]), scale: scale, dropout: rate,
          key: keys[0], examples: .from([Int64(0), 1], [2])
        ).transposed(1, 2)
      } library: { x in
        let hidden = (0..<(2 * length)).map { $0 >= length + length / 3 ? Float(1) : 0 }
        var weights = try (part(x[0], 0).matmul(part(x[0], 1).transposed(2, 3)) * scale)
          .filled(where: Tensor.from(hidden, [2, 1, 1, length]).to(.bool), -1e9).softmax(-1)
        if rate > 0 {
          weights = try weights * Tensor.from(kept, weights.shape).to(weights.elementType)
        }
        return try weights.matmul(part(x[0], 2))
      }
    }
    + [(1024, 64), (777, 32)].map { length, width in
      Case(name: "linear attention \(length) \(width)", shapes: [[2, length, 3, 1, width]]) {
        try $0[0].widened().featureAttention(
          .elu, lengths: nil, causal: false, denominator: .plus(1e-6)
        ).transposed(1, 2)
      } library: { x in
        let (q, k) = try (part(x[0], 0).elu() + 1, part(x[0], 1).elu() + 1)
        let sums = try q.matmul(k.sum([2], keep: true).transposed(2, 3)) + 1e-6
        return try q.matmul(k.transposed(2, 3).matmul(part(x[0], 2))) / sums
      }
    }

  @Test("over many elements errors are about the library's or less", arguments: tiers, cases)
  func errors(tier: String, one: Case) throws {
    try Engine.use(tier: tier)
    for narrows in [false, true] {
      var ratios: [Double] = []
      for draw in 0..<3 {
        let inputs = try one.shapes.enumerated().map { index, shape in
          try Tensor.normal(shape, key: RandomKey(seed: 100 * draw + index))
        }
        let exact = try values(inputs, .float64, one.library)
        let own = try values(inputs, .float32, narrows: narrows, one.kernel)
        let other = try values(inputs, .float32, narrows: narrows, one.library)
        for index in exact.indices {
          ratios.append(error(own[index], exact[index]) / error(other[index], exact[index]))
        }
      }
      ratios.sort()
      let (middle, most) = (ratios[ratios.count / 2], ratios.last ?? .infinity)
      if tier == tiers[0] { print("error of \(one.name), bfloat16 \(narrows): \(middle), \(most)") }
      // Some room: the order of the library's sums depends on the CPU.
      #expect(middle <= 1.15 && most <= 1.5, "\(narrows) \(middle) \(most)")
    }
  }

  /// Output and gradients.
  private func values(
    _ inputs: [Tensor], _ type: ElementType, narrows: Bool = false,
    _ body: ([Tensor]) throws -> Tensor
  ) throws -> [[Double]] {
    let own = try inputs.map { try $0.to(type).detached() * 1 }
    for input in own { try input.requireGradient() }
    let y = try narrows ? withBFloat16(on: .cpu) { try body(own).to(.float32) } : body(own)
    try (y * Tensor.normal(y.shape, key: RandomKey(seed: 7777)).to(type)).sum().backward()
    return try [y.doubles()] + own.map { try $0.gradient?.doubles() ?? [] }
  }

  /// The root of the mean square error, as a share of that of the right values.
  private func error(_ found: [Double], _ right: [Double]) -> Double {
    let wrong = zip(found, right).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    return (wrong / right.reduce(0) { $0 + $1 * $1 }).squareRoot()
  }
}

private let keys = ["inside", "outside"].map { RandomKey(seed: 1)[$0] }

/// A length with dropout of probabilities, and the factors that a rate of 0.1 gives them: [2, 1, L, L].
private let dropped = 401
private let kept =
  (try? keepMask(2, 1, dropped, rate: 0.1, key: keys[0], examples: [0, 1]).doubles()) ?? []

private func normalized(_ x: Tensor) throws -> Tensor {
  let share = 1 / Double(x.size(-1))
  let centred = try x - x.sum([-1], keep: true) * share
  return try centred / ((centred * centred).sum([-1], keep: true) * share + 1e-5).squareRoot()
}

private func part(_ qkv: Tensor, _ index: Int) throws -> Tensor {
  try qkv.select(index, 2).transposed(1, 2)
}
