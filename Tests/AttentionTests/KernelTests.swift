import Foundation
import Tensors
import Testing

@testable import Attention

/// Gaussian kernels: kernelized attention and Skyformer, which approximates it.
@Suite struct KernelTests {
  private func model(causal: Bool = false) -> ModelConfiguration {
    var model = ModelConfiguration()
    (model.embDim, model.qkvDim, model.numHeads, model.causal) = (8, 8, 2, causal)
    return model
  }

  private func skyformer(_ features: Int, gamma: Double = 0.1, iterations: Int = 6) throws
    -> Skyformer
  {
    try Skyformer(
      .init(numFeatures: features, gamma: gamma, iterations: iterations), model(),
      key: RandomKey(seed: 0))
  }

  /// `exp(-|a_i - b_j|² / 2√E)` pair by pair: [B, H, N, M].
  private func kernel(_ a: Tensor, _ b: Tensor) throws -> Tensor {
    let off = try a.unsqueezed(3) - b.unsqueezed(2)  // [B, H, N, M, E]
    return try ((off * off).sum([4]) * (-0.5 / Double(a.size(3)).squareRoot())).exp()
  }

  private func flags(_ lengths: [Int], _ length: Int) throws -> Tensor {
    try .from(
      lengths.flatMap { n in (0..<length).map { $0 < n ? 1.0 : 0 } }, [lengths.count, 1, 1, length])
  }

  @Test(
    "kernelized attention equals the kernel pair by pair, in outputs and gradients",
    arguments: [1, 6, 17], [false, true])
  func kernelized(length: Int, causal: Bool) throws {
    let mixer = try Kernelized(.init(), model(causal: causal), key: RandomKey(seed: 0))
    let lengths = [length, (length + 1) / 2]
    let context = try Inputs.context(lengths, length)
    let order = try Tensor.from(
      (0..<(length * length)).map { !causal || $0 % length <= $0 / length ? 1.0 : 0 },
      [length, length])
    try expectSame(
      Inputs.queriesKeysValues([2, 2, length, 4]).reversed(), lengths: lengths, "",
      { try mixer.attend($0[2], $0[1], $0[0], context, layer: 0) },
      { try (kernel($0[2], $0[1]) * flags(lengths, length) * order).matmul($0[0]) })
  }

  @Test(
    "Skyformer equals its definition with the exact inverse, in outputs and gradients",
    arguments: [1, 6, 17])
  func definition(length: Int) throws {
    let mixer = try skyformer(6, iterations: 30)
    let lengths = [length, (length + 1) / 2]
    let context = try Inputs.context(lengths, length)
    let places = lengths.map { n in (0..<6).map { ($0 * 5 + 1) % n } }
    try expectSame(
      Inputs.queriesKeysValues([2, 2, length, 4]).map { try $0 * 2 }.reversed(), lengths: lengths,
      within: 1e-7, "",
      { try mixer.attend($0[2], $0[1], $0[0], context, places: places) },
      { x in
        let rows = try (0..<2).map { row in
          let part = try x.map { try $0.slice(row..<(row + 1), 0) }
          let pick = { (t: Tensor, range: Range<Int>) in
            try Tensor.concatenated(places[row][range].map { try t.slice($0..<($0 + 1), 2) }, 2)
          }
          let w = try Tensor.concatenated([pick(part[2], 0..<3), pick(part[1], 3..<6)], 2)
          let ridge = try Tensor.from((0..<36).map { $0 / 6 == $0 % 6 ? 0.1 : 0 }, [6, 6])
          let far = try kernel(w, part[1]) * flags([lengths[row]], length)
          return try kernel(part[2], w).matmul((kernel(w, w) + ridge).pseudoInverse())
            .matmul(far.matmul(part[0]))
        }
        return try .concatenated(rows, 0)
      })
  }

  @Test("with the authors' start it is their iteration, landmarks drawn twice counted twice")
  func globalInit() throws {
    let mixer = try Skyformer(
      .init(numFeatures: 6, globalInit: true), model(), key: RandomKey(seed: 0))
    let lengths = [13, 7]
    let places = lengths.map { n in [1, 3, 3, 0, n - 1, 5] }
    let x = try Inputs.queriesKeysValues([2, 2, 13, 4]).map { try $0 * 2 }
    let found = try mixer.attend(x[0], x[1], x[2], Inputs.context(lengths, 13), places: places)
    let index = { (range: Range<Int>) in
      try Tensor.from(places.flatMap { $0[range].map(Int64.init) }, [2, 1, range.count, 1])
        .expanded([2, 2, range.count, 4])
    }
    let w = try Tensor.concatenated(
      [x[0].gathered(index(0..<3), 2), x[1].gathered(index(3..<6), 2)], 2)
    let one = try Tensor.from((0..<36).map { $0 / 6 == $0 % 6 ? 1.0 : 0 }, [6, 6])
    let core = try kernel(w, w) + one * 0.1
    let root = try core.sum([3], keep: true).squareRoot()
    let scaled = try core / root / root.transposed(2, 3)
    var z = try scaled.transposed(2, 3) / scaled.sum([2]).reshaped([-1]).max(0)
    for _ in 0..<6 {
      let kv = try scaled.matmul(z)
      z = try (z * 0.25).matmul(one * 13 - kv.matmul(one * 15 - kv.matmul(one * 7 - kv)))
    }
    let far = try (kernel(w, x[1]) * flags(lengths, 13)).matmul(x[2]) / root
    let expected = try kernel(x[0], w).matmul(z.matmul(far) / root)
    #expect(difference(try found.doubles(), try expected.doubles()) < 1e-10)
  }

  @Test("with every token a landmark and a small ridge it is kernelized attention")
  func allLandmarks() throws {
    let x = try Inputs.queriesKeysValues([1, 2, 8, 4]).map { try $0 * 4 }
    let context = try Inputs.context([8], 8)
    let exact = try kernel(x[0], x[1]).matmul(x[2]).doubles()
    let errors = try [(4, 0.1), (16, 0.1), (16, 1e-3)].map { count, gamma in
      let half = count / 2
      let places = [(0..<half).map { $0 * 8 / half } + (0..<half).map { $0 * 8 / half }]
      let found = try skyformer(count, gamma: gamma, iterations: 60)
        .attend(x[0], x[1], x[2], context, places: places)
      return difference(try found.doubles(), exact)
    }
    #expect(errors[1] < errors[0] && errors[2] < errors[1] / 10 && errors[2] < 0.02, "\(errors)")
  }

  @Test("landmarks are new in training by step and example, and fixed in evaluation")
  func sampling() throws {
    let mixer = try skyformer(4)
    let x = try Inputs.fill([2, 30, 8], 0.7, 0.1).to(.float32)
    let run = { (training: Bool, examples: [Int]) in
      try mixer(x, Inputs.context([30, 30], 30, training: training, examples: examples), layer: 0)
        .floats()
    }
    #expect(try run(false, [0, 1]) == run(false, [7, 8]))
    let (one, other) = (try run(true, [3, 5]), try run(true, [3, 6]))
    #expect(one[..<240] == other[..<240] && one[240...] != other[240...])
  }

  @Test("sizes that make no sense are refused")
  func badConfiguration() {
    #expect(throws: AttentionError.self) { try skyformer(3) }
    #expect(throws: AttentionError.self) { try skyformer(4, gamma: 0) }
    #expect(throws: AttentionError.self) { try skyformer(4, iterations: 0) }
  }
}
