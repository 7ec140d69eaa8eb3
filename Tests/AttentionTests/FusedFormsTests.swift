import Tensors
import Testing

@testable import Attention

/// Float32 on the CPU runs in kernels, float64 in the composed form: both are one mechanism.
@Suite struct FusedFormsTests {
  static let cases: [(name: String, keys: [String: ConfigurationValue])] = [
    ("linear", [:]), ("linear", ["attended_padding": .bool(true)]), ("performer_relu", [:]),
    ("linear", ["unnormalized": .bool(true)]),
    ("performer", ["nb_features": .integer(20)]), ("performer", ["kernel": .string("relu")]),
    ("performer", ["nb_features": .integer(33), "redraw_features": .bool(true)]),
    ("cosformer", [:]), ("cosformer", ["length_from_batch": .bool(true)]), ("taylor", [:]),
    ("kernelized", [:]), ("skyformer", ["nb_features": .integer(10)]),
    ("nystromformer", ["num_landmarks": .integer(7)]),
    ("nystromformer", ["num_landmarks": .integer(90), "conv_kernel_size": .integer(0)]),
    ("nystromformer", ["num_landmarks": .integer(9), "segments_from_batch": .bool(true)]),
    ("nystromformer", ["num_landmarks": .integer(16), "filled_rows": .bool(true)]),
    ("nystromformer", ["num_landmarks": .integer(128), "filled_rows": .bool(true)]),
    ("s4d", ["d_state": .integer(8)]), ("s5", ["ssm_size": .integer(8)]),
    ("lru", ["d_state": .integer(6)]), ("long_conv", [:]), ("sgconv", ["kernel_dim": .integer(16)]),
  ]

  private func mixer(_ index: Int, causal: Bool) throws -> any Mixer {
    let (name, keys) = Self.cases[index]
    var model = ModelConfiguration()
    (model.embDim, model.qkvDim, model.numHeads, model.maxLength) = (24, 24, 2, 90)
    (model.modelType, model.mixer, model.causal) = (name, keys, causal)
    model.attentionDropoutRate = 0.2
    return try Attention.mixer(named: name).build(model, RandomKey(seed: 7))
  }

  /// Outputs of a step of training, and the gradients of the input and of every parameter.
  private func step(_ mixer: any Mixer, _ type: ElementType, _ lengths: [Int]) throws
    -> [(name: String, values: [Double])]
  {
    for named in mixer.parameters { try named.parameter.convert(to: type) }
    let x = try Inputs.fill([lengths.count, 81, 24], 0.7, 0.1).to(.float32).to(type)
    try x.requireGradient()
    let y = try mixer(x, Inputs.context(lengths, 81, training: true), layer: 1)
    try (y * Inputs.fill(y.shape, 1.3, 0.4).to(type)).sum().backward()
    let gradients = try mixer.parameters.compactMap { named in
      try named.parameter.value.gradient.map { (named.name, try $0.doubles()) }
    }
    return [("output", try y.doubles()), ("input", try x.gradient?.doubles() ?? [])] + gradients
  }

  @Test("kernels give what the composed form gives in float64", arguments: cases.indices)
  func agree(index: Int) throws {
    let entry = try Attention.mixer(named: Self.cases[index].name)
    for causal in [false, true] where !causal || entry.mechanism.directions.contains(.causal) {
      for lengths in [[81, 81], [81, 33]] {
        let single = try step(mixer(index, causal: causal), .float32, lengths)
        let exact = try step(mixer(index, causal: causal), .float64, lengths)
        #expect(single.map(\.name) == exact.map(\.name) && exact.count > 3)
        for (one, other) in zip(single, exact) {
          let size = other.values.map { abs($0) }.max() ?? 0
          let off = difference(one.values, other.values)
          #expect(
            off <= 1e-4 * max(size, 0.1), "\(entry.mechanism.name), \(one.name): \(off) of \(size)"
          )
        }
      }
    }
  }
}
