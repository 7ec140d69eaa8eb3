import Foundation
import Testing

@testable import Attention
@testable import Tensors

private func model(_ change: (inout ModelConfiguration) -> Void = { _ in }) -> ModelConfiguration {
  var model = ModelConfiguration()
  model.embDim = 16
  model.qkvDim = 16
  model.mlpDim = 24
  model.maxLength = 80
  change(&model)
  return model
}

private func ids(_ rows: [[Int]], length: Int) throws -> Tensor {
  try .from(
    rows.flatMap { $0.map(Int64.init) + [Int64](repeating: 0, count: length - $0.count) },
    [rows.count, length])
}

private func context(_ lengths: [Int], length: Int, training: Bool = false) throws -> Context {
  try Context(
    lengths: lengths, length: length, examples: Array(lengths.indices), key: RandomKey(seed: 3)[1],
    training: training)
}

private let sequence = (0..<61).map { 1 + ($0 * 7 + 3) % 15 }

@Suite struct ClassifierTests {
  static let forms: [(String, @Sendable (inout ModelConfiguration) -> Void)] = [
    ("default", { _ in }), ("CLS", { $0.classifierPool = .cls }),
    ("FIRST", { $0.classifierPool = .first }), ("rotary", { $0.position = .rotary }),
    ("sinusoidal", { $0.position = .sinusoidal }), ("none", { $0.position = .none }),
    ("post", { $0.norm = .post }), ("causal", { $0.causal = true }),
    ("tied", { $0.tiedWeights = true }), ("no bias", { $0.qkvBias = false }),
    ("linformer", { $0.modelType = "linformer" }), ("linear", { $0.modelType = "linear" }),
    ("causal linear", { ($0.modelType, $0.causal) = ("linear", true) }),
    ("relu", { $0.activation = .relu }), ("tanh", { $0.activation = .geluTanh }),
    ("MEAN_PADDED", { $0.classifierPool = .meanPadded }),
  ]

  @Test("padding changes neither logits nor gradients", arguments: forms.indices)
  func padding(form: Int) throws {
    let classifier = try Classifier(model(Self.forms[form].1), key: RandomKey(seed: 0))
    var results: [[Double]] = []
    for length in [61, 80] {
      for named in classifier.parameters { named.parameter.value.clearGradient() }
      let logits = try classifier(ids([sequence], length: length), context([61], length: length))
      try logits.crossEntropySum(.from([Int64(3)], [1])).backward()
      var all = try logits.doubles()
      for named in classifier.parameters {
        all += try named.parameter.value.gradient?.doubles() ?? []
      }
      results.append(all)
    }
    #expect(zip(results[0], results[1]).allSatisfy { abs($0 - $1) < 2e-5 }, "\(Self.forms[form].0)")
    #expect(results[0].contains { abs($0) > 1e-3 })
  }

  @Test("MEAN_PADDED is the mean of real tokens times their share of the power of two above")
  func meanPadded() throws {
    let plain = try Classifier(model(), key: RandomKey(seed: 0))
    let padded = try Classifier(
      model { $0.classifierPool = .meanPadded }, key: RandomKey(seed: 0))
    let (ids, context) = (try ids([sequence], length: 70), try context([61], length: 70))
    let (features, _) = try plain.encoder(ids, context)
    let mean = try features.slice(0..<61, 1).sum([1]).doubles().map { $0 / 128 }
    let (hidden, out) = (try #require(padded.hidden), padded.out)
    let expected = try out(hidden(.from(mean.map(Float.init), [1, 16])).relu()).doubles()
    let found = try padded(ids, context).doubles()
    #expect(zip(found, expected).allSatisfy { abs($0 - $1) < 1e-6 })
    let other = try plain(ids, context).doubles()
    #expect(zip(found, other).contains { abs($0 - $1) > 1e-3 })
  }

  @Test(
    "the padded length is the next power of two",
    arguments: [(1, 1), (2, 2), (3, 4), (1000, 1024), (1024, 1024), (2000, 2048), (4000, 4096)])
  func paddedLength(length: Int, padded: Int) {
    #expect(model { $0.maxLength = length }.filledLength == padded)
  }

  @Test("the head of a pair has one hidden layer when asked")
  func pairHead() throws {
    let classifier = try Classifier(
      model { ($0.numTowers, $0.pairHiddenLayers, $0.interaction) = (2, 1, .nli) },
      key: RandomKey(seed: 0))
    let head = classifier.parameters.filter { $0.name.hasPrefix("head.") }
    #expect(head.map(\.name).allSatisfy { !$0.contains("hidden2") })
    #expect(head.map(\.parameter.value.shape) == [[24, 64], [24], [10, 24], [10]])
    let both = try ids([sequence, sequence], length: 61)
    #expect(try classifier(both, context([61, 61], length: 61)).shape == [1, 10])
  }

  @Test(
    "linear layers begin with the deviation of their kind",
    arguments: zip(Linear.Beginning.allCases, [sqrt(2.0 / 96), sqrt(1.0 / 96), sqrt(1.0 / 32)]))
  func beginnings(beginning: Linear.Beginning, deviation: Double) throws {
    let layer = try Linear(32, 64, beginning, key: RandomKey(seed: 0))
    let weights = try layer.weight.value.doubles()
    let found = sqrt(weights.reduce(0) { $0 + $1 * $1 } / Double(weights.count))
    #expect(abs(found / deviation - 1) < 0.05)
    let bias = try #require(layer.bias).value.doubles()
    #expect(bias.contains { $0 != 0 } == (beginning == .torch))
    #expect(bias.allSatisfy { abs($0) <= 1 / sqrt(32) })
    let bound = [.xavier: sqrt(6.0 / 96), .torch: sqrt(1.0 / 32)][beginning] ?? 2.28 / sqrt(32)
    #expect(weights.allSatisfy { abs($0) <= bound } && weights.contains { abs($0) > 0.9 * bound })
  }

  @Test("a row's logits do not depend on its neighbours", arguments: [1, 2, 5, 33])
  func batchOrder(length: Int) throws {
    let classifier = try Classifier(model(), key: RandomKey(seed: 0))
    let other = (0..<61).map { 1 + ($0 * 5 + 1) % 15 }
    let short = Array(sequence[..<length])
    let both = try classifier(ids([short, other], length: 61), context([length, 61], length: 61))
      .doubles()
    let swapped = try classifier(
      ids([other, short], length: 61), context([61, length], length: 61)
    ).doubles()
    #expect(zip(both[..<10], swapped[10...]).allSatisfy { abs($0 - $1) < 1e-5 })
    #expect(zip(both[10...], swapped[..<10]).allSatisfy { abs($0 - $1) < 1e-5 })
  }

  @Test("causal outputs have exactly no gradient from later tokens")
  func causal() throws {
    let configuration = model {
      $0.causal = true
      $0.classifierPool = .first
    }
    let classifier = try Classifier(configuration, key: RandomKey(seed: 0))
    let first = try classifier(ids([sequence], length: 61), context([61], length: 61)).doubles()
    let changed = [sequence[0]] + sequence.dropFirst().map { 1 + $0 % 15 }
    let second = try classifier(ids([changed], length: 61), context([61], length: 61)).doubles()
    #expect(first == second)
  }

  @Test("an empty row gives finite logits and gradients")
  func emptyRow() throws {
    let classifier = try Classifier(model(), key: RandomKey(seed: 0))
    let logits = try classifier(ids([[], [3, 4]], length: 2), context([0, 2], length: 2))
    try logits.crossEntropySum(.from([Int64(1), 2], [2])).backward()
    #expect(try logits.floats().allSatisfy { $0.isFinite })
    for named in classifier.parameters {
      #expect(
        try (named.parameter.value.gradient?.floats() ?? []).allSatisfy { $0.isFinite },
        "\(named.name)")
    }
  }

