import Foundation
import Tensors
import Testing

@testable import Attention

@Suite struct TransformerXLTests {
  private func model(_ width: Int, heads: Int, causal: Bool) -> ModelConfiguration {
    var model = ModelConfiguration()
    (model.embDim, model.qkvDim, model.numHeads, model.causal) = (width, width, heads, causal)
    return model
  }

  private func mixer(_ segment: Int, _ memory: Int, causal: Bool, width: Int = 8, heads: Int = 2)
    throws -> TransformerXL
  {
    let mixer = try TransformerXL(
      .init(segmentLength: segment, memoryLength: memory),
      model(width, heads: heads, causal: causal), key: RandomKey(seed: 0))
    for (index, named) in mixer.parameters.enumerated() {
      let noise = try Inputs.fill(named.parameter.value.shape, 37 + Double(index), 0.3) * 0.2
      try withoutGradient {
        try named.parameter.value.copy(from: named.parameter.value + noise.to(.float32))
      }
      try named.parameter.convert(to: .float64)
    }
    return mixer
  }

  /// The layer's equation for all pairs at once; memory pairs read the states without gradient.
  private func reference(
    _ mixer: TransformerXL, _ x: Tensor, lengths: [Int], segment: Int, memory: Int, causal: Bool
  ) throws -> Tensor {
    let (b, length) = (x.size(0), x.size(1))
    let split = { (linear: Linear, x: Tensor) in
      try linear(x).reshaped([b, length, 2, 4]).transposed(1, 2)
    }
    let (q, past) = (try split(mixer.heads.query, x), try x.detached())
    // R for every pair, [L, L, D], by a double loop.
    var values: [Double] = []
    var memoryPair: [Bool] = []
    for i in 0..<length {
      for j in 0..<length {
        let angles = (0..<4).map { Double(i - j) * pow(10_000, -Double($0) / 4) }
        values += angles.map { sin($0) } + angles.map { cos($0) }
        memoryPair.append(i / segment != j / segment)
      }
    }
    let places = try mixer.distance.place(.from(values, [length, length, 8]))
      .reshaped([length, length, 2, 4]).permuted([2, 0, 3, 1])  // [H, i, E, j]
    let pairs = try Tensor.from(memoryPair, [length, length])
    let content = { (keys: Tensor) in
      try (q + mixer.distance.contentBias.value).matmul(keys.transposed(2, 3))
    }
    let own = try content(split(mixer.heads.key, x))
    let old = try content(split(mixer.heads.key, past))
    let byPlace = try (q + mixer.distance.placeBias.value).unsqueezed(3).matmul(places).select(0, 3)
    let logits = try (old.chosen(where: pairs, else: own) + byPlace) * 0.5
    let blocked = lengths.flatMap { n in
      (0..<(length * length)).map { index -> Bool in
        let (i, j) = (index / length, index % length)
        let start = i / segment * segment
        return j >= n || j < start - memory || j >= start + segment || (causal && j > i)
      }
    }
    let weights = try logits.filled(where: .from(blocked, [b, 1, length, length]), -1e30)
      .softmax(-1)
    let answered = (0..<(b * length)).map { (row: Int) -> Double in
      blocked[(row * length)..<((row + 1) * length)].contains(false) ? 1 : 0
    }
    let some = try Tensor.from(answered, [b, 1, length, 1])
    let out = { (values: Tensor, part: Tensor) in try (weights * part).matmul(values) }
    let isOld = try pairs.to(.float64)
    let attended =
      try out(split(mixer.heads.value, x), isOld * -1 + 1)
      + out(split(mixer.heads.value, past), isOld)
    return try mixer.heads.merged((attended * some).transposed(1, 2))
  }

  @Test(
    "outputs and gradients equal the equation for all pairs, memory without gradient",
    arguments: [1, 5, 13, 24], [(5, 7), (4, 0), (6, 6), (40, 3), (3, 50)])
  func definition(length: Int, form: (Int, Int)) throws {
    let (segment, memory) = form
    let lengths = [length, (length + 1) / 2]
    for causal in [false, true] {
      let mixer = try mixer(segment, memory, causal: causal)
      try expectSame(
        [Inputs.fill([2, length, 8], 0.7, 0.1)], lengths: lengths, within: 1e-9, "causal \(causal)",
        { try mixer($0[0], Inputs.context(lengths, length), layer: 0).unsqueezed(1) },
        {
          try reference(
            mixer, $0[0], lengths: lengths, segment: segment, memory: memory, causal: causal
          ).unsqueezed(1)
        })
    }
  }

  @Test("it agrees with golden group `txl`: a segment of 4 after a memory of 6")
  func golden() throws {
    var model = model(6, heads: 1, causal: true)
    model.qkvDim = 4
    let mixer = try TransformerXL(
      .init(segmentLength: 6, memoryLength: 6), model, key: RandomKey(seed: 0))
    for named in mixer.parameters { try named.parameter.convert(to: .float64) }
    try withoutGradient {
      try mixer.distance.contentBias.value.copy(from: Inputs.fill([1, 1, 4], 0.9, 0.2))
      try mixer.distance.placeBias.value.copy(from: Inputs.fill([1, 1, 4], 1.1, 0.3))
    }
    let weight = { (z: Double) in try Inputs.fill([6, 4], 0.21 * (z + 1), 0.1 * z) }
    let x = try Inputs.fill([1, 10, 6], 0.7, 0.1)
    let project = { (z: Double) in try x.matmul(weight(z)).unsqueezed(1) }  // [1, 1, L, E]
    let pair = (try project(1), try project(2))
    let found = try mixer.attend(project(0), pair, pair, Inputs.context([10], 10), layer: 0) {
      try $0.matmul(weight(3))
    }
    try Golden("txl").expect("out", found.slice(6..<10, 2))
  }

  @Test("with a memory of everything the outputs are those of one long segment, in the causal form")
  func longSegment() throws {
    let x = try Inputs.fill([1, 23, 8], 0.7, 0.1)
    let context = try Inputs.context([23], 23)
    let parts = try mixer(5, 23, causal: true)(x, context, layer: 0).doubles()
    let whole = try mixer(23, 0, causal: true)(x, context, layer: 0).doubles()
    #expect(difference(parts, whole) < 1e-10)
  }

  @Test("sizes that make no sense are refused")
  func badConfiguration() {
    #expect(throws: AttentionError.self) { try mixer(0, 4, causal: true) }
    #expect(throws: AttentionError.self) { try mixer(4, -1, causal: true) }
  }
}
