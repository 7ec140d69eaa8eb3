import Tensors
import Testing

/// Values, and the gradients by which inputs are compared: the kernel's, and the library's in both precisions.
private struct Comparison {
  /// The kernel's largest relative error against float64, over the output and every gradient.
  let kernel: Double
  /// The float32 library's.
  let library: Double
  /// The kernel's output and gradients.
  let bits: [[Float]]
  /// The kernel's error under autocast, where its products are of bfloat16 if the tier has them.
  let half: Double
  /// The library's error under autocast.
  let libraryHalf: Double

  /// - Parameters:
  ///   - inputs: float64 values that float32 holds exactly.
  ///   - kernel: what is tested, of float32 inputs.
  ///   - library: the same of elementary operations, in either precision.
  init(
    _ inputs: [Tensor], kernel: ([Tensor]) throws -> Tensor, library: ([Tensor]) throws -> Tensor
  ) throws {
    let exact = try Comparison.values(inputs, .float64, library)
    let own = try Comparison.values(inputs, .float32, kernel)
    let theirs = try Comparison.values(inputs, .float32, library)
    let error = { (found: [[Double]]) in
      zip(found, exact).map { relativeError($0, $1) }.max() ?? .infinity
    }
    (self.kernel, self.library) = (error(own), error(theirs))
    let underAutocast = { (body: ([Tensor]) throws -> Tensor) in
      try error(
        Comparison.values(inputs, .float32) { inputs in
          try withBFloat16(on: .cpu) { try body(inputs).to(.float32) }
        })
    }
    (half, libraryHalf) = (try underAutocast(kernel), try underAutocast(library))
    bits = own.map { $0.map(Float.init) }
  }

  private static func values(
    _ inputs: [Tensor], _ type: ElementType, _ body: ([Tensor]) throws -> Tensor
  ) throws -> [[Double]] {
    let own = try inputs.map { try $0.to(.float32).to(type).detached() * 1 }
    for input in own { try input.requireGradient() }
    let y = try body(own)
    let direction = try Tensor.from(fill(y.shape, 1.3, 0.4), y.shape).to(.float32).to(type)
    try (y * direction).sum().backward()
    return try [y.doubles()] + own.map { try $0.gradient?.doubles() ?? [] }
  }

  /// No worse than twice the library, or than the last digits of float32 after some hundred additions.
  func expectExact() {
    #expect(kernel <= max(2 * library, 2e-6), "kernel \(kernel), library \(library)")
  }

  /// Under autocast no worse than thrice the library, and of bfloat16 only where the tier has it.
  func expectHalf(tier: String) {
    #expect(half <= max(3 * libraryHalf, 4e-3), "bfloat16 \(half), library \(libraryHalf)")
    #expect(halfTiers.contains(tier) ? half > 1e-4 : half == kernel, "bfloat16 \(half), \(kernel)")
  }
}

private func values(_ shape: [Int], _ a: Double, _ size: Double = 1) throws -> Tensor {
  try .from(fill(shape, a, 0.2).map { size * $0 }, shape)
}

@Suite(.serialized) struct DenseKernelTests {
  /// Rows, inputs, outputs.
  static let sizes = [
    [65, 1, 1], [64, 7, 130], [101, 64, 192], [97, 130, 13], [130, 33, 65], [200, 17, 2],
    [1000, 16, 48], [7, 65, 3], [1, 5, 9], [40, 40, 96], [56, 600, 80],
  ]

  @Test("a linear layer equals float64 as closely as the library", arguments: tiers, sizes)
  func linear(tier: String, size: [Int]) throws {
    try Engine.use(tier: tier)
    let (rows, inputs, outputs) = (size[0], size[1], size[2])
    let all = try [
      values([rows, inputs], 0.7), values([outputs, inputs], 0.3), values([outputs], 0.9),
    ]
    let biased = try Comparison(all, kernel: { try $0[0].linear($0[1], $0[2]) }) {
      try $0[0].matmul($0[1].transposed(0, 1)) + $0[2]
    }
    biased.expectExact()
    biased.expectHalf(tier: tier)
    try Comparison(Array(all[..<2]), kernel: { try $0[0].linear($0[1], nil) }) {
      try $0[0].matmul($0[1].transposed(0, 1))
    }.expectExact()
  }

