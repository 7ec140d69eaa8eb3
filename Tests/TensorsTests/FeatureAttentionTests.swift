import Foundation
import Tensors
import Testing

/// What a test asks for; the reference below knows the maps by these names.
private enum Kind: String, CaseIterable, Sendable { case elu, relu, cosine, random, taylor }

/// Features of queries and keys [B, H, L, M] in float64, from elementary operations.
private func features(
  _ x: Tensor, _ kind: Kind, keys: Bool, causal: Bool, padding: Tensor, table: Tensor
) throws -> Tensor {
  let (length, e) = (x.size(2), x.size(3))
  switch kind {
  case .elu: return try x.elu() + 1
  case .relu: return try x.relu() + 1e-3
  case .cosine:
    let part = { (index: Int) in
      try x.relu() * table.slice(index..<(index + 1), 1).reshaped([length, 1])
    }
    return try .concatenated([part(0), part(1)], 3)
  case .taylor:
    let u = try x * pow(Double(e), -0.25)
    let size = try ((u * u).sum([3], keep: true) + 1e-24).squareRoot()
    let cut = try u / (size * (1 / 1.5.squareRoot())).clamped(least: 1)
    let squares = try cut.unsqueezed(4) * cut.unsqueezed(3) * 0.5.squareRoot()
    let flat = try squares.reshaped([x.size(0), x.size(1), length, e * e])
    return try .concatenated([cut.slice(0..<1, 3) * 0 + 1, cut, flat], 3)
  case .random:
    let u = try x * pow(Double(e), -0.25)
    let exponents = try u.matmul(table.transposed(0, 1)) - (u * u).sum([3], keep: true) * 0.5
    let factor = 1 / Double(table.size(0)).squareRoot()
    if !keys { return try ((exponents - exponents.max(3)).exp() + 1e-6) * factor }
    let real = try exponents.filled(where: padding, -1e30)
    let level = try causal ? Tensor.zeros([1], .float64) : real.max(3).max(2).clamped(least: -1e4)
    return try ((real - level).exp() + 1e-6) * factor
  }
}

/// The quadratic form: weights of all pairs of features, those of padding and of the future zero.
private func reference(
  _ qkv: Tensor, _ kind: Kind, lengths: [Int], causal: Bool, table: Tensor
) throws -> Tensor {
  let length = qkv.size(1)
  let part = { (index: Int) in try qkv.select(index, 2).transposed(1, 2) }  // [B, H, L, E]
  let padding = try Tensor.from(
    lengths.flatMap { n in (0..<length).map { $0 >= n } }, [lengths.count, 1, length, 1])
  let phi = { (x: Tensor, keys: Bool) in
    try features(x, kind, keys: keys, causal: causal, padding: padding, table: table)
  }
  let future = try Tensor.from(
    (0..<(length * length)).map { causal && $0 % length > $0 / length }, [length, length])
  let weights = try phi(part(0), false)
    .matmul(phi(part(1), true).filled(where: padding, 0).transposed(2, 3))
    .filled(where: future, 0)  // [B, H, L, L]
  let sum = try weights.sum([3], keep: true)
  let divisor = try kind == .cosine ? sum.clamped(least: 1e-6) : sum + 1e-6
  return try (weights.matmul(part(2)) / divisor).transposed(1, 2)  // [B, L, H, E]
}

@Suite(.serialized) struct FeatureAttentionTests {
  struct Case: CustomTestStringConvertible, Sendable {
    var length: Int
    var width: Int
    var lengths: [Int]
    var testDescription: String { "L \(length), E \(width), lengths \(lengths)" }
  }

  static let cases = [
    Case(length: 1, width: 4, lengths: [1, 1]), Case(length: 7, width: 16, lengths: [7, 3]),
    Case(length: 64, width: 1, lengths: [64, 64]), Case(length: 97, width: 20, lengths: [97, 50]),
    Case(length: 129, width: 33, lengths: [129, 0]),
    Case(length: 200, width: 128, lengths: [64, 200]),
    Case(length: 321, width: 32, lengths: [321, 211]),
  ]

  private func map(_ kind: Kind, _ table: Tensor) throws -> FeatureMap {
    switch kind {
    case .elu: return .elu
    case .relu: return .relu(eps: 1e-3)
    case .cosine:
      let values = try table.doubles()
      return .cosine((0..<table.size(0)).map { (values[2 * $0], values[2 * $0 + 1]) })
    case .random: return try .random(table.to(.float32), eps: 1e-6)
    case .taylor: return .taylor(bound: 1.5)
    }
  }

  private func table(_ kind: Kind, _ example: Case) throws -> Tensor {
    if kind == .random {
      // Rows of Gaussian length, as features have them, not a multiple of any vector.
      let shape = [2 * example.width + 7, example.width]
      return try Tensor.normal(shape, key: RandomKey(seed: 9)).to(.float64)
    }
    let angles = (1...example.length).map { Double($0) * .pi / 2 / Double(example.length + 20) }
    let values = angles.flatMap { [Double(Float(sin($0))), Double(Float(cos($0)))] }
    return try .from(values, [example.length, 2])
  }

