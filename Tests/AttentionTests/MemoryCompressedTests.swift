import Tensors
import Testing

@testable import Attention

@Suite struct MemoryCompressedTests {
  private func compressed(_ factor: Int, causal: Bool = false, heads: Int = 2) throws
    -> MemoryCompressed
  {
    var model = ModelConfiguration()
    (model.embDim, model.qkvDim, model.numHeads, model.causal) = (
      4 * heads, 4 * heads, heads, causal
    )
    return try MemoryCompressed(.init(compression: factor), model, key: RandomKey(seed: 0))
  }

  /// Slots of a head by plain sums over taps: [B, H, slots + 1, E].
  private func slots(_ x: Tensor, _ kernel: Tensor, factor: Int) throws -> Tensor {
    let (length, h) = (x.size(2), x.size(1))
    var slots = [try x.slice(0..<1, 2)]
    for first in stride(from: 0, to: length, by: factor) {
      var sum = try Tensor.zeros([x.size(0), h, 1, 4], .float64)
      for t in first..<min(length, first + factor) {
        let tap = try kernel.reshaped([h, 4, 4, factor]).select(t - first, 3)  // [H, out, in]
        sum = try sum + x.slice(t..<(t + 1), 2).matmul(tap.transposed(1, 2))
      }
      slots.append(sum)
    }
    return try .concatenated(slots, 2)
  }

  @Test(
    "outputs and gradients equal dense attention over the slots", arguments: [1, 5, 12, 31],
    [1, 3, 4])
  func dense(length: Int, factor: Int) throws {
    let real = (length + 1) / 2
    let kernels = (
      try Inputs.fill([8, 4, factor], 0.23, 0.1), try Inputs.fill([8, 4, factor], 0.29, 0.2)
    )
    for (lengths, causal) in [([length, real], false), ([length, length], true)] {
      let mixer = try compressed(factor, causal: causal)
      let context = try Inputs.context(lengths, length)
      let flags = try Tensor.from(
        lengths.flatMap { n in (0..<length).map { $0 < n ? 1.0 : 0 } }, [2, 1, length, 1])
      try expectSame(
        Inputs.queriesKeysValues([2, 2, length, 4]).reversed(), lengths: lengths,
        "causal \(causal)",
        { try mixer.attend($0[2], $0[1], $0[0], context, kernels: kernels, layer: 0) },
        {
          // A slot begins at token f (j - 1); with n real tokens ceil(n / f) + 1 slots hold any.
          try denseAttention(
            $0[2], slots($0[1] * flags, kernels.0, factor: factor),
            slots($0[0] * flags, kernels.1, factor: factor),
            lengths: lengths.map { ($0 + factor - 1) / factor + 1 }
          ) { _, i, j in !causal || j * factor <= i }
        })
    }
  }

  @Test("it agrees with golden group `memcomp`")
  func golden() throws {
    let golden = try Golden("memcomp")
    let x = try Inputs.queriesKeysValues([1, 1, 12, 4])
    // The file's kernels are [tap, in, out].
    let kernels = (
      try Inputs.fill([3, 4, 4], 0.23, 0.1).permuted([2, 1, 0]),
      try Inputs.fill([3, 4, 4], 0.29, 0.2).permuted([2, 1, 0])
    )
    for (name, causal) in [("causal", true), ("bidir", false)] {
      let found = try compressed(3, causal: causal, heads: 1)
        .attend(x[0], x[1], x[2], Inputs.context([12], 12), kernels: kernels, layer: 0)
      try golden.expect(name, found)
    }
  }

  @Test("sizes that make no sense are refused")
  func badConfiguration() {
    #expect(throws: AttentionError.self) { try compressed(0) }
  }
}
