import Foundation
import Tensors
import Testing

@testable import Attention

@Suite struct NystromformerTests {
  private func nystromformer(
    _ landmarks: Int, maxLength: Int, conv: Int = 0, iterations: Int = 6,
    change: (inout Nystromformer.Configuration) -> Void = { _ in }
  ) throws -> Nystromformer {
    var model = ModelConfiguration()
    (model.embDim, model.qkvDim, model.numHeads, model.maxLength) = (8, 8, 2, maxLength)
    var configuration = Nystromformer.Configuration()
    (configuration.numLandmarks, configuration.convKernelSize) = (landmarks, conv)
    configuration.iterations = iterations
    change(&configuration)
    return try Nystromformer(configuration, model, key: RandomKey(seed: 0))
  }

  /// One row without padding, with the exact inverse: [1, H, n, E].
  private func reference(_ q: Tensor, _ k: Tensor, _ v: Tensor, segment: Int) throws -> Tensor {
    let n = q.size(2)
    return try reference(
      q, k, v,
      segments: stride(from: 0, to: n, by: segment).map { $0..<min(n, $0 + segment) })
  }

  private func reference(_ q: Tensor, _ k: Tensor, _ v: Tensor, segments: [Range<Int>]) throws
    -> Tensor
  {
    let means = { (x: Tensor) in
      try Tensor.concatenated(
        segments.map { range in
          try x.slice(range, 2).sum([2], keep: true) * (1 / Double(range.count))
        }, 2)
    }
    let weights = { (a: Tensor, b: Tensor) in
      try (a.matmul(b.transposed(2, 3)) * (1 / Double(q.size(3)).squareRoot())).softmax(-1)
    }
    let (a, b) = (try means(q), try means(k))
    return try weights(q, b).matmul(weights(a, b).pseudoInverse()).matmul(weights(a, k).matmul(v))
  }

  @Test(
    "outputs and gradients equal the definition with the exact inverse", arguments: [1, 7, 12, 31],
    [2, 3, 5])
  func definition(length: Int, landmarks: Int) throws {
    let segment = (31 + landmarks - 1) / landmarks
    let mixer = try nystromformer(landmarks, maxLength: 31, iterations: 60)
    let real = (length + 1) / 2
    let context = try Inputs.context([length, real], length)
    let flags = try Tensor.from(
      (0..<(2 * length)).map { $0 < length || $0 - length < real ? 1.0 : 0 }, [2, 1, length, 1])
    // Strong and random inputs make the core well conditioned.
    let x = try (0..<3).map {
      try Tensor.normal([2, 2, length, 4], key: RandomKey(seed: 40 + $0)).to(.float64) * 4
    }
    try expectSame(
      x.reversed(), lengths: [length, real], within: 1e-6, "",
      { try mixer.attend($0[2], $0[1], $0[0] * flags, context, layer: 0) },
      { leaves in
        let rows = try [length, real].enumerated().map { row, n in
          let part = try leaves.map { try $0.slice(row..<(row + 1), 0).slice(0..<n, 2) }
          return try reference(part[2], part[1], part[0], segment: segment)
            .padded(after: length - n, 2)
        }
        return try .concatenated(rows, 0)
      })
  }

  @Test("hidden positions count in no landmark, and a segment of them has none")
  func hidden() throws {
    let mixer = try nystromformer(4, maxLength: 12, iterations: 60)
    let shown = [0, 2, 3, 4, 5, 9, 10]  // of segments 0..<3, 3..<6 and 9..<12
    let flags = (0..<12).map { !shown.contains($0) }
    let context = try Context(
      lengths: [12], length: 12, examples: [0], key: RandomKey(seed: 3), training: false,
      hidden: .from(flags, [1, 12]))
    let real = try Tensor.from(flags.map { $0 ? 0.0 : 1 }, [1, 1, 12, 1])
    let places = try Tensor.from(shown.map(Int64.init), [shown.count])
    let x = try (0..<3).map {
      try Tensor.normal([1, 2, 12, 4], key: RandomKey(seed: 40 + $0)).to(.float64) * 4
    }
    try expectSame(
      // Sixty iterations and the exact inverse differ by 6e-6 here.
      x.reversed(), lengths: [shown.count], within: 1e-4, "",
      { try mixer.attend($0[2], $0[1], $0[0] * real, context, layer: 0).picked(places, 2) },
      {
        let few = try $0.map { try $0.picked(places, 2) }
        return try reference(few[2], few[1], few[0], segments: [0..<2, 2..<5, 5..<7])
      })
  }

