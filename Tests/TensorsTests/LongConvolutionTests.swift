import Foundation
import Tensors
import Testing

@Suite(.serialized) struct LongConvolutionTests {
  /// The sum over pairs of positions, in float64; rows from `lengths` on count as zeros, and so do results there.
  private func reference(_ x: Tensor, _ kernel: Tensor, lengths: [Int]) throws -> Tensor {
    let (rows, n, width) = (x.size(0), x.size(1), x.size(2))
    let flags = try Tensor.from(
      lengths.flatMap { end in (0..<n).map { $0 < end ? 1.0 : 0.0 } }, [rows, n, 1])
    let lags = (0..<(n * n)).map { $0 / n - $0 % n }
    var matrix = try kernel.select(0, 0).gathered(
      .from(lags.map { Int64(max(0, $0)) }, [1, n * n]).expanded([width, n * n]), 1
    ).reshaped([width, n, n]).filled(where: .from(lags.map { $0 < 0 }, [n, n]), 0)
    if kernel.size(0) == 2 {
      let later = try kernel.select(1, 0).gathered(
        .from(lags.map { Int64(max(0, -$0 - 1)) }, [1, n * n]).expanded([width, n * n]), 1
      ).reshaped([width, n, n]).filled(where: .from(lags.map { $0 >= 0 }, [n, n]), 0)
      matrix = try matrix + later
    }
    let columns = try (x * flags).transposed(1, 2).unsqueezed(-1)  // [B, D, L, 1]
    return try matrix.matmul(columns).select(0, -1).transposed(1, 2) * flags
  }

  private func check(_ size: [Int], sides: Int, lengths: [Int]) throws {
    let shape = [lengths.count, size[0], size[1]]
    let inputs: [([Int], [Double])] = [
      (shape, fill(shape, 1.1, 0.3)),
      ([sides, size[1], size[0]], fill([sides, size[1], size[0]], 1.9, 0.4)),
    ]
    let exact = try inputs.map { try Tensor.from($0.1.map { Double(Float($0)) }, $0.0) }
    let single = try exact.map { try $0.to(.float32) }
    for leaf in exact + single { try leaf.requireGradient() }
    let direction = try Tensor.from(fill(shape, 1.3, 0.4), shape)
    let expected = try reference(exact[0], exact[1], lengths: lengths)
    try (expected * direction).sum().backward()
    let ends = try Tensor.from(lengths.map(Int64.init), [lengths.count])
    let found = try single[0].longConvolution(single[1], lengths: ends)
    try (found * direction.to(.float32)).sum().backward()
    #expect(relativeError(try found.doubles(), try expected.doubles()) < 1e-6)
    for (exact, single) in zip(exact, single) {
      let (a, b) = (try #require(single.gradient).doubles(), try #require(exact.gradient).doubles())
      #expect(relativeError(a, b) < 1e-6)
    }
  }

  @Test(
    "outputs and gradients equal the sums over pairs, in every tier",
    arguments: tiers, [[1, 3], [2, 16], [7, 9], [16, 8], [33, 20], [100, 5], [129, 33]])
  func agreesWithDefinition(tier: String, size: [Int]) throws {
    try Engine.use(tier: tier)
    for sides in [1, 2] {
      try check(size, sides: sides, lengths: [size[0], max(1, size[0] / 2), size[0]])
    }
  }

  @Test("operations of the library give the same in float64")
  func composed() throws {
    let x = try Tensor.from(fill([2, 21, 3], 1.1, 0.3), [2, 21, 3])
    for sides in [1, 2] {
      let kernel = try Tensor.from(fill([sides, 3, 21], 1.9, 0.4), [sides, 3, 21])
      let found = try x.longConvolution(kernel).doubles()
      #expect(relativeError(found, try reference(x, kernel, lengths: [21, 21]).doubles()) < 1e-14)
    }
  }

  @Test("nothing wraps around: an impulse at the end reaches no earlier position")
  func noWrap() throws {
    let n = 64
    var values = [Float](repeating: 0, count: n)
    values[n - 1] = 1
    let x = try Tensor.from(values, [1, n, 1])
    let kernel = try Tensor.from(fill([1, 1, n], 1.9, 0.4).map(Float.init), [1, 1, n])
    let y = try x.longConvolution(kernel).doubles()
    // A transform of only L points would bring kernel[j + 1] to position j.
    #expect(y[..<(n - 1)].allSatisfy { abs($0) < 1e-6 })
    #expect(abs(y[n - 1] - fill([1], 1.9, 0.4)[0]) < 1e-6)
  }

  @Test("16,384 positions keep float32's digits")
  func long() throws {
    let n = 16_384
    let x = try Tensor.from(fill([2, n, 3], 1.1, 0.3).map(Float.init), [2, n, 3])
    let falling = fill([2, 3, n], 0.37, 0.4).enumerated().map {
      Float($0.element * exp(-Double($0.offset % n) / 1000))
    }
    let kernel = try Tensor.from(falling, [2, 3, n])
    let exact = try x.to(.float64).longConvolution(kernel.to(.float64))
    #expect(relativeError(try x.longConvolution(kernel).doubles(), try exact.doubles()) < 1e-5)
  }

  @Test("sizes that do not fit are an error")
  func wrongShape() throws {
    let x = try Tensor.zeros([2, 3, 4])
    for shape in [[1, 4, 2], [3, 4, 3], [1, 3, 3], [4, 3]] {
      #expect(throws: TensorError.self) { try x.longConvolution(.zeros(shape)) }
    }
  }
}
