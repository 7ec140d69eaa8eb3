import Foundation
import Tensors
import Testing

@Suite(.serialized) struct InverseIterationTests {
  /// The iteration of library operations, in float64.
  private func reference(_ a: Tensor, _ start: Tensor, iterations: Int) throws -> Tensor {
    let m = a.size(-1)
    let identity = try Tensor.from((0..<(m * m)).map { $0 / m == $0 % m ? 1.0 : 0 }, [m, m])
    var z = start
    for _ in 0..<iterations {
      let az = try a.matmul(z)
      let square = try az.matmul(az)
      // (13 I - 15 AZ + 7 (AZ)² - (AZ)³) / 4, multiplied out.
      z = try z.matmul(identity * 13 - az * 15 + square * 7 - az.matmul(square)) * 0.25
    }
    return z
  }

  @Test(
    "results and gradients equal the iteration in float64, in every tier",
    arguments: tiers, [1, 6, 20, 65, 128])
  func agreesWithIteration(tier: String, width: Int) throws {
    try Engine.use(tier: tier)
    let shape = [2, 2, width, width]
    let random = try Tensor.normal(shape, key: RandomKey(seed: 4)).to(.float64).exp()
    let a = try (random / random.sum([3], keep: true)).doubles().map { Double(Float($0)) }
    let start = try Tensor.from(a, shape).transposed(2, 3).contiguous().doubles()
      .map { Double(Float(0.4 * $0)) }
    let exact = try [a, start].map { try Tensor.from($0, shape) }
    let single = try exact.map { try $0.to(.float32) }
    for leaf in exact + single { try leaf.requireGradient() }
    let expected = try reference(exact[0], exact[1], iterations: 4)
    let direction = try Tensor.from(fill(shape, 1.3, 0.4), shape)
    try (expected * direction).sum().backward()
    let found = try single[0].inverseIteration(from: single[1], iterations: 4)
    try (found * direction.to(.float32)).sum().backward()
    #expect(relativeError(try found.doubles(), try expected.doubles()) < 1e-5)
    // Once it has converged the start has no gradient left: errors are relative to the larger of both.
    let gradients = try exact.map { try #require($0.gradient).doubles() }
    let largest = gradients.joined().map { abs($0) }.max() ?? 0
    for (leaf, gradient) in zip(single, gradients) {
      let foundGradient = try #require(leaf.gradient).doubles()
      let worst = zip(foundGradient, gradient).map { abs($0 - $1) }.max() ?? 0
      #expect(worst < 3e-5 * largest)
    }
  }

  @Test("matrices that are not square are an error")
  func wrongShape() throws {
    let a = try Tensor.zeros([2, 3, 4])
    #expect(throws: TensorError.self) { try a.inverseIteration(from: a, iterations: 3) }
  }
}
