import Tensors
import Testing

@testable import Attention

@Suite struct LowRankTransformerTests {
  private func model(_ rank: Int, fromDense: Bool = false) -> ModelConfiguration {
    var model = ModelConfiguration()
    (model.modelType, model.embDim, model.qkvDim, model.mlpDim) = ("low_rank", 16, 16, 24)
    model.maxLength = 30
    model.mixer = ["rank": .integer(rank), "from_dense": .bool(fromDense)]
    return model
  }

  private let ids = (0..<13).map { Int64(1 + $0 * 4 % 15) }

  private func logits(_ classifier: Classifier) throws -> [Double] {
    try classifier(
      .from(ids + ids[..<9] + [0, 0, 0, 0], [2, 13]), Inputs.context([13, 9], 13)
    ).doubles()
  }

  @Test(
    "factors of full rank give back the dense map; the error of fewer is that of what is left out")
  func singularValues() throws {
    let dense = try Linear(12, 20, key: RandomKey(seed: 3))
    let bias = try #require(dense.bias)
    try withoutGradient { try bias.value.copy(from: Inputs.fill([20], 0.9, 0.1).to(.float32)) }
    let weight = dense.weight.value
    let x = try Inputs.fill([3, 12], 0.7, 0.1).to(.float32)
    let exact = try dense(x).doubles()
    // The squared error is the sum of the squared singular values left out: traces tell them.
    var before = Double.infinity
    for rank in [1, 4, 8, 11] {
      let (left, right) = try weight.factors(rank: rank)
      let off = try weight - left.matmul(right)
      let error = try (off * off).sum().item()
      let kept = try (left * left).sum().item()
      let total = try (weight * weight).sum().item()
      #expect(abs(error - (total - kept)) < 2e-6 * total && error < before)
      before = error
    }
    try dense.factor(rank: 12, .svd, key: RandomKey(seed: 0))
    #expect(difference(try dense(x).doubles(), exact) < 1e-5)
    #expect(difference(try dense.frozen(x).doubles(), exact) < 1e-5)
    #expect(dense.bias === bias)
    #expect(dense.parameters.map(\.name) == ["v.weight", "u.weight", "u.bias"])
    #expect(dense.parameters.map(\.parameter.value.shape) == [[12, 12], [20, 12], [20]])
  }

  @Test("factors by singular values are updated as factors with the same values that were drawn")
  func layout() throws {
    let layers = try (0..<2).map { _ in try Linear(12, 20, key: RandomKey(seed: 3)) }
    try layers[0].factor(rank: 4, .svd, key: RandomKey(seed: 0))
    try layers[1].factor(rank: 4, .random, key: RandomKey(seed: 0))
    for (own, other) in zip(layers[0].parameters, layers[1].parameters) {
      try withoutGradient { try other.parameter.value.copy(from: own.parameter.value) }
    }
    let x = try Inputs.fill([5, 12], 0.7, 0.1).to(.float32)
    let states = try layers.map { layer in
      let adam = try AdamW(
        ParameterGroup.groups(of: layer.parameters, weightDecay: 0, exempt: []), .init())
      for step in 0..<3 {
        for named in layer.parameters { named.parameter.value.clearGradient() }
        let y = try layer(x)
        try (y * Inputs.fill([5, 20], 1.3, Double(step)).to(.float32)).sum().backward()
        if step == 1 {
          // What pruning does: a mask of rows is one of rows in the moments too.
          let mask = try Tensor.from((0..<80).map { $0 < 40 ? Float(0) : 1 }, [20, 4])
          try adam.mask("u.weight", by: mask)
        }
        try adam.step(learningRate: 0.01, beta1: nil)
      }
      return try layer.parameters.flatMap { try $0.parameter.value.doubles() }
        + adam.state.flatMap { try $0.tensor.doubles() }
    }
    #expect(states[0] == states[1])
  }

  @Test("a matrix is factored only where that saves parameters")
  func savings() throws {
    // r (16 + 24) < 16 * 24 up to r = 9.
    for (rank, count) in [(3, 3 * 40 + 24), (9, 9 * 40 + 24), (10, 16 * 24 + 24)] {
      let layer = try Linear(16, 24, key: RandomKey(seed: 0))
      try layer.parameters.factorLayers(rank: rank, .random, key: RandomKey(seed: 1))
      #expect(layer.parameters.valueCount == count)
      // A second call finds nothing to factor.
      try layer.parameters.factorLayers(rank: 1, .random, key: RandomKey(seed: 1))
      #expect(rank == 10 || layer.parameters.valueCount == count)
    }
    let small = try Classifier(model(2), key: RandomKey(seed: 0)).parameters.valueCount
    let large = try Classifier(model(40), key: RandomKey(seed: 0)).parameters.valueCount
    // Two layers of four matrices [16, 16] and two [24, 16].
    #expect(large - small == 2 * (4 * (256 - 64) + 2 * (384 - 80)))
  }

  @Test("it is the transformer with its linear layers factored, under names of its own")
  func standard() throws {
    var plain = model(1)
    (plain.modelType, plain.mixer) = ("transformer", [:])
    for (rank, fromDense) in [(3, false), (3, true), (40, false)] {
      (plain.lowRank, plain.lowRankInit) = (rank, fromDense ? .svd : .random)
      let reference = try Classifier(plain, key: RandomKey(seed: 0))
      let classifier = try Classifier(model(rank, fromDense: fromDense), key: RandomKey(seed: 1))
      let names = reference.parameters.map { $0.name.replacing("blocks.", with: "layers.") }
      #expect(classifier.parameters.map(\.name) == names)
      #expect(names.contains("layers.1.mlp.up.u.bias") == (rank == 3))
      for (own, other) in zip(classifier.parameters, reference.parameters) {
        try withoutGradient { try own.parameter.value.copy(from: other.parameter.value) }
      }
      #expect(try logits(classifier) == logits(reference))
    }
  }

