import Tensors
import Testing

@testable import Attention

/// Blocks that are run again in the backward pass instead of keeping their activations.
@Suite(.serialized) struct RecomputeTests {
  static let names =
    mixers.map(\.mechanism.name) + architectures.filter(\.recomputes).map(\.mechanism.name)

  private func model(_ name: String, recompute: Bool) throws -> ModelConfiguration {
    let mechanism = try #require(mechanisms.first { $0.name == name })
    var model = ModelConfiguration()
    (model.embDim, model.qkvDim, model.mlpDim, model.maxLength) = (16, 16, 24, 40)
    (model.modelType, model.causal) = (name, mechanism.directions == [.causal])
    (model.dropoutRate, model.attentionDropoutRate) = (0.3, 0.2)
    (model.numLayers, model.recompute) = (3, recompute)
    return model
  }

  private func ids(_ batch: Int, _ length: Int) throws -> Tensor {
    try .from((0..<(batch * length)).map { Int64(1 + $0 * 7 % 15) }, [batch, length])
  }

  @Test(
    "losses, gradients and statistics are those of kept activations, to the bit", arguments: names)
  func same(name: String) throws {
    let runs = try [false, true].map { recompute -> [String: [Float]] in
      let classifier = try Classifier(
        model(name, recompute: recompute), key: RandomKey(seed: 0))
      let context = try Inputs.context([40, 23, 9], 40, training: true)
      let logits = try classifier(ids(3, 40), context)  // [B, classes]
      var loss = try (logits * Inputs.fill(logits.shape, 1.3, 0.4).to(.float32)).sum()
      if let auxiliary = try context.effects.takeAuxiliaryLoss() { loss = try loss + auxiliary }
      try loss.backward()
      try context.effects.applyStatistics()
      var found = ["loss": try loss.floats()]
      for named in classifier.parameters {
        let value = named.parameter.value
        found[named.name] =
          try named.parameter.role == .buffer
          ? value.floats() : value.gradient?.floats() ?? []
      }
      return found
    }
    // The turns of a looped model add to the gradient of its input in another order.
    let isLooped = name == "looped"
    let different = try runs[0].keys.filter { key in
      let (kept, again) = (try #require(runs[0][key]), try #require(runs[1][key]))
      let isNear = zip(kept, again).allSatisfy { abs($0 - $1) <= 1e-5 * max(1, abs($0)) }
      return kept != again && !(isLooped && kept.count == again.count && isNear)
    }.sorted()
    #expect(different.isEmpty)
  }

  @Test(
    "under autocast too, from step to step, with and without tied weights", arguments: names,
    [false, true])
  func autocast(name: String, tied: Bool) throws {
    let runs = try [false, true].map { recompute -> [[Float]] in
      var own = try model(name, recompute: recompute)
      own.tiedWeights = tied
      let classifier = try Classifier(own, key: RandomKey(seed: 0))
      var found: [[Float]] = []
      for step in 0..<2 {
        let context = try Inputs.context([40, 23, 9], 40, training: true)
        let logits = try withBFloat16(on: .cpu) { try classifier(ids(3, 40), context) }
        var loss = try (logits * Inputs.fill(logits.shape, 1.3, 0.4).to(.float32)).sum()
        if let auxiliary = try context.effects.takeAuxiliaryLoss() { loss = try loss + auxiliary }
        try loss.backward()
        found.append(try loss.floats())
        for named in classifier.parameters where named.parameter.role != .buffer {
          let value = named.parameter.value
          let gradient = try value.gradient.map { try $0.to(.float32) }
          found.append(try gradient?.floats() ?? [])
          // Another step's weights are others: a narrowed copy of the old ones would be seen.
          try withoutGradient { try value.copy(from: value * (1.25 + 0.25 * Double(step))) }
          value.clearGradient()
        }
      }
      return found
    }
    // Gradients of what several layers share are added in another order, or in another type.
    let tolerance: Float = tied ? 1e-2 : 2e-3
    for (kept, again) in zip(runs[0], runs[1]) {
      #expect(kept.count == again.count)
      let size = kept.reduce(0) { max($0, abs($1)) }
      #expect(zip(kept, again).allSatisfy { abs($0 - $1) <= tolerance * max(size, 1e-3) })
    }
  }

  @Test("of deep models most of the memory is saved")
  func memory() throws {
    _ = try Engine.start(threads: 2)
    let peaks = try [false, true].map { recompute in
      var deep = try model("transformer", recompute: recompute)
      (deep.numLayers, deep.maxLength) = (12, 512)
      let classifier = try Classifier(deep, key: RandomKey(seed: 0))
      let context = try Inputs.context([512, 512], 512, training: true)
      let before = Engine.restartPeak()
      try classifier(ids(2, 512), context).sum().backward()
      return Engine.peakTensorBytes - before
    }
    #expect(3 * peaks[1] < peaks[0], "\(peaks)")
  }

  @Test("a model without such blocks is refused")
  func refused() throws {
    #expect(throws: AttentionError.noRecompute("rwkv")) {
      try Classifier.check(model("rwkv", recompute: true))
    }
  }

  @Test("what goes wrong when a part is run again comes out of the backward pass")
  func failure() throws {
    let x = try Tensor.full([3], 2)
    try x.requireGradient()
    let run = { (failsAgain: Bool) in
      try Tensor.recomputing([x]) { inputs, isAgain in
        if isAgain == failsAgain { throw AttentionError.towers(7) }
        return try [inputs[0] * inputs[0]]
      }
    }
    let message = "\(AttentionError.towers(7))"
    #expect { try run(false) } throws: { "\($0)".contains(message) }
    let sum = try run(true)[0].sum()
    #expect { try sum.backward() } throws: { "\($0)".contains(message) }
    #expect(x.gradient == nil)
  }
}