  @Test("it agrees with golden group `nystrom`: six iterations, and the exact inverse")
  func golden() throws {
    let golden = try Golden("nystrom")
    let x = try Inputs.queriesKeysValues([1, 1, 12, 4])
    let context = try Inputs.context([12], 12)
    for global in [false, true] {
      let six = try nystromformer(4, maxLength: 12) { $0.globalInit = global }
      try golden.expect("it6", six.attend(x[0], x[1], x[2], context, layer: 0))
    }
    let exact = try nystromformer(4, maxLength: 12, iterations: 60)
    try golden.expect("exact", exact.attend(x[0], x[1], x[2], context, layer: 0))
  }

  @Test("queries and keys that are constant within segments give full attention")
  func constantSegments() throws {
    let (q, k) = (
      try Inputs.fill([1, 2, 4, 4], 0.7, 0.1) * 3, try Inputs.fill([1, 2, 4, 4], 1.3, 0.2) * 3
    )
    let index = try Tensor.from((0..<12).map { Int64($0 / 3) }, [12])
    let v = try Inputs.fill([1, 2, 12, 4], 2.1, 0.3)
    let (long, wide) = (try q.picked(index, 2), try k.picked(index, 2))
    let found = try nystromformer(4, maxLength: 12, iterations: 40)
      .attend(long, wide, v, Inputs.context([12], 12), layer: 0)
    let expected = try denseAttention(long, wide, v, lengths: [12]) { _, _, _ in true }
    #expect(difference(try found.doubles(), try expected.doubles()) < 1e-8)
  }

  @Test("a landmark for every token is full attention once the iteration has converged")
  func everyToken() throws {
    let x = try Inputs.queriesKeysValues([1, 2, 9, 4]).map { try $0 * 4 }
    let error = { (iterations: Int) in
      let found = try nystromformer(9, maxLength: 9, iterations: iterations)
        .attend(x[0], x[1], x[2], Inputs.context([9], 9), layer: 0)
      let expected = try denseAttention(x[0], x[1], x[2], lengths: [9]) { _, _, _ in true }
      return difference(try found.doubles(), try expected.doubles())
    }
    let errors = try [6, 20, 60].map { try error($0) }
    #expect(errors[0] > 1e-3 && errors[2] < 1e-8, "\(errors)")
  }

  @Test("six iterations find the inverse of I plus a softmax matrix")
  func iteration() throws {
    let identity = try Tensor.from((0..<144).map { $0 % 13 == 0 ? 1.0 : 0 }, [12, 12])
    let a =
      try identity + Tensor.normal([12, 12], key: RandomKey(seed: 5)).to(.float64).softmax(-1)
    for (iterations, bound) in [(2, 1.0), (6, 1e-10)] {
      let z = try iterativeInverse(a, iterations: iterations)
      let off = try difference(z.matmul(a).doubles(), identity.doubles())
      #expect(off < bound && (iterations == 6 || off > 1e-3), "\(iterations): \(off)")
    }
  }

  @Test("smooth inputs need few landmarks")
  func smooth() throws {
    let wave = { (phase: Double) throws -> Tensor in
      let values = (0..<(32 * 4)).map { (index: Int) -> Double in
        let angle: Double = 2 * Double.pi * Double(index / 4) / 32
        return sin(angle + phase * Double(1 + index % 4))
      }
      return try Tensor.from(values, [1, 1, 32, 4])
    }
    let (q, k, v) = (try wave(0.3), try wave(0.9), try wave(1.7))
    let expected = try denseAttention(q, k, v, lengths: [32]) { _, _, _ in true }
    let errors = try [2, 4, 8, 16].map { landmarks in
      let found = try nystromformer(landmarks, maxLength: 32, iterations: 60)
        .attend(q, k, v, Inputs.context([32], 32), layer: 0)
      return difference(try found.doubles(), try expected.doubles())
    }
    #expect(errors[3] < 0.01 && errors[3] < errors[0] / 4, "\(errors)")
  }

