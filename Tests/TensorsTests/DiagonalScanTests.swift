import Foundation
import Tensors
import Testing

@Suite(.serialized) struct DiagonalScanTests {
  /// States and gradients of the sum of h times a direction, step by step in float64.
  private func naive(
    _ u: [Double], _ a: [Double], _ direction: [Double], rows: Int, length: Int, states: Int,
    reverse: Bool
  ) -> (h: [Double], du: [Double], da: [Double]) {
    var (h, du) = (u, direction)
    var da = [Double](repeating: 0, count: 2 * states)
    func place(_ row: Int, _ step: Int, _ part: Int, _ state: Int) -> Int {
      ((row * length + (reverse ? length - 1 - step : step)) * 2 + part) * states + state
    }
    for row in 0..<rows {
      for p in 0..<states {
        let (re, im) = (a[p], a[states + p])
        for step in 1..<max(1, length) {
          let (x, y) = (h[place(row, step - 1, 0, p)], h[place(row, step - 1, 1, p)])
          h[place(row, step, 0, p)] += re * x - im * y
          h[place(row, step, 1, p)] += re * y + im * x
        }
        for step in stride(from: length - 1, to: 0, by: -1) {
          let (x, y) = (du[place(row, step, 0, p)], du[place(row, step, 1, p)])
          du[place(row, step - 1, 0, p)] += re * x + im * y
          du[place(row, step - 1, 1, p)] += re * y - im * x
          let (hx, hy) = (h[place(row, step - 1, 0, p)], h[place(row, step - 1, 1, p)])
          da[p] += x * hx + y * hy
          da[states + p] += y * hx - x * hy
        }
      }
    }
    return (h, du, da)
  }

  @Test(
    "states and gradients equal the recurrence in float64, in every tier",
    arguments: tiers, [[1, 3], [2, 8], [7, 16], [33, 5], [300, 9]])
  func agreesWithDefinition(tier: String, size: [Int]) throws {
    try Engine.use(tier: tier)
    let (length, states) = (size[0], size[1])
    let shape = [2, length, 2 * states]
    let single = { (values: [Double]) in values.map { Double(Float($0)) } }
    let u = single(fill(shape, 1.1, 0.3))
    let a = single(fill([2 * states], 0.5, 0.1).map { 0.7 * $0 })
    let direction = single(fill(shape, 1.3, 0.4))
    for reverse in [false, true] {
      let expected = naive(
        u, a, direction, rows: 2, length: length, states: states, reverse: reverse)
      let input = try Tensor.from(u.map(Float.init), shape)
      let coefficients = try Tensor.from(a.map(Float.init), [2, states])
      for leaf in [input, coefficients] { try leaf.requireGradient() }
      let h = try input.diagonalScan(coefficients, reverse: reverse)
      try (h * Tensor.from(direction.map(Float.init), shape)).sum().backward()
      #expect(relativeError(try h.doubles(), expected.h) < 1e-6)
      #expect(relativeError(try #require(input.gradient).doubles(), expected.du) < 1e-6)
      let da = try #require(coefficients.gradient).doubles()
      if length > 1 { #expect(relativeError(da, expected.da) < 1e-5) }
    }
  }

  @Test("sizes that do not fit are an error")
  func wrongShape() throws {
    let u = try Tensor.zeros([2, 3, 4])
    for a in [try Tensor.zeros([2, 4]), try .zeros([4]), try .zeros([2, 2], .float64)] {
      #expect(throws: TensorError.self) { try u.diagonalScan(a, reverse: false) }
    }
  }
}