  @Test("rows of bfloat16 are read and written where they are wanted", arguments: tiers, sizes)
  func narrow(tier: String, size: [Int]) throws {
    try Engine.use(tier: tier)
    let (rows, inputs, outputs) = (size[0], size[1], size[2])
    let all = try [
      values([rows, inputs], 0.7), values([outputs, inputs], 0.3), values([outputs], 0.9),
      values([inputs, outputs], 0.5),
    ]
    var type = ElementType.float32
    let twice = try Comparison(all) {
      let inner = try $0[0].linear($0[1], $0[2], narrow: true)
      type = inner.elementType
      return try inner.linear($0[3], nil, narrow: true)
    } library: {
      try ($0[0].matmul($0[1].transposed(0, 1)) + $0[2]).matmul($0[3].transposed(0, 1))
    }
    twice.expectExact()
    twice.expectHalf(tier: tier)
    #expect(type == (halfTiers.contains(tier) && outputs % 2 == 0 ? .bfloat16 : .float32))
  }

  @Test("weights that are not trained get no gradient, inputs still do")
  func frozen() throws {
    let (x, weight) = (try Tensor.full([70, 8], 1), try Tensor.full([4, 8], 0.5))
    try x.requireGradient()
    try x.linear(weight, nil).sum().backward()
    #expect(weight.gradient == nil)
    #expect(Set(try #require(x.gradient).floats()) == [2])
  }

  @Test("layer normalisation equals float64 as closely as the library", arguments: tiers, sizes)
  func layerNorm(tier: String, size: [Int]) throws {
    try Engine.use(tier: tier)
    let (rows, width) = (size[0], size[1] + 1)
    let x = try values([rows, width], 0.7, 3) + 1
    try Comparison(
      [x, values([width], 0.3), values([width], 0.9)],
      kernel: { try $0[0].layerNorm($0[1], $0[2], eps: 1e-5) }
    ) {
      let centred = try $0[0] - $0[0].sum([1], keep: true) * (1 / Double(width))
      let variance = try (centred * centred).sum([1], keep: true) * (1 / Double(width)) + 1e-5
      return try centred / variance.squareRoot() * $0[1] + $0[2]
    }.expectExact()
  }

  @Test(
    "a feed-forward branch equals float64, the masks being those of dropout", arguments: tiers,
    [(FusedActivation.gelu, 0.1), (.gelu, 0), (.geluTanh, 0.5), (.relu, 0.1), (.relu, 0)])
  func feedForward(tier: String, form: (activation: FusedActivation, rate: Double)) throws {
    try Engine.use(tier: tier)
    for (length, width, hidden) in [(65, 17, 33), (7, 64, 128), (130, 5, 300), (1, 16, 1)] {
      let branch = try Branch(form.activation, form.rate)
      for normed in [true, false] {
        let found = try Comparison(
          Branch.inputs(length, width, hidden), kernel: { try branch.kernel($0, normed: normed) },
          library: { try branch.library($0, normed: normed) })
        found.expectExact()
        found.expectHalf(tier: tier)
      }
    }
  }

  @Test("large inputs of the activation neither overflow nor leave its limits", arguments: tiers)
  func largeInputs(tier: String) throws {
    try Engine.use(tier: tier)
    for activation in [FusedActivation.gelu, .geluTanh] {
      let branch = try Branch(activation, 0)
      let one = try Tensor.full([1, 1], 1)
      let points: [Float] = [-1e18, -1000, -20, -9, 0, 9, 20, 1000, 1e18]
      let x = try Tensor.from(points, [1, points.count, 1])
      try x.requireGradient()
      let zero = try Tensor.zeros([1])
      let y = try branch.kernel([x, zero, zero, one, zero, one, zero], normed: false)
      try y.sum().backward()
      let found = try zip(y.floats(), points).map { $0 - $1 }
      #expect(zip(found, points).allSatisfy { abs($0 - max($1, 0)) <= 1e-7 * max(1, abs($1)) })
      let slopes = try #require(x.gradient).floats()
      #expect(zip(slopes, points).allSatisfy { $1 == 0 || abs($0 - ($1 > 0 ? 2 : 1)) < 1e-5 })
    }
  }

  @Test("embeddings equal float64, the masks being those of dropout", arguments: tiers, [0, 0.1])
  func embedding(tier: String, rate: Double) throws {
    try Engine.use(tier: tier)
    for (length, width) in [(65, 17), (7, 64), (300, 130), (1, 1)] {
      let ids = try Tensor.from((0..<(3 * length)).map { Int64($0 * 7 % 19) }, [3, length])
      let dropout = try FusedDropout(
        rate, keys: [RandomKey(seed: 3)], examples: .from([Int64(4), 9, 2], [3]))
      try Comparison([values([19, width], 0.7), values([length + 2, width], 0.3)]) {
        try #require(try $0[0].embedded(ids, places: $0[1], dropout: dropout))
      } library: {
        try ($0[0].rows(ids) + $0[1].slice(0..<length, 0)).dropout(
          rate, key: dropout.keys[0], examples: dropout.examples)
      }.expectExact()
    }
  }

