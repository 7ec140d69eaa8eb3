import Tensors
import Testing

@testable import Attention

/// No mechanism that claims linear memory may hold an L x L tensor (issue 5).
@Suite(.serialized) struct MemoryTests {
  /// Mechanisms whose line of the registry names no power of L.
  static let linear = mixers.filter {
    !$0.mechanism.memory.contains("L^2") && !$0.mechanism.memory.contains("^1.5")
  }

  /// Architectures of the same kind; `low_rank` and `looped` hold a mechanism of the list above.
  static let linearArchitectures = architectures.filter {
    !$0.mechanism.memory.contains("L^2") && !$0.mechanism.memory.contains("^1.5")
      && !["low_rank", "looped"].contains($0.mechanism.name)
  }

  /// The most bytes held above what was there before, forward and backward.
  private func peak(_ entry: MixerEntry, length: Int) throws -> Int {
    var model = ModelConfiguration()
    (model.embDim, model.qkvDim, model.numHeads) = (16, 16, 1)
    (model.modelType, model.maxLength) = (entry.mechanism.name, length)
    let mixer = try entry.build(model, RandomKey(seed: 0))
    let x = try Tensor.normal([1, length, 16], key: RandomKey(seed: 1))
    try x.requireGradient()
    let context = try Inputs.context([length - 5], length, training: true)
    let before = Engine.restartPeak()
    let sum = try mixer.callAsFunction(x, context, layer: 0).sum()
    try (context.effects.takeAuxiliaryLoss().map { try sum + $0 } ?? sum).backward()
    return Engine.peakTensorBytes - before
  }

  /// The same of an architecture of one layer, embeddings and MLP with it.
  private func peak(_ entry: ArchitectureEntry, length: Int) throws -> Int {
    var model = ModelConfiguration()
    (model.embDim, model.qkvDim, model.mlpDim, model.numHeads) = (16, 16, 16, 1)
    (model.modelType, model.maxLength, model.numLayers) = (entry.mechanism.name, length, 1)
    model.causal = entry.mechanism.directions == [.causal]
    let encoder = try entry.build(model, RandomKey(seed: 0))
    let ids = try Tensor.from((0..<length).map { Int64(1 + $0 * 7 % 15) }, [1, length])
    let context = try Inputs.context([length - 5], length, training: true)
    let before = Engine.restartPeak()
    try encoder.callAsFunction(ids, context).0.sum().backward()
    return Engine.peakTensorBytes - before
  }

  @Test("memory grows with the length, not with its square", arguments: linear)
  func growth(entry: MixerEntry) throws {
    _ = try Engine.start(threads: 2)
    try compare(entry.mechanism, peak(entry, length: 1024), peak(entry, length: 16384))
  }

  @Test("an architecture's memory does so too", arguments: linearArchitectures)
  func architectureGrowth(entry: ArchitectureEntry) throws {
    _ = try Engine.start(threads: 2)
    try compare(entry.mechanism, peak(entry, length: 1024), peak(entry, length: 16384))
  }

  private func compare(_ mechanism: Mechanism, _ short: Int, _ long: Int) {
    print("memory \(mechanism.name): \(short) bytes at 1K, \(long) at 16K")
    #expect(long < 18 * short, "\(mechanism.name): \(Double(long) / Double(short))")
    #expect(long < 16384 * 16384, "\(mechanism.name): one L x L byte mask")
  }
}