  @Test("dropout is on in training only, and the same step gives the same numbers")
  func dropout() throws {
    let classifier = try Classifier(model(), key: RandomKey(seed: 0))
    let run = { (training: Bool) in
      try classifier(ids([sequence], length: 61), context([61], length: 61, training: training))
        .floats()
    }
    #expect(try run(true) == run(true))
    #expect(try run(false) == run(false))
    #expect(try run(true) != run(false))
  }

  @Test("parameters have the names and the counts of the released ListOps model")
  func releasedCount() throws {
    let released = model {
      $0.embDim = 512
      $0.numHeads = 8
      $0.qkvDim = 512
      $0.mlpDim = 1024
      $0.numLayers = 4
      $0.position = .sinusoidal
      $0.qkvBias = false
      $0.classifierPool = .cls
      $0.vocabularySize = 17
      $0.maxLength = 2000
    }
    let classifier = try Classifier(released, key: RandomKey(seed: 0))
    #expect(classifier.parameters.valueCount == 8_948_746)
    let names = classifier.parameters.map(\.name)
    #expect(Set(names).count == names.count)
    #expect(names.contains("embed.cls") && names.contains("blocks.3.attn.q.weight"))
    #expect(names.contains("blocks.0.mlp.up.bias") && names.contains("head.out.bias"))
  }

  @Test("initial weights are a pure function of the seed, each tensor its own")
  func initialWeights() throws {
    let make = { (seed: Int) in
      try Classifier(model(), key: RandomKey(seed: seed)).parameters.map {
        try $0.parameter.value.floats()
      }
    }
    #expect(try make(4) == make(4))
    #expect(try make(4) != make(5))
    let weights = try Classifier(model(), key: RandomKey(seed: 4)).parameters
      .filter { $0.name.hasSuffix("attn.q.weight") || $0.name.hasSuffix("attn.k.weight") }
      .map { try $0.parameter.value.floats() }
    #expect(Set(weights).count == 4)
  }

  @Test("an unknown model, key, direction or length is refused in words")
  func errors() throws {
    func message(_ body: () throws -> Void) -> String? {
      do { try body() } catch { return (error as? AttentionError)?.message }
      return nil
    }
    #expect(
      message { try Classifier.check(model { $0.modelType = "transformr" }) }
        == "model transformr is unknown")
    #expect(
      message { try Classifier.check(model { $0.mixer = ["blok": .integer(3)] }) }
        == "recipe key model.mixer.blok is unknown to transformer")
    #expect(
      message { try Classifier.check(model { ($0.modelType, $0.causal) = ("linformer", true) }) }
        == "linformer cannot be causal")
    #expect(
      message { try Classifier.check(model { $0.modelType = "rwkv" }) } == "rwkv is always causal")
    #expect(
      message { try Classifier.check(model { ($0.modelType, $0.causal) = ("rwkv", true) }) } == nil)
    let classifier = try Classifier(model(), key: RandomKey(seed: 0))
    #expect(
      message { _ = try classifier(ids([sequence], length: 81), context([61], length: 81)) }
        == "a sequence of 81 tokens exceeds max_length 80")
  }
}
