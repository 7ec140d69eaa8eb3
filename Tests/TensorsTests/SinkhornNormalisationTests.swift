import Foundation
import Tensors
import Testing

@Suite(.serialized) struct SinkhornNormalisationTests {
  /// The definition by library operations, in float64, of the rows and columns that count.
  private func reference(_ scores: Tensor, size: Int, iterations: Int) throws -> Tensor {
    var log = try scores.slice(0..<size, 0).slice(0..<size, 1)
    for _ in 0..<iterations {
      log = try log - log.logSumExp(1)
      log = try log - log.logSumExp(0)
    }
    let n = scores.size(0) - size
    return try log.exp().padded(after: n, 0).padded(after: n, 1)
  }

  @Test(
    "results and gradients equal the definition in float64, in every tier, also of shorter examples",
    arguments: tiers, [1, 5, 16, 33])
  func agreesWithDefinition(tier: String, width: Int) throws {
    try Engine.use(tier: tier)
    for spread in [1.0, 60] {
      let sizes = [width, (width + 1) / 2, 0]
      let shape = [3, 2, width, width]
      let single = try Tensor.normal(shape, key: RandomKey(seed: 7)) * spread
      let scores = try single.detached(), exact = try single.to(.float64).detached()
      try scores.requireGradient()
      try exact.requireGradient()
      let rows = try (0..<3).map { b in
        try Tensor.concatenated(
          (0..<2).map {
            try reference(exact.select(b, 0).select($0, 0), size: sizes[b], iterations: 8)
              .unsqueezed(0)
          }, 0
        ).unsqueezed(0)
      }
      let expected = try Tensor.concatenated(rows, 0)
      let direction = try Tensor.from(fill(shape, 1.3, 0.4), shape)
      try (expected * direction).sum().backward()
      let found = try scores.sinkhornNormalized(
        sizes: .from(sizes.map(Int64.init), [3]), iterations: 8)
      try (found * direction.to(.float32)).sum().backward()
      #expect(largestError(try found.doubles(), try expected.doubles()) < 2e-5)
      let gradients = (try #require(scores.gradient), try #require(exact.gradient))
      #expect(largestError(try gradients.0.doubles(), try gradients.1.doubles()) < 2e-4)
    }
  }

  private func largestError(_ found: [Double], _ expected: [Double]) -> Double {
    zip(found, expected).map { abs($0 - $1) }.max() ?? 0
  }

  @Test("matrices that are not square and sizes beyond them are errors")
  func wrongShape() throws {
    let sizes = try Tensor.from([Int64(3)], [1])
    #expect(throws: TensorError.self) {
      try Tensor.zeros([1, 1, 3, 4]).sinkhornNormalized(sizes: sizes, iterations: 3)
    }
    #expect(throws: TensorError.self) {
      try Tensor.zeros([1, 1, 2, 2]).sinkhornNormalized(sizes: sizes, iterations: 3)
    }
  }
}
