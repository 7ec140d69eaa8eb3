import Tensors
import Testing
import TileEmulator

@testable import Attention

/// Products of bfloat16 by AMX's tiles and by vectors, which differ in the order of their sums alone.
@Suite(.serialized) struct TierTests {
  /// Skyformer's inverse makes roundings of its input many times as large.
  static let names = (mixers.map(\.mechanism.name) + architectures.map(\.mechanism.name))
    .filter { $0 != "skyformer" }

  static let hasBoth: Bool = {
    _ = emulate_tiles()
    let before = Engine.kernelTier
    defer { try? Engine.use(tier: before) }
    return ["amx", "avx512_bf16"].allSatisfy { (try? Engine.use(tier: $0)) != nil }
  }()

  private func step(_ name: String, tier: String) throws -> [(name: String, values: [Double])] {
    let before = Engine.kernelTier
    try Engine.use(tier: tier)
    defer { try? Engine.use(tier: before) }
    let mechanism = try #require(mechanisms.first { $0.name == name })
    var model = ModelConfiguration()
    (model.embDim, model.qkvDim, model.mlpDim, model.maxLength) = (64, 64, 96, 100)
    (model.numHeads, model.numLayers) = (2, 2)
    (model.modelType, model.causal) = (name, mechanism.directions == [.causal])
    (model.dropoutRate, model.attentionDropoutRate) = (0.1, 0.1)
    let classifier = try Classifier(model, key: RandomKey(seed: 0))
    let context = try Inputs.context([100, 61, 7], 100, training: true)
    let ids = try Tensor.from((0..<300).map { Int64(1 + $0 * 7 % 15) }, [3, 100])
    let logits = try withBFloat16(on: .cpu) { try classifier(ids, context) }.to(.float32)
    try (logits * Inputs.fill(logits.shape, 1.3, 0.4).to(.float32)).sum().backward()
    return try [("logits", logits.doubles())]
      + classifier.parameters.compactMap { named in
        try named.parameter.value.gradient.map { (named.name, try $0.doubles()) }
      }
  }

  @Test("a step of every model is the same by tiles", .enabled(if: hasBoth), arguments: names)
  func same(name: String) throws {
    let tiles = try step(name, tier: "amx")
    #expect(threads_with_tiles() == 0, "the library shapes and releases them too")
    let vectors = try step(name, tier: "avx512_bf16")
    #expect(tiles.map(\.name) == vectors.map(\.name))
    for (one, other) in zip(tiles, vectors) {
      let size = other.values.map { abs($0) }.max() ?? 0
      let off = difference(one.values, other.values)
      #expect(off <= 1e-2 * max(size, 0.05), "\(one.name): \(off) of \(size)")
    }
  }
}