  @Test("one thread and two give the same bits")
  func threads() throws {
    let branch = try Branch(.gelu, 0.1)
    defer { _ = try? Engine.start(threads: 2) }
    let bits = try [1, 2].map { threads in
      _ = try Engine.start(threads: threads)
      let inputs = try Branch.inputs(1000, 24, 40)
      let all = try Comparison(
        inputs, kernel: { try branch.kernel($0, normed: true) },
        library: { try branch.library($0, normed: true) })
      let linear = try Comparison([inputs[0], inputs[3]], kernel: { try $0[0].linear($0[1], nil) })
      {
        try $0[0].matmul($0[1].transposed(0, 1))
      }
      return all.bits + linear.bits
    }
    #expect(bits[0] == bits[1])
  }

  @Test("float64 and factored layers are left to the library, a wrong shape is an error")
  func notTaken() throws {
    let branch = try Branch(.gelu, 0)
    let exact = try Branch.inputs(7, 4, 6)
    #expect(try branch.fused(exact, normed: true) == nil)
    let x = try Tensor.zeros([2, 7, 5])
    #expect(throws: TensorError.self) {
      try branch.fused([x] + exact[1...].map { try $0.to(.float32) }, normed: true)
    }
    let tokens = try Tensor.from([Int64(5)], [1, 1])
    let dropout = try FusedDropout(0, keys: [branch.inside], examples: .from([Int64(0)], [1]))
    #expect(throws: TensorError.self) {
      try Tensor.zeros([5, 2]).embedded(tokens, places: nil, dropout: dropout)
    }
  }
}

/// A feed-forward branch by the kernel and by elementary operations.
private struct Branch {
  let activation: FusedActivation
  let inside = RandomKey(seed: 1)["inside"]
  let outside = RandomKey(seed: 1)["outside"]
  let rate: Double
  let examples: Tensor

  init(_ activation: FusedActivation, _ rate: Double) throws {
    (self.activation, self.rate) = (activation, rate)
    examples = try .from([Int64(3), 5_000_000_000], [2])
  }

  /// x, gain and offset, up and down with their biases.
  static func inputs(_ length: Int, _ width: Int, _ hidden: Int) throws -> [Tensor] {
    try [
      values([2, length, width], 0.7, 1.5), values([width], 0.3), values([width], 0.9, 0.1),
      values([hidden, width], 0.37, 0.5), values([hidden], 0.77, 0.1),
      values([width, hidden], 0.57, 0.5), values([width], 0.17, 0.1),
    ]
  }

  func fused(_ all: [Tensor], normed: Bool) throws -> Tensor? {
    let layer = { (weight: Tensor, bias: Tensor) in
      try Linear(weight: .from(weight), bias: .from(bias))
    }
    return try all[0].feedForward(
      norm: normed ? LayerNorm(weight: .from(all[1]), bias: .from(all[2]), eps: 1e-5) : nil,
      up: layer(all[3], all[4]), activation: activation, down: layer(all[5], all[6]),
      dropout: FusedDropout(rate, keys: [inside, outside], examples: examples))
  }

  func kernel(_ all: [Tensor], normed: Bool) throws -> Tensor {
    // A norm that is not there gets no gradient; comparisons want one.
    let unused = try normed ? nil : (all[1].sum() + all[2].sum()) * 0
    let y = try #require(try fused(all, normed: normed))
    return try unused.map { try y + $0 } ?? y
  }

  func library(_ all: [Tensor], normed: Bool) throws -> Tensor {
    let x = all[0]
    var inner = try normed ? normalized(x) * all[1] + all[2] : x + (all[1].sum() + all[2].sum()) * 0
    inner = try inner.matmul(all[3].transposed(0, 1)) + all[4]
    inner =
      switch activation {
      case .gelu: try inner.gelu()
      case .geluTanh: try inner.gelu(tanhApproximation: true)
      case .relu: try inner.relu()
      }
    inner = try inner.dropout(rate, key: inside, examples: examples)
    return try (inner.matmul(all[5].transposed(0, 1)) + all[6])
      .dropout(rate, key: outside, examples: examples, addedTo: x)
  }

  private func normalized(_ x: Tensor) throws -> Tensor {
    let share = 1 / Double(x.size(2))
    let centred = try x - x.sum([2], keep: true) * share
    return try centred / ((centred * centred).sum([2], keep: true) * share + 1e-5).squareRoot()
  }
}
