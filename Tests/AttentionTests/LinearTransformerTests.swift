import Foundation
import Tensors
import Testing

@testable import Attention

@Suite struct LinearTransformerTests {
  /// Queries, keys and values [B, H, L, E] from sines.
  static func inputs(_ shape: [Int]) throws -> [Tensor] {
    try [(0.7, 0.1), (1.3, 0.2), (2.1, 0.3)].map { a, b in
      let values = (0..<shape.reduce(1, *)).map { Float(sin(a * Double($0 + 1) + b)) }
      return try Tensor.from(values, shape)
    }
  }

  /// The quadratic form in float64: weights φ(q)·φ(k) over the allowed keys, divided by their sum.
  private func reference(_ x: [Tensor], real: Int, causal: Bool) throws -> [Double] {
    let (b, h, length, e) = (x[0].size(0), x[0].size(1), x[0].size(2), x[0].size(3))
    let values = try x.map { try $0.doubles() }
    func phi(_ t: Double) -> Double { t > 0 ? t + 1 : exp(t) }
    var out = [Double](repeating: 0, count: b * h * length * e)
    for head in 0..<(b * h) {
      for i in 0..<length {
        var sum = 1e-6
        var row = [Double](repeating: 0, count: e)
        for j in 0..<min(real, causal ? i + 1 : length) {
          var weight = 0.0
          for c in 0..<e {
            weight +=
              phi(values[0][(head * length + i) * e + c])
              * phi(values[1][(head * length + j) * e + c])
          }
          sum += weight
          for c in 0..<e { row[c] += weight * values[2][(head * length + j) * e + c] }
        }
        for c in 0..<e { out[(head * length + i) * e + c] = row[c] / sum }
      }
    }
    return out
  }

  @Test("it equals the quadratic form", arguments: [1, 7, 128, 129, 300], [false, true])
  func quadratic(length: Int, causal: Bool) throws {
    let x = try Self.inputs([2, 2, length, 8])
    let real = max(1, length * 2 / 3)
    let flags = (0..<(2 * length)).map { Float($0 % length < real ? 1 : 0) }
    let found = try LinearTransformer.attend(
      x[0], x[1], x[2], real: .from(flags, [2, 1, length, 1]), causal: causal)
    let expected = try reference(x, real: real, causal: causal)
    #expect(try zip(found.doubles(), expected).allSatisfy { abs($0 - $1) < 2e-5 })
  }

  @Test(
    "gradients are those of the quadratic form", arguments: [1, 7, 129], [false, true])
  func gradients(length: Int, causal: Bool) throws {
    let lengths = [length, (length + 1) / 2]
    let flags = lengths.flatMap { n in (0..<length).map { $0 < n ? 1.0 : 0 } }
    let real = try Tensor.from(flags, [2, 1, length, 1])
    let order = try Tensor.from(
      (0..<(length * length)).map { !causal || $0 % length <= $0 / length ? 1.0 : 0 },
      [length, length])
    // elu + 1 is eˣ below 0 and 1 + x above.
    let phi = { (x: Tensor) throws -> Tensor in
      let above = try Tensor.zeros([1], .float64).less(than: x)
      return try (x + 1).chosen(where: above, else: x.exp())
    }
    try expectSame(
      Inputs.queriesKeysValues([2, 2, length, 4]).reversed(), lengths: lengths, "",
      { try LinearTransformer.attend($0[2], $0[1], $0[0], real: real, causal: causal) },
      {
        let weights =
          try phi($0[2]).matmul(phi($0[1]).transposed(2, 3))
          * order * real.transposed(2, 3)
        return try weights.matmul($0[0]) / (weights.sum([3], keep: true) + 1e-6)
      })
  }

  @Test("the last causal row is the last bidirectional one, and each follows from the state before")
  func recurrence() throws {
    let x = try Inputs.queriesKeysValues([1, 1, 140, 3])
    let causal = try LinearTransformer.attend(x[0], x[1], x[2], real: nil, causal: true).doubles()
    let both = try LinearTransformer.attend(x[0], x[1], x[2], real: nil, causal: false).doubles()
    #expect(difference(Array(causal.suffix(3)), Array(both.suffix(3))) < 1e-10)
    let values = try x.map { try $0.doubles() }
    func phi(_ t: Double) -> Double { t > 0 ? t + 1 : exp(t) }
    var state = [Double](repeating: 0, count: 9)
    var weight = [0.0, 0, 0]
    for t in 0..<140 {
      for c in 0..<3 {
        let key = phi(values[1][t * 3 + c])
        weight[c] += key
        for e in 0..<3 { state[c * 3 + e] += key * values[2][t * 3 + e] }
      }
      let query = (0..<3).map { phi(values[0][t * 3 + $0]) }
      let sum = zip(query, weight).map { $0 * $1 }.reduce(1e-6, +)
      let row = (0..<3).map { e in (0..<3).map { query[$0] * state[$0 * 3 + e] }.reduce(0, +) / sum
      }
      #expect(difference(row, Array(causal[(t * 3)..<(t * 3 + 3)])) < 1e-10, "token \(t)")
    }
  }

  @Test("it agrees with golden group `linear`")
  func golden() throws {
    let x = try Self.inputs([1, 1, 12, 4])
    let golden = try Golden("linear")
    let attend = { (real: Tensor?, causal: Bool) in
      try LinearTransformer.attend(x[0], x[1], x[2], real: real, causal: causal).transposed(1, 2)
    }
    try golden.expect("out", attend(nil, false))
    try golden.expect("causal", attend(nil, true))
    let real = try Tensor.from((0..<12).map { Float($0 < 9 ? 1 : 0) }, [1, 1, 12, 1])
    try golden.expect("pad", attend(real, false))
  }
}
