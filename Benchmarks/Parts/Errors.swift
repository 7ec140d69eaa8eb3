import ArgumentParser
import Foundation
import Tensors

/// Errors of our kernels against float64 beside those of the library's operations in the same precision.
struct Errors: ParsableCommand {
  @Option(help: "float32 or bfloat16 (autocast).") var precision = "float32"
  @Option(help: "Draws of the inputs.") var draws = 5

  /// Some inputs, and two ways to one result.
  private struct Case {
    let name: String
    let shapes: [[Int]]
    let kernel: ([Tensor]) throws -> Tensor
    let library: ([Tensor]) throws -> Tensor
  }

  func run() throws {
    _ = try Engine.start(threads: 1)
    for one in try cases() {
      var ours: [Double] = []
      var theirs: [Double] = []
      var ratios: [Double] = []
      for draw in 0..<draws {
        let inputs = try one.shapes.enumerated().map { index, shape in
          try normal(shape, seed: 100 * draw + index)
        }
        let exact = try values(inputs, .float64, one.library)
        let found = try values(inputs, .float32, one.kernel)
        let other = try values(inputs, .float32, one.library)
        for index in exact.indices {
          let mine = error(found[index], exact[index])
          let peer = error(other[index], exact[index])
          guard peer > 0 || mine > 0 else { continue }
          ours.append(mine)
          theirs.append(peer)
          ratios.append(mine / max(peer, 1e-30))
        }
      }
      print(
        "{\"part\": \"\(one.name)\", \"precision\": \"\(precision)\", \"ours\": \(median(ours)), "
          + "\"library\": \(median(theirs)), \"ratio\": {\"median\": \(median(ratios)), "
          + "\"max\": \(ratios.max() ?? 0)}}")
    }
  }

  private func cases() throws -> [Case] {
    var all: [Case] = []
    for (rows, input, output) in [(4096, 64, 192), (1000, 256, 1024), (777, 130, 33)] {
      all.append(
        Case(name: "linear \(rows) \(input) \(output)", shapes: [[rows, input], [output, input]]) {
          try $0[0].linear($0[1], nil)
        } library: {
          try $0[0].matmul($0[1].transposed(0, 1))
        })
    }
    for width in [64, 256, 33, 2] {
      all.append(
        Case(name: "layer norm \(width)", shapes: [[1000, width], [width], [width]]) {
          try $0[0].layerNorm($0[1], $0[2], eps: 1e-5)
        } library: {
          try normalized($0[0]) * $0[1] + $0[2]
        })
    }
    for (width, hidden) in [(64, 128), (256, 1024), (33, 65)] {
      let examples = try Tensor.from([Int64(0), 1], [2])
      let keys = [RandomKey(seed: 1)["a"], RandomKey(seed: 1)["b"]]
      let shapes = [[2, 500, width], [width], [width], [hidden, width], [width, hidden]]
      all.append(
        Case(name: "feed-forward \(width) \(hidden)", shapes: shapes) { x in
          let share = 1 / Double(width).squareRoot()
          let found = try x[0].feedForward(
            norm: LayerNorm(weight: .from(x[1]), bias: .from(x[2]), eps: 1e-5),
            up: Linear(weight: .from(x[3] * share), bias: nil), activation: .gelu,
            down: Linear(weight: .from(x[4] * share), bias: nil),
            dropout: FusedDropout(0.1, keys: keys, examples: examples))
          guard let found else { throw ValidationError("the kernel does not take this") }
          return found
        } library: { x in
          let share = 1 / Double(width).squareRoot()
          let inner = try (normalized(x[0]) * x[1] + x[2])
            .matmul((x[3] * share).transposed(0, 1)).gelu()
            .dropout(0.1, key: keys[0], examples: examples)
          return try inner.matmul((x[4] * share).transposed(0, 1))
            .dropout(0.1, key: keys[1], examples: examples, addedTo: x[0])
        })
    }
    for (length, width) in [(1024, 64), (777, 32)] {
      let lengths = try Tensor.from([Int64(length), Int64(length / 3)], [2])
      let blocked = try Tensor.from(
        (0..<(2 * length)).map { $0 >= length + length / 3 ? Float(1) : 0 }, [2, 1, 1, length])
      let scale = 1 / Double(width).squareRoot()
      all.append(
        Case(name: "attention \(length) \(width)", shapes: [[2, length, 3, 2, width]]) {
          try $0[0].attention(keyLengths: lengths, scale: scale).transposed(1, 2)
        } library: { x in
          let (q, k, v) = try (part(x[0], 0), part(x[0], 1), part(x[0], 2))
          let mask = try blocked.to(.bool)
          return try (q.matmul(k.transposed(2, 3)) * scale).filled(where: mask, -1e9).softmax(-1)
            .matmul(v)
        })
      all.append(
        Case(name: "linear attention \(length) \(width)", shapes: [[2, length, 3, 2, width]]) {
          try $0[0].widened().featureAttention(
            .elu, lengths: nil, causal: false, denominator: .plus(1e-6)
          ).transposed(1, 2)
        } library: { x in
          let (q, k, v) = try (part(x[0], 0).elu() + 1, part(x[0], 1).elu() + 1, part(x[0], 2))
          let sums = try q.matmul(k.sum([2], keep: true).transposed(2, 3)) + 1e-6
          return try q.matmul(k.transposed(2, 3).matmul(v)) / sums
        })
    }
    return all
  }

  /// Output and gradients.
  private func values(
    _ inputs: [Tensor], _ type: ElementType, _ body: ([Tensor]) throws -> Tensor
  ) throws -> [[Double]] {
    let own = try inputs.map { try $0.to(type).detached() * 1 }
    for input in own { try input.requireGradient() }
    let narrows = precision == "bfloat16" && type == .float32
    let y =
      try narrows
      ? withBFloat16(on: .cpu) { try body(own).to(.float32) } : body(own)
    let slope = try normal(y.shape, seed: 7777).to(type)
    try (y * slope).sum().backward()
    return try [y.to(.float64).doubles()] + own.map { try $0.gradient?.to(.float64).doubles() ?? [] }
  }

  private func normal(_ shape: [Int], seed: Int) throws -> Tensor {
    try .normal(shape, key: RandomKey(seed: seed))
  }

  private func normalized(_ x: Tensor) throws -> Tensor {
    let share = 1 / Double(x.size(-1))
    let centred = try x - x.sum([-1], keep: true) * share
    return try centred / ((centred * centred).sum([-1], keep: true) * share + 1e-5).squareRoot()
  }

  private func part(_ qkv: Tensor, _ index: Int) throws -> Tensor {
    try qkv.select(index, 2).transposed(1, 2)
  }

  /// The root of the mean square error, as a share of that of the right values.
  private func error(_ found: [Double], _ right: [Double]) -> Double {
    let wrong = zip(found, right).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    return (wrong / max(right.reduce(0) { $0 + $1 * $1 }, 1e-300)).squareRoot()
  }
}