  @Test("the convolution adds each head's weighted neighbours, zeros outside the real tokens")
  func convolution() throws {
    let (length, real) = (11, 8)
    let with = try nystromformer(4, maxLength: 11, conv: 5)
    let without = try nystromformer(4, maxLength: 11)
    let x = try Inputs.fill([1, length, 8], 0.7, 0.1).to(.float32)
    let context = try Inputs.context([real], length)
    let added = try (with(x, context, layer: 0) - without(x, context, layer: 0)).doubles()
    let values = try with.heads.split(x).2.doubles()  // [1, H, L, E]
    let kernel = try #require(with.convolution).value.doubles()  // [H, 1, 5]
    var near = [Double](repeating: 0, count: length * 8)
    for t in 0..<length {
      for c in 0..<8 {
        for tap in 0..<5 where (0..<real).contains(t + tap - 2) {
          let head = c / 4
          near[t * 8 + c] +=
            kernel[head * 5 + tap] * values[(head * length + t + tap - 2) * 4 + c % 4]
        }
      }
    }
    let expected = try Tensor.from(near, [1, length, 8]).to(.float32)
      .linear(with.heads.out.weight.value, nil).doubles()
    #expect(difference(added, expected) < 1e-5)
  }

  @Test("the authors' segments depend on padding and their start on the batch; ours do not")
  func released() throws {
    let x = try Inputs.fill([1, 30, 8], 0.7, 0.1).to(.float32)
    let run = { (length: Int, released: Bool) in
      let mixer = try nystromformer(5, maxLength: 40) { $0.segmentsFromBatch = released }
      return try mixer(x.padded(after: length - 30, 1), Inputs.context([30], length), layer: 0)
        .slice(0..<30, 1).doubles()
    }
    #expect(difference(try run(30, false), try run(40, false)) < 1e-5)
    #expect(difference(try run(30, true), try run(40, true)) > 1e-3)
    let matrices = try Tensor.from([1.0, 0, 0, 1, 8, 3, 2, 9], [2, 2, 2])
    let alone = try iterativeInverse(matrices.slice(0..<1, 0), iterations: 1).doubles()
    let own = try iterativeInverse(matrices, iterations: 1).doubles()
    let global = try iterativeInverse(
      matrices, iterations: 1, overAllOf: Inputs.context([30, 30], 30)
    ).doubles()
    #expect(Array(own[..<4]) == alone)
    #expect(difference(Array(global[..<4]), alone) > 1e-2)
  }

  @Test("the maximum of a batch is over one document of every pair, not over both")
  func batchMaximum() throws {
    let values = try Tensor.from([1.0, 5, 2, 3, 9, 4, 7, 8], [4, 2])
    let context = { (towers: Int) in
      try Context(
        lengths: [3, 3, 3, 3], length: 3, examples: [0, 1, 0, 1], towers: towers,
        key: RandomKey(seed: 0), training: false)
    }
    #expect(try context(1).batchMaximum(values).doubles() == [9, 9, 9, 9])
    #expect(try context(2).batchMaximum(values).doubles() == [5, 5, 9, 9])
    #expect(try context(2).batchMaximum(values).shape == [4, 1])
  }

  @Test("the convolution begins with a normal of variance 1/K, or as torch's within 1/√K")
  func filters() throws {
    let values = { (uniform: Bool) in
      let mixers = try (0..<200).map { seed in
        var model = ModelConfiguration()
        (model.embDim, model.qkvDim) = (8, 8)
        return try Nystromformer(
          .init(uniformConvInit: uniform), model, key: RandomKey(seed: seed))
      }
      return try mixers.flatMap { try #require($0.convolution).value.doubles() }
    }
    let (normal, uniform) = (try values(false), try values(true))
    let variance = { (x: [Double]) in x.reduce(0) { $0 + $1 * $1 } / Double(x.count) }
    #expect(abs(variance(normal) * 35 - 1) < 0.05)
    #expect(abs(variance(uniform) * 35 - 1.0 / 3) < 0.02)
    let bound = 1 / 35.0.squareRoot()
    #expect(uniform.allSatisfy { abs($0) <= bound } && normal.contains { abs($0) > bound })
  }

  @Test("sizes that make no sense are refused")
  func badConfiguration() {
    #expect(throws: AttentionError.self) {
      try nystromformer(6, maxLength: 30) { $0.filledRows = true }
    }
    #expect(throws: AttentionError.self) {
      try nystromformer(8, maxLength: 30) { ($0.filledRows, $0.segmentsFromBatch) = (true, true) }
    }
    #expect(throws: AttentionError.self) { try nystromformer(0, maxLength: 8) }
    #expect(throws: AttentionError.self) { try nystromformer(4, maxLength: 8, conv: 4) }
    #expect(throws: AttentionError.self) { try nystromformer(4, maxLength: 8, iterations: 0) }
  }
}
