import Foundation
import Tensors
import Testing

@Suite(.serialized) struct RecurrenceTests {
  /// The weighted means as a softmax over all pairs of tokens, in float64.
  private func reference(_ k: Tensor, _ v: Tensor, w: Tensor, u: Tensor) throws -> Tensor {
    let n = k.size(1)
    let pairs = (0..<(n * n)).map { (later: $0 / n, earlier: $0 % n) }
    let shape = [1, n, n, 1]
    let steps = try Tensor.from(
      pairs.map { Double(max(0, $0.later - 1 - $0.earlier)) }, shape)
    let own = try Tensor.from(pairs.map { $0.later == $0.earlier }, shape)
    let future = try Tensor.from(pairs.map { $0.earlier > $0.later }, shape)
    let aged = try k.unsqueezed(1) - steps * w  // [B, t, i, D]
    let weights = try (k + u).unsqueezed(1).chosen(where: own, else: aged)
      .filled(where: future, -1e30).softmax(2)
    return try (weights * v.unsqueezed(1)).sum([2])
  }

  @Test(
    "outputs and gradients equal the definition in float64, in every tier",
    arguments: tiers, [[1, 3], [7, 64], [32, 16], [33, 70], [200, 5]])
  func agreesWithDefinition(tier: String, size: [Int]) throws {
    try Engine.use(tier: tier)
    let shape = [2, size[0], size[1]]
    let inputs: [([Int], [Double])] = [
      (shape, fill(shape, 1.1, 0.3).map { 3 * $0 }), (shape, fill(shape, 1.9, 0.4)),
      ([size[1]], fill([size[1]], 0.5, 0.1).map { 0.2 * exp($0) }),
      ([size[1]], fill([size[1]], 0.7, 0.2)),
    ]
    let exact = try inputs.map { try Tensor.from($0.1.map { Double(Float($0)) }, $0.0) }
    let single = try exact.map { try $0.to(.float32) }
    for leaf in exact + single { try leaf.requireGradient() }
    let direction = try Tensor.from(fill(shape, 1.3, 0.4), shape)
    let expected = try reference(exact[0], exact[1], w: exact[2], u: exact[3])
    try (expected * direction).sum().backward()
    let found = try single[0].recurrence(single[1], decay: single[2], bonus: single[3])
    try (found * direction.to(.float32)).sum().backward()
    #expect(relativeError(try found.doubles(), try expected.doubles()) < 1e-6)
    for (index, pair) in zip(exact, single).enumerated() {
      let gradient = try #require(pair.0.gradient).doubles()
      let foundGradient = try #require(pair.1.gradient).doubles()
      // One token is its own mean: the keys' gradient is 0, which rounding does not meet.
      let scale = max(gradient.map { abs($0) }.max() ?? 0, size[0] == 1 ? 1 : 0)
      let worst = zip(foundGradient, gradient).map { abs($0 - $1) }.max() ?? 0
      #expect(worst < 1e-5 * scale, "input \(index)")
    }
  }

  @Test("keys of any size do not overflow")
  func hugeKeys() throws {
    let shape = [1, 70, 3]
    let k = try Tensor.from(fill(shape, 0.9, 0.1).map { Float(300 * $0) }, shape)
    let v = try Tensor.from(fill(shape, 1.9, 0.4).map(Float.init), shape)
    let (w, u) = (try Tensor.full([3], 0.1), try Tensor.full([3], 0.5))
    for leaf in [k, v, w, u] { try leaf.requireGradient() }
    let y = try k.recurrence(v, decay: w, bonus: u)
    try (y * y).sum().backward()
    #expect(try y.floats().allSatisfy { $0.isFinite })
    for leaf in [k, v, w, u] {
      #expect(try #require(leaf.gradient).floats().allSatisfy { $0.isFinite })
    }
  }

  @Test("sizes that do not fit are an error with libtorch's words")
  func wrongShape() throws {
    let k = try Tensor.zeros([2, 3, 4])
    let short = try Tensor.zeros([3])
    #expect(throws: TensorError.self) { try k.recurrence(k, decay: short, bonus: short) }
    let exact = try Tensor.zeros([2, 3, 4], .float64)
    let four = try Tensor.zeros([4])
    #expect(throws: TensorError.self) { try exact.recurrence(exact, decay: four, bonus: four) }
  }
}
