import Foundation
import Tensors
import Testing

@testable import Attention

@Suite struct CosFormerTests {
  private func cosformer(_ maxLength: Int, causal: Bool = false, fromBatch: Bool = false) throws
    -> CosFormer
  {
    var model = ModelConfiguration()
    (model.embDim, model.qkvDim, model.maxLength, model.causal) = (8, 8, maxLength, causal)
    return try CosFormer(.init(lengthFromBatch: fromBatch), model, key: RandomKey(seed: 0))
  }

  /// The quadratic form with dense weights, in float64.
  private func reference(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, lengths: [Int], longest: Int, causal: Bool
  ) throws -> Tensor {
    let length = q.size(2)
    let cosines = lengths.flatMap { real in
      (0..<(length * length)).map { index -> Double in
        let (i, j) = (index / length, index % length)
        if j >= real || (causal && j > i) { return 0 }
        return cos(.pi / 2 * Double(i - j) / Double(longest))
      }
    }
    let weights =
      try q.relu().matmul(k.relu().transposed(2, 3))
      * Tensor.from(cosines, [lengths.count, 1, length, length])
    return try weights.matmul(v) / weights.sum([3], keep: true).clamped(least: 1e-6)
  }

  @Test(
    "outputs and gradients equal the quadratic form", arguments: [1, 7, 129, 200], [false, true])
  func quadratic(length: Int, causal: Bool) throws {
    let lengths = [length, (length + 1) / 2]
    let mixer = try cosformer(220, causal: causal)
    let real = try Inputs.context(lengths, length).realPositions()
    try expectSame(
      Inputs.queriesKeysValues([2, 2, length, 4]).reversed(), lengths: lengths, within: 1e-9, "",
      { try mixer.attend($0[2], $0[1], $0[0], real: real) },
      {
        try reference($0[2], $0[1], $0[0], lengths: lengths, longest: 220, causal: causal)
      })
  }

  @Test("it agrees with golden group `cosformer`")
  func golden() throws {
    let golden = try Golden("cosformer")
    let x = try Inputs.queriesKeysValues([1, 1, 12, 4])
    try golden.expect("out", cosformer(12).attend(x[0], x[1], x[2], real: nil))
    try golden.expect("causal", cosformer(12, causal: true).attend(x[0], x[1], x[2], real: nil))
  }

  @Test("with the authors' M results depend on the batch's length; with ours they do not")
  func released() throws {
    let x = try Inputs.fill([1, 9, 8], 0.7, 0.1).to(.float32)
    let run = { (length: Int, released: Bool) in
      try cosformer(40, fromBatch: released)(
        x.padded(after: length - 9, 1), Inputs.context([9], length), layer: 0
      ).slice(0..<9, 1).doubles()
    }
    #expect(difference(try run(9, false), try run(30, false)) < 1e-6)
    #expect(difference(try run(9, true), try run(30, true)) > 1e-3)
  }
}