  @Test("rotary positions turn factored queries and keys too")
  func rotary() throws {
    var rotary = model(1)
    (rotary.modelType, rotary.mixer, rotary.position) = ("transformer", [:], .rotary)
    let classifier = try Classifier(rotary, key: RandomKey(seed: 0))
    let whole = try logits(classifier)
    for layer in classifier.parameters.compactMap(\.layer) where layer.weight.value.count == 256 {
      try layer.factor(rank: 16, .svd, key: RandomKey(seed: 0))
    }
    #expect(difference(try logits(classifier), whole) < 1e-5)
    rotary.position = .none
    let still = try Classifier(rotary, key: RandomKey(seed: 0))
    #expect(difference(try logits(still), whole) > 1e-3)
  }

  @Test("drawn factors are a pure function of the seed; those of a dense matrix are its best")
  func start() throws {
    let same = try (0..<2).map { _ in try logits(Classifier(model(3), key: RandomKey(seed: 4))) }
    #expect(same[0] == same[1])
    #expect(try logits(Classifier(model(3), key: RandomKey(seed: 5))) != same[0])
    let drawn = try Classifier(model(3), key: RandomKey(seed: 4)).parameters
      .filter { $0.name.hasSuffix(".v.weight") }.map { try $0.parameter.value.floats() }
    #expect(drawn.count == 12 && Set(drawn).count == 12)
    var plain = model(1)
    (plain.modelType, plain.mixer) = ("transformer", [:])
    var thin = plain
    (thin.lowRank, thin.lowRankInit) = (5, .svd)
    for (whole, factored) in [(model(40), model(5, fromDense: true)), (plain, thin)] {
      let dense = try Classifier(whole, key: RandomKey(seed: 4)).parameters
      let values = Dictionary(
        uniqueKeysWithValues: try Classifier(factored, key: RandomKey(seed: 4)).parameters.map {
          ($0.name, $0.parameter.value)
        })
      let matrices = dense.filter { $0.name.hasSuffix("attn.q.weight") }
      #expect(matrices.count == 2)
      for named in matrices {
        let stem = named.name.dropLast("weight".count)
        let (left, right) = try named.parameter.value.factors(rank: 5)
        let product = try #require(values["\(stem)u.weight"]).matmul(
          #require(values["\(stem)v.weight"]))
        #expect(difference(try product.doubles(), try left.matmul(right).doubles()) < 1e-5)
      }
    }
  }

  @Test("a rank of 0 is refused")
  func badConfiguration() {
    #expect(throws: AttentionError.self) { try Classifier(model(0), key: RandomKey(seed: 0)) }
  }
}

/// `model.low_rank` in every model of the registries.
@Suite(.serialized) struct LowRankPropertyTests {
  private func model(_ mechanism: Mechanism) -> ModelConfiguration {
    var model = ModelConfiguration()
    (model.modelType, model.embDim, model.qkvDim, model.mlpDim) = (mechanism.name, 16, 16, 24)
    model.maxLength = 24
    model.causal = mechanism.directions == [.causal]
    return model
  }

  private func logits(_ classifier: Classifier, padding: Int = 0) throws -> [Double] {
    let ids = (0..<21).map { Int64(1 + $0 * 4 % 15) } + [Int64](repeating: 0, count: padding)
    return try classifier(.from(ids, [1, ids.count]), Inputs.context([21], ids.count)).doubles()
  }

  @Test(
    "every model has factors where they save, ignores padding, and trains",
    arguments: mechanisms.map(\.name))
  func factored(name: String) throws {
    let mechanism = try #require(mechanisms.first { $0.name == name })
    var model = model(mechanism)
    let whole = try Classifier(model, key: RandomKey(seed: 0)).parameters
    for factors in Linear.Factors.allCases {
      (model.lowRank, model.lowRankInit) = (2, factors)
      let classifier = try Classifier(model, key: RandomKey(seed: 0))
      let parameters = classifier.parameters
      #expect(Set(parameters.map(\.name)).count == parameters.count)
      let thin = parameters.filter {
        $0.name.hasSuffix(".v.weight") && $0.parameter.value.size(0) == 2
      }
      #expect(!thin.isEmpty && parameters.valueCount < whole.valueCount)
      // The head stays whole.
      #expect(parameters.contains { $0.name == "head.hidden.weight" })
      #expect(difference(try logits(classifier, padding: 3), try logits(classifier)) < 3e-5)
      let ids = try Tensor.from((0..<21).map { Int64(1 + $0 * 4 % 15) }, [1, 21])
      try classifier(ids, Inputs.context([21], 21, training: true)).sum().backward()
      for named in thin { #expect(named.parameter.value.gradient != nil, "\(named.name)") }
    }
  }

  @Test("factors of full rank by singular values change nothing", arguments: mechanisms.map(\.name))
  func fullRank(name: String) throws {
    let mechanism = try #require(mechanisms.first { $0.name == name })
    let classifier = try Classifier(model(mechanism), key: RandomKey(seed: 0))
    let before = try logits(classifier)
    for layer in classifier.parameters.compactMap(\.layer) {
      let shape = layer.weight.value.shape
      try layer.factor(rank: min(shape[0], shape[1]), .svd, key: RandomKey(seed: 0))
    }
    let after = try logits(classifier)
    #expect(after != before)
    #expect(difference(after, before) < 1e-4)
  }
}
