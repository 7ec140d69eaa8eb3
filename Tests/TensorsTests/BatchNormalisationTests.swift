import Foundation
import Testing

@testable import Tensors

@Suite(.serialized) struct BatchNormalisationTests {
  @Test(
    "the kernel gives the outputs, statistics and gradients of plain sums in float64, in every tier",
    arguments: tiers, [[2, 5], [7, 16], [40, 33], [700, 9]])
  func agreesWithSums(tier: String, size: [Int]) throws {
    try Engine.use(tier: tier)
    for hasPadding in [false, true] {
      let shape = [2, size[0], size[1]]
      let inputs: [([Int], [Double])] = [
        (shape, fill(shape, 1.1, 0.3).map { 3 + 2 * $0 }), ([size[1]], fill([size[1]], 0.5, 0.1)),
        ([size[1]], fill([size[1]], 0.7, 0.2)),
      ]
      let exact = try inputs.map { try Tensor.from($0.1.map { Double(Float($0)) }, $0.0) }
      let single = try exact.map { try $0.to(.float32) }
      for leaf in exact + single { try leaf.requireGradient() }
      let real =
        hasPadding ? try Tensor.from((0..<(2 * size[0])).map { $0 % 3 != 1 }, [2, size[0]]) : nil
      let direction = try Tensor.from(fill(shape, 1.3, 0.4), shape)
      let (y, statistics) = try exact[0].batchNormalised(
        real: real, exact[1], exact[2], eps: 1e-5, together: false)
      try (y * direction).sum().backward()
      let (found, foundStatistics) = try single[0].batchNormalised(
        real: real, single[1], single[2], eps: 1e-5, together: false)
      try (found * direction.to(.float32)).sum().backward()
      #expect(relativeError(try found.doubles(), try y.doubles()) < 2e-6)
      #expect(relativeError(try foundStatistics.doubles(), try statistics.doubles()) < 1e-6)
      for (exact, single) in zip(exact, single) {
        let (a, b) = (
          try #require(single.gradient).doubles(), try #require(exact.gradient).doubles()
        )
        #expect(relativeError(a, b) < 2e-5)
      }
    }
  }

  @Test("a constant channel becomes the bias, rows without one real give zeros")
  func constants() throws {
    let x = try Tensor.full([3, 2], 7)
    let (y, statistics) = try x.batchNormalised(
      real: nil, .full([2], 2), .full([2], 0.5), eps: 1e-5, together: false)
    #expect(try y.floats() == [Float](repeating: 0.5, count: 6))
    #expect(try statistics.doubles() == [7, 7, 0, 0])
    let none = try x.batchNormalised(
      real: .from([false, false, false], [3]), .full([2], 2), .full([2], 0.5), eps: 1e-5,
      together: false)
    #expect(try none.0.floats() == [Float](repeating: 0, count: 6))
  }
}
