import Foundation
import Tensors
import Testing

@Suite(.serialized) struct PairAttentionTests {
  struct Case: CustomTestStringConvertible, Sendable {
    var queries: Int
    var keys: Int
    var width: Int
    var lengths: [Int]
    var causal = false
    var dropout = 0.0
    var testDescription: String {
      "Q \(queries), K \(keys), E \(width), lengths \(lengths)\(causal ? ", causal" : "")"
        + (dropout > 0 ? ", dropout" : "")
    }
  }

  static let cases = [
    Case(queries: 1, keys: 1, width: 4, lengths: [1, 1]),
    Case(queries: 7, keys: 19, width: 5, lengths: [19, 3]),
    Case(queries: 65, keys: 128, width: 32, lengths: [128, 128], dropout: 0.1),
    Case(queries: 130, keys: 129, width: 64, lengths: [127, 0]),
    Case(queries: 64, keys: 300, width: 20, lengths: [300, 1], dropout: 0.5),
    Case(queries: 200, keys: 200, width: 33, lengths: [200, 90], causal: true, dropout: 0.1),
    Case(queries: 70, keys: 40, width: 128, lengths: [40, 40]),
    Case(queries: 150, keys: 150, width: 1, lengths: [150, 149], causal: true),
  ]

  private let key = RandomKey(seed: 5)["site"]

  /// Weights of all pairs in float64; dropout by the operation that drops elements of a tensor.
  private func reference(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ weights: PairWeights, _ example: Case, scale: Double,
    examples: Tensor
  ) throws -> Tensor {
    let (rows, columns) = (example.queries, example.keys)
    let blocked = try Tensor.from(
      example.lengths.flatMap { n in
        (0..<(rows * columns)).map {
          $0 % columns >= n || (example.causal && $0 % columns > $0 / columns)
        }
      }, [2, 1, rows, columns])
    let products = try q.matmul(k.transposed(2, 3))
    var dense: Tensor
    switch weights {
    case .softmax: dense = try (products * scale).filled(where: blocked, -1e30).softmax(-1)
    case .gaussian:
      let halves = { (x: Tensor) in try (x * x).sum([3], keep: true) * 0.5 }
      dense = try ((products - halves(q) - halves(k).transposed(2, 3)) * scale).exp()
    }
    dense = try dense.filled(where: blocked, 0)
    return try dense.dropout(example.dropout, key: key, examples: examples).matmul(v)
  }

  @Test(
    "outputs and gradients equal dense float64 weights in every tier", arguments: tiers, cases)
  func agreesWithDense(tier: String, example: Case) throws {
    try Engine.use(tier: tier)
    let e = example.width
    let examples = try Tensor.from([Int64(3), 1_000_000_007], [2])
    let shapes = [example.queries, example.keys, example.keys].map { [2, 2, $0, e] }
    let values = zip(shapes, [0.7, 1.3, 2.1]).map { shape, a in
      fill(shape, a, 0.1).map { Double(Float(1.5 * $0)) }
    }
    for weights in [PairWeights.softmax, .gaussian] {
      let exact = try zip(values, shapes).map { try Tensor.from($0, $1) }
      let single = try exact.map { try $0.to(.float32) }
      for leaf in exact + single { try leaf.requireGradient() }
      let scale = 1 / Double(e).squareRoot()
      let expected = try reference(
        exact[0], exact[1], exact[2], weights, example, scale: scale, examples: examples)
      let direction = try Tensor.from(fill(shapes[0], 1.3, 0.4), shapes[0])
      try (expected * direction).sum().backward()
      let found = try single[0].pairAttention(
        single[1], single[2], weights, lengths: .from(example.lengths.map(Int64.init), [2]),
        causal: example.causal, scale: scale, dropout: example.dropout, key: key,
        examples: examples)
      try (found * direction.to(.float32)).sum().backward()
      // Sums that nearly cancel magnify rounding: the library's own, in float32, says by how much.
      let plain = try single.map { try $0.detached() }
      let library = try reference(
        plain[0], plain[1], plain[2], weights, example, scale: scale, examples: examples)
      let rounding = relativeError(try library.doubles(), try expected.doubles())
      let error = relativeError(try found.doubles(), try expected.doubles())
      #expect(error < max(3e-6, 3 * rounding), "\(weights), the library's \(rounding)")
      for (index, pair) in zip(exact, single).enumerated() {
        let gradient = try #require(pair.0.gradient).doubles()
        let foundGradient = try #require(pair.1.gradient).doubles()
        // One key under softmax has weight 1 whatever it is: its gradient is 0.
        let scale = max(gradient.map { abs($0) }.max() ?? 0, example.keys == 1 ? 1 : 0)
        let worst = zip(foundGradient, gradient).map { abs($0 - $1) }.max() ?? 0
        #expect(worst < 3e-5 * scale, "\(weights), input \(index)")
      }
    }
  }

