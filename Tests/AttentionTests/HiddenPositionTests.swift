import Tensors
import Testing

@testable import Attention

/// Padding anywhere in a row, and what LRA's released code does with it.
@Suite struct HiddenPositionTests {
  private static let flags: [[Bool]] = [
    [0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 0, 1, 0], [1, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 1],
    [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
  ].map { $0.map { $0 == 1 } }

  private func context(training: Bool = false) throws -> Context {
    try Context(
      lengths: [13, 13, 13], length: 13, examples: [0, 1, 2], key: RandomKey(seed: 3)[5],
      training: training, hidden: .from(Array(Self.flags.joined()), [3, 13]))
  }

  private func model(_ name: String, _ keys: [String: ConfigurationValue]) -> ModelConfiguration {
    var model = ModelConfiguration()
    (model.embDim, model.qkvDim, model.numHeads, model.maxLength) = (8, 8, 2, 13)
    (model.modelType, model.mixer, model.qkvBias) = (name, keys, false)
    return model
  }

  /// Heads of a mixer in float64: queries, keys and values [B, H, L, E].
  private func projected(_ mixer: any Mixer, _ x: Tensor) throws -> [Tensor] {
    let weights = Dictionary(
      uniqueKeysWithValues: mixer.parameters.map { ($0.name, $0.parameter.value) })
    return try ["q", "k", "v"].map { name in
      let weight = try #require(weights["\(name).weight"]).to(.float64)
      return try x.to(.float64).linear(weight, nil).reshaped([3, 13, 2, 4]).transposed(1, 2)
    }
  }

  /// Dense attention with a mask of keys; queries at padding give zeros or the mean of all values.
  private func reference(
    _ mixer: any Mixer, _ x: Tensor, uniform: Bool, allowed: (Int, Int) -> Bool = { _, _ in true },
    bias: Tensor? = nil
  ) throws -> Tensor {
    let parts = try projected(mixer, x)
    var logits = try parts[0].matmul(parts[1].transposed(2, 3)) * 0.5  // [B, H, L, L]
    if let bias { logits = try logits + bias }
    let blocked = Self.flags.flatMap { row in
      (0..<169).map { row[$0 % 13] || !allowed($0 / 13, $0 % 13) }
    }
    // As the release: a masked query has all keys masked, and -1e10 everywhere is no mask.
    let masked = Self.flags.flatMap { row in (0..<169).map { row[$0 / 13] } }
    logits = try logits.filled(where: .from(blocked, [3, 1, 13, 13]), -1e10)
    if uniform { logits = try logits.filled(where: .from(masked, [3, 1, 13, 13]), -1e10) }
    let out = try logits.softmax(-1).matmul(parts[2])  // [B, H, L, E]
    let weight = mixer.parameters.first { $0.name == "out.weight" }?.parameter.value
    return try out.transposed(1, 2).reshaped([3, 13, 8])
      .linear(#require(weight).to(.float64), nil)
  }

  /// Where outputs are compared: everywhere, or at queries that are not padding.
  private func compare(_ a: Tensor, _ b: Tensor, everywhere: Bool) throws -> Double {
    let (found, expected) = (try a.doubles(), try b.doubles())
    return found.indices.map { index in
      let hidden = Self.flags[index / 104][index / 8 % 13]
      return hidden && !everywhere ? 0 : abs(found[index] - expected[index])
    }.max() ?? .infinity
  }

  @Test("softmax attention sees no hidden key, and its gradients are those of dense attention")
  func softmax() throws {
    let mixer = try Softmax(.init(), model("transformer", [:]), key: RandomKey(seed: 1))
    let direction = try Inputs.fill([3, 13, 8], 1.3, 0.4)
    let real = try Tensor.from(Self.flags.joined().map { $0 ? 0.0 : 1 }, [3, 13, 1])
    var results: [[Double]] = []
    for isReference in [false, true] {
      let x = try Inputs.fill([3, 13, 8], 0.7, 0.1).to(.float32)
      try x.requireGradient()
      let out =
        try isReference
        ? reference(mixer, x, uniform: false) : mixer(x, context(), layer: 0).to(.float64)
      try (out * direction * real).sum().backward()
      results.append(try (out * real).doubles() + (#require(x.gradient).doubles()))
    }
    #expect(difference(results[0], results[1]) < 2e-5)
    #expect(results[0].contains { abs($0) > 1e-2 })
  }

  @Test("hidden positions in front of, among and behind tokens are like a shorter row")
  func shorter() throws {
    let mixer = try Softmax(.init(), model("transformer", [:]), key: RandomKey(seed: 1))
    let x = try Inputs.fill([3, 13, 8], 0.7, 0.1).to(.float32)
    let whole = try mixer(x, context(), layer: 0).floats()
    let places = (0..<13).filter { !Self.flags[0][$0] }
    let rows = try x.floats()
    let short = places.flatMap { rows[($0 * 8)..<($0 * 8 + 8)] }
    let found = try mixer(
      .from(short, [1, places.count, 8]), Inputs.context([places.count], places.count), layer: 0
    ).floats()
    for (index, place) in places.enumerated() {
      for c in 0..<8 { #expect(abs(found[index * 8 + c] - whole[place * 8 + c]) < 1e-5) }
    }
  }

  @Test(
    "as released, queries at padding see all positions alike",
    arguments: ["transformer", "longformer", "sparse_transformer", "synthesizer"])
  func uniform(name: String) throws {
    var keys: [String: ConfigurationValue] = ["uniform_padded_queries": .bool(true)]
    var allowed: (Int, Int) -> Bool = { _, _ in true }
    switch name {
    case "longformer":
      (keys["window"], keys["global_tokens"]) = (.integer(4), .integer(0))
      allowed = { abs($0 - $1) <= 2 }
    case "sparse_transformer":
      (keys["block_size"], keys["summary_size"]) = (.integer(4), .integer(1))
      allowed = { $0 / 4 == $1 / 4 || $1 % 4 == 3 }
    case "synthesizer": keys["ignore_dot_product"] = .bool(false)
    default: break
    }
    let x = try Inputs.fill([3, 13, 8], 0.7, 0.1).to(.float32)
    let entry = try Attention.mixer(named: name)
    let mixer = try entry.build(model(name, keys), RandomKey(seed: 1))
    let table = mixer.parameters.first { $0.name == "synthesizer.random" }?.parameter.value
    let expected = try reference(
      mixer, x, uniform: true, allowed: allowed, bias: table?.to(.float64))
    let found = try mixer.callAsFunction(x, context(), layer: 0)
    #expect(try compare(found, expected, everywhere: name != "longformer") < 1e-5)
    if name == "longformer" {
      // A real query whose window holds no real key gives zeros here.
      let rows = try [found, expected].map { try $0.select(2, 0).doubles() }
      #expect(difference(rows[0], rows[1]) < 1e-5)
    }
    keys["uniform_padded_queries"] = .bool(false)
    let right = try entry.build(model(name, keys), RandomKey(seed: 1))
      .callAsFunction(x, context(), layer: 0)
    #expect(try compare(right, found, everywhere: true) > 1e-2)
    #expect(try compare(right, found, everywhere: false) < 1e-6)
  }

  @Test("a CLS vector is hidden where the first token is; MEAN leaves hidden tokens out")
  func pooling() throws {
    let leading = try context().withLeadingPosition()
    let mask = try #require(try leading.blockedKeys(upTo: 15)).to(.int64).integers()
    #expect(Array(mask[0..<15]) == [0, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 0, 1, 0, 1])
    #expect(mask[15] == 1 && mask[16] == 1)
    let weights = try context().meanWeights(.float64).doubles()
    #expect(zip(weights[..<13], Self.flags[0]).allSatisfy { $1 ? $0 == 0 : $0 == 0.125 })
    #expect(weights[26...].allSatisfy { $0 == 0 })
  }

  @Test("MEAN_ALL is the mean over padding too, and the head may have one layer")
  func head() throws {
    var configuration = model("transformer", [:])
    (configuration.classifierPool, configuration.headHidden) = (.meanAll, false)
    configuration.maxLength = 9
    let classifier = try Classifier(configuration, key: RandomKey(seed: 0))
    let names = classifier.parameters.map(\.name).filter { $0.hasPrefix("head") }
    #expect(names == ["head.out.weight", "head.out.bias"])
    let ids = try Tensor.from([3, 1, 4, 0, 0, 0].map { Int64($0) }, [1, 6])
    let found = try classifier(ids, Inputs.context([3], 6)).doubles()
    let features = try classifier.encoder(ids, Inputs.context([3], 6)).0.doubles()  // [6, 8]
    let out = try classifier.out.weight.value.doubles()
    let pooled: [Double] = (0..<8).map { d in
      let column: [Double] = (0..<6).map { features[$0 * 8 + d] }
      return column.reduce(0, +) / 6
    }
    let expected: [Double] = (0..<10).map { c in
      let terms: [Double] = (0..<8).map { out[c * 8 + $0] * pooled[$0] }
      return terms.reduce(0, +)
    }
    #expect(difference(found, expected) < 1e-5)
    configuration.classifierPool = .mean
    let mean = try Classifier(configuration, key: RandomKey(seed: 0))
    #expect(difference(try mean(ids, Inputs.context([3], 6)).doubles(), found) > 1e-3)
  }
}