  @Test(
    "outputs and gradients equal the quadratic form in float64, in every tier",
    arguments: tiers, cases)
  func agreesWithQuadratic(tier: String, example: Case) throws {
    try Engine.use(tier: tier)
    let shape = [2, example.length, 3, 2, example.width]
    let values = fill(shape, 0.7, 0.1).map { Double(Float(1.5 * $0)) }
    // The reference of Taylor features stores E² of them for every token.
    for kind in Kind.allCases where kind != .taylor || example.width <= 33 {
      for causal in [false, true] {
        let table = try table(kind, example)
        let dense = try Tensor.from(values, shape)
        try dense.requireGradient()
        let expected = try reference(
          dense, kind, lengths: example.lengths, causal: causal, table: table)
        let direction = try Tensor.from(fill(expected.shape, 1.3, 0.4), expected.shape)
        try (expected * direction).sum().backward()

        let fused = try Tensor.from(values.map(Float.init), shape)
        try fused.requireGradient()
        let found = try fused.featureAttention(
          map(kind, table), lengths: .from(example.lengths.map(Int64.init), [2]), causal: causal,
          denominator: kind == .cosine ? .atLeast(1e-6) : .plus(1e-6))
        try (found * direction.to(.float32)).sum().backward()

        let note = "\(kind.rawValue)\(causal ? ", causal" : "")"
        #expect(relativeError(try found.doubles(), try expected.doubles()) < 1e-5, "\(note)")
        let gradient = try #require(dense.gradient).doubles()
        let foundGradient = try #require(fused.gradient).doubles()
        // Small denominators of cosFormer's first tokens magnify rounding; torch's float32 has 2e-5.
        #expect(relativeError(foundGradient, gradient) < 1e-4, "\(note)")
      }
    }
  }

  @Test("what stands at padded keys changes nothing, and they get no gradient", arguments: tiers)
  func padding(tier: String) throws {
    try Engine.use(tier: tier)
    let shape = [1, 70, 3, 2, 16]
    let w = try Tensor.normal([24, 16], key: RandomKey(seed: 2))
    var values = fill(shape, 0.3, 0.2).map(Float.init)
    let lengths = try Tensor.from([Int64(33)], [1])
    for causal in [false, true] {
      let run = { () throws -> ([Float], [Float]) in
        let x = try Tensor.from(values, shape)
        try x.requireGradient()
        let y = try x.featureAttention(
          .random(w, eps: 1e-6), lengths: lengths, causal: causal, denominator: .plus(1e-6))
        try y.slice(0..<33, 1).sum().backward()
        return (try y.slice(0..<33, 1).floats(), try #require(x.gradient).floats())
      }
      let first = try run()
      for token in 33..<70 {
        for key in 32..<96 { values[token * 96 + key] = .nan }
      }
      let second = try run()
      #expect(first.0 == second.0 && first.1 == second.1)
      #expect(first.1[(33 * 96)...].allSatisfy { $0 == 0 })
    }
  }

  @Test("any number of threads gives the same bits")
  func threads() throws {
    let before = Engine.threads
    defer { _ = try? Engine.start(threads: before) }
    let shape = [3, 150, 3, 2, 20]
    let w = try Tensor.normal([40, 20], key: RandomKey(seed: 2))
    let run = { (threads: Int) throws -> [Float] in
      _ = try Engine.start(threads: threads)
      let x = try Tensor.from(fill(shape, 0.3, 0.2).map(Float.init), shape)
      try x.requireGradient()
      let y = try x.featureAttention(
        .random(w, eps: 1e-6), lengths: nil, causal: false, denominator: .plus(1e-6))
      try (y * y).sum().backward()
      return try y.floats() + #require(x.gradient).floats()
    }
    #expect(try run(1) == run(2))
    #expect(try run(2) == run(2))
  }

  @Test("a wrong shape or table is an error with libtorch's words")
  func wrongShape() throws {
    let attend = { (x: Tensor, map: FeatureMap) in
      try x.featureAttention(map, lengths: nil, causal: false, denominator: .plus(1e-6))
    }
    #expect(throws: TensorError.self) { try attend(.zeros([2, 3, 4]), .elu) }
    #expect(throws: TensorError.self) { try attend(.zeros([2, 3, 3, 1, 4], .float64), .elu) }
    let x = try Tensor.zeros([2, 3, 3, 1, 4])
    #expect(throws: TensorError.self) { try attend(x, .random(.zeros([8, 5]), eps: 1e-6)) }
    #expect(throws: TensorError.self) { try attend(x, .cosine([(0, 1)])) }
  }
}