  @Test("rows may lie anywhere: views of packed projections give what copies give")
  func views() throws {
    let qkv = try Tensor.from(
      fill([2, 30, 3, 2, 12], 0.7, 0.1).map(Float.init), [2, 30, 3, 2, 12])
    let parts = try (0..<3).map { try qkv.select($0, 2).transposed(1, 2) }
    let copies = try parts.map { try $0.contiguous() }
    let run = { (x: [Tensor]) in
      try x[0].pairAttention(x[1], x[2], .gaussian, lengths: nil, scale: 0.3).floats()
    }
    #expect(try run(parts) == run(copies))
  }

  @Test(
    "the convolution along tokens equals the library's, in outputs and gradients",
    arguments: tiers, [[1, 4, 35], [7, 16, 3], [100, 33, 35], [65, 20, 1]])
  func convolution(tier: String, size: [Int]) throws {
    try Engine.use(tier: tier)
    let (length, e, width) = (size[0], size[1], size[2])
    let shape = [2, 3, length, e]
    let lengths = [length, length / 2]
    let values = fill(shape, 0.7, 0.1).map { Double(Float($0)) }
    let filters = fill([3, 1, width], 1.7, 0.3).map { Double(Float($0)) }
    let exact = (try Tensor.from(values, shape), try Tensor.from(filters, [3, 1, width]))
    let single = (try exact.0.to(.float32), try exact.1.to(.float32))
    for leaf in [exact.0, exact.1, single.0, single.1] { try leaf.requireGradient() }
    let real = try Tensor.from(
      lengths.flatMap { n in (0..<length).map { $0 < n ? 1.0 : 0 } }, [2, 1, length, 1])
    let expected = try (exact.0 * real).permuted([0, 3, 1, 2]).reshaped([2 * e, 3, length])
      .convolved(exact.1, padding: width / 2, groups: 3)
      .reshaped([2, e, 3, length]).permuted([0, 2, 3, 1])
    let direction = try Tensor.from(fill(shape, 1.3, 0.4), shape)
    try (expected * direction).sum().backward()
    let found = try single.0.rowConvolution(
      single.1, lengths: .from(lengths.map(Int64.init), [2]))
    try (found * direction.to(.float32)).sum().backward()
    #expect(relativeError(try found.doubles(), try expected.doubles()) < 1e-6)
    for (one, other) in [(exact.0, single.0), (exact.1, single.1)] {
      let gradient = try #require(one.gradient).doubles()
      #expect(relativeError(try #require(other.gradient).doubles(), gradient) < 1e-5)
    }
  }

  @Test("sizes that do not fit are an error with libtorch's words")
  func wrongShape() throws {
    let x = try Tensor.zeros([2, 2, 5, 4])
    #expect(throws: TensorError.self) {
      try x.pairAttention(
        .zeros([2, 2, 6, 3]), .zeros([2, 2, 6, 3]), .softmax, lengths: nil, scale: 1)
    }
    #expect(throws: TensorError.self) {
      try x.pairAttention(x.to(.float64), x, .softmax, lengths: nil, scale: 1)
    }
  }
}
