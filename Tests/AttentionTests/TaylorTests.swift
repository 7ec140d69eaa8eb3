import Foundation
import Tensors
import Testing

@testable import Attention

@Suite struct TaylorTests {
  private func taylor(_ degree: Int, bound: Double, causal: Bool = false, width: Int = 4) throws
    -> Taylor
  {
    var model = ModelConfiguration()
    (model.embDim, model.qkvDim, model.numHeads, model.causal) = (2 * width, 2 * width, 2, causal)
    return try Taylor(.init(degree: degree, bound: bound), model, key: RandomKey(seed: 0))
  }

  /// `x E^-¼` cut to length √β.
  private func limited(_ x: Tensor, _ bound: Double) throws -> Tensor {
    let u = try x * (1 / Double(x.size(3)).squareRoot()).squareRoot()
    let scales = try (u * u).sum([3], keep: true).doubles().map { length in
      length > bound ? (bound / length).squareRoot() : 1
    }
    return try u * Tensor.from(scales, [x.size(0), x.size(1), x.size(2), 1])
  }

  @Test(
    "it equals the polynomial of the logits pair by pair", arguments: [1, 7, 130], [2, 4])
  func quadratic(length: Int, degree: Int) throws {
    let lengths = [length, (length + 1) / 2]
    for causal in [false, true] {
      let mixer = try taylor(degree, bound: 1.5, causal: causal)
      let x = try Inputs.queriesKeysValues([2, 2, length, 4]).map { try $0 * 2 }
      let found = try mixer.attend(
        x[0], x[1], x[2], real: Inputs.context(lengths, length).realPositions())
      let dots = try limited(x[0], 1.5).matmul(limited(x[1], 1.5).transposed(2, 3))
      var (weights, term) = (try dots * 0 + 1, try dots * 0 + 1)
      for n in 1...degree {
        term = try term * dots * (1 / Double(n))
        weights = try weights + term
      }
      let allowed = lengths.flatMap { n in
        (0..<(length * length)).map { index in
          let (i, j) = (index / length, index % length)
          return j < n && (!causal || j <= i) ? 1.0 : 0
        }
      }
      weights = try weights * Tensor.from(allowed, [2, 1, length, length])
      let expected = try weights.matmul(x[2]) / weights.sum([3], keep: true).clamped(least: 1e-30)
      #expect(difference(try found.doubles(), try expected.doubles()) < 1e-9, "causal \(causal)")
    }
  }

  @Test("outputs and gradients stay within the stated error, and it falls with the degree")
  func errorBound() throws {
    let bound = 1.0
    let x = try Inputs.queriesKeysValues([1, 2, 20, 4]).map { try $0 * 0.7 }
    // Within the bound nothing is cut, so the exact function is softmax attention.
    let largest = try (x[0] * x[0]).sum([3]).doubles().max() ?? 9
    #expect(largest / 2 < bound)
    let direction = try Inputs.fill([1, 2, 20, 4], 1.3, 0.4)
    let run = { (attend: (Tensor, Tensor, Tensor) throws -> Tensor) in
      let leaves = try x.map { try $0.detached() * 1 }
      for leaf in leaves { try leaf.requireGradient() }
      // Two layers: the gradient passes one through the other.
      let inner = try attend(leaves[0], leaves[1], leaves[2])
      let out = try attend(inner, leaves[1], inner)
      try (out * direction).sum().backward()
      let gradients = try leaves.flatMap { try #require($0.gradient).doubles() }
      return (try inner.doubles(), gradients)
    }
    let exact = try run { try denseAttention($0, $1, $2, lengths: [20]) { _, _, _ in true } }
    var errors: [(output: Double, gradient: Double)] = []
    for degree in [2, 4, 6] {
      let mixer = try taylor(degree, bound: bound)
      let found = try run { try mixer.attend($0, $1, $2, real: nil) }
      errors.append((difference(found.0, exact.0), difference(found.1, exact.1)))
      let factorial = (1...(degree + 1)).reduce(1.0) { $0 * Double($1) }
      let relative = pow(bound, Double(degree + 1)) * exp(bound) / factorial
      let most = try x[2].doubles().map { abs($0) }.max() ?? 0
      // The gradient through both layers stays within the same share of its largest part.
      let steepest = exact.1.map { abs($0) }.max() ?? 0
      #expect(errors[errors.count - 1].gradient < relative * steepest, "\(errors)")
      #expect(
        relative > 1 || errors[errors.count - 1].output < 2 * relative / (1 - relative) * most)
    }
    #expect(errors[1].output < errors[0].output / 10 && errors[2].output < errors[1].output / 10)
    #expect(errors[1].gradient < errors[0].gradient / 5, "\(errors)")
    #expect(errors[2].gradient < errors[1].gradient / 5, "\(errors)")
  }

  @Test("queries and keys beyond the bound are cut to it")
  func cut() throws {
    let x = try Inputs.fill([1, 2, 9, 4], 0.7, 0.1) * 50
    let found = try taylor(2, bound: 2).limited(x)
    let lengths = try (found * found).sum([3]).doubles()
    #expect(lengths.allSatisfy { abs($0 - 2) < 1e-9 })
  }

  @Test("odd degrees, bounds of 0 and too many features are refused")
  func badConfiguration() {
    #expect(throws: AttentionError.self) { try taylor(3, bound: 1) }
    #expect(throws: AttentionError.self) { try taylor(2, bound: 0) }
    #expect(throws: AttentionError.self) { try taylor(4, bound: 1, width: 32) }
  }
}
