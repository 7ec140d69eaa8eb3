import Foundation
import Tensors
import Testing

@testable import Attention

/// An architecture of the registry in one direction, with keys that suit a few tokens.
struct ArchitectureCase: CustomTestStringConvertible, Sendable {
  let entry: ArchitectureEntry
  let causal: Bool
  let keys: [String: ConfigurationValue]

  static let all: [ArchitectureCase] = architectures.flatMap { entry in
    entry.mechanism.directions.flatMap { direction in
      (variants[entry.mechanism.name] ?? [[:]]).map {
        ArchitectureCase(entry: entry, causal: direction == .causal, keys: $0)
      }
    }
  }

  static let variants: [String: [[String: ConfigurationValue]]] = [
    "set_transformer": [
      ["num_inducing": .integer(3)], ["num_inducing": .integer(5), "layer_norm": .bool(false)],
    ],
    "star_transformer": [[:], ["layer_norm": .bool(false)]],
    "looped": [["loops": .integer(3), "mixer": .string("linear")]],
    "low_rank": [["rank": .integer(3)]],
  ]

  var testDescription: String {
    let keys = keys.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
    return ([entry.mechanism.name] + (causal ? ["causal"] : []) + keys).joined(separator: ", ")
  }

  /// float64, but for what runs on our own kernels.
  var precise: Bool { entry.mechanism.name != "low_rank" }
  var tolerance: Double { precise ? 1e-9 : 3e-5 }

  func model(_ change: (inout ModelConfiguration) -> Void = { _ in }) -> ModelConfiguration {
    var model = ModelConfiguration()
    (model.embDim, model.qkvDim, model.mlpDim, model.numHeads) = (8, 8, 12, 2)
    (model.maxLength, model.modelType, model.causal) = (40, entry.mechanism.name, causal)
    model.mixer = keys
    change(&model)
    return model
  }

  /// The encoder in float64 with stirred parameters.
  func build(_ change: (inout ModelConfiguration) -> Void = { _ in }) throws -> any Encoder {
    let encoder = try entry.build(model(change), RandomKey(seed: 11))
    for (index, named) in encoder.parameters.enumerated() {
      let parameter = named.parameter
      let noise = try Inputs.fill(parameter.value.shape, 37 + Double(index), 0.3) * 0.1
      try withoutGradient { try parameter.value.copy(from: parameter.value + noise.to(.float32)) }
      if precise { try parameter.convert(to: .float64) }
    }
    return encoder
  }
}

/// What every architecture must do; the counterpart of `PropertyTests`.
@Suite(.serialized) struct ArchitecturePropertyTests {
  private func ids(_ rows: [[Int]], _ length: Int) throws -> Tensor {
    let flat = rows.flatMap {
      $0.map(Int64.init) + [Int64](repeating: 0, count: length - $0.count)
    }
    return try .from(flat, [rows.count, length])
  }

  private func document(_ length: Int, _ step: Int = 7) -> [Int] {
    (0..<length).map { 1 + ($0 * step + 3) % 15 }
  }

  /// The mean over real positions: [B, D].
  private func pooled(
    _ encoder: any Encoder, _ rows: [[Int]], _ length: Int, training: Bool = false,
    examples: [Int]? = nil
  ) throws -> Tensor {
    let context = try Inputs.context(
      rows.map(\.count), length, training: training, examples: examples)
    let (features, after) = try encoder.callAsFunction(ids(rows, length), context)
    return try after.meanWeights(.float64).matmul(features.to(.float64)).select(0, 1)
  }

  private func gradients(_ encoder: any Encoder) throws -> [Double] {
    try encoder.parameters.flatMap { named -> [Double] in
      let gradient = try named.parameter.value.gradient?.doubles()
      named.parameter.value.clearGradient()
      return gradient ?? [Double](repeating: 0, count: named.parameter.value.count)
    }
  }

  @Test("any length gives finite features, an empty row too", arguments: ArchitectureCase.all)
  func shapes(example: ArchitectureCase) throws {
    for pool in [ModelConfiguration.Pool.mean, .cls] {
      let encoder = try example.build { $0.classifierPool = pool }
      for length in [1, 2, 7, 33, 40] {
        let found = try pooled(encoder, [document(length), []], length)
        #expect(found.shape == [2, 8])
        try (found * Inputs.fill([2, 8], 1.3, 0.4)).sum().backward()
        let all = try found.doubles() + gradients(encoder)
        #expect(all.allSatisfy { $0.isFinite }, "length \(length)")
      }
    }
  }

  @Test(
    "a padded row gives what its truncation gives, in outputs and gradients",
    arguments: ArchitectureCase.all, [1, 6, 13])
  func padding(example: ArchitectureCase, real: Int) throws {
    let encoder = try example.build()
    let results = try [real, 23, 40].map { length in
      let found = try pooled(encoder, [document(real)], length)
      try (found * Inputs.fill([1, 8], 1.3, 0.4)).sum().backward()
      return try found.doubles() + gradients(encoder)
    }
    #expect(difference(results[1], results[0]) < example.tolerance)
    #expect(difference(results[2], results[0]) < example.tolerance)
    #expect(results[0].contains { abs($0) > 1e-3 })
  }

  @Test(
    "no output depends on its row's place or on the other rows", arguments: ArchitectureCase.all)
  func batchOrder(example: ArchitectureCase) throws {
    let encoder = try example.build { $0.dropoutRate = 0 }
    let (a, b) = (document(21), document(10, 4))
    for training in [false, true] {
      let both = try pooled(encoder, [a, b], 21, training: training, examples: [4, 9]).doubles()
      let swapped = try pooled(encoder, [b, a], 21, training: training, examples: [9, 4]).doubles()
      #expect(difference(Array(both[..<8]), Array(swapped[8...])) < example.tolerance)
      #expect(difference(Array(both[8...]), Array(swapped[..<8])) < example.tolerance)
      #expect(difference(Array(both[..<8]), Array(both[8...])) > 1e-3)
    }
  }

  @Test("huge embeddings leave features and gradients finite", arguments: ArchitectureCase.all)
  func huge(example: ArchitectureCase) throws {
    let encoder = try example.build()
    for named in encoder.parameters where named.name.hasSuffix("embed.token.weight") {
      try withoutGradient { try named.parameter.value.copy(from: named.parameter.value * 60) }
    }
    let found = try pooled(encoder, [document(19), document(4)], 19)
    try (found * Inputs.fill([2, 8], 1.3, 0.4)).sum().backward()
    let all = try found.doubles() + gradients(encoder)
    #expect(all.allSatisfy { $0.isFinite } && all.contains { $0 != 0 })
  }

  @Test("the same call twice gives the same numbers", arguments: ArchitectureCase.all)
  func determinism(example: ArchitectureCase) throws {
    for training in [false, true] {
      let out = try (0..<2).map { _ in
        try pooled(example.build(), [document(13), document(6)], 13, training: training).doubles()
      }
      #expect(out[0] == out[1])
    }
  }

  @Test(
    "a causal feature has exactly no gradient from later tokens",
    arguments: ArchitectureCase.all.filter(\.causal))
  func exactZeros(example: ArchitectureCase) throws {
    // Every token is another one, so the rows of the table are the places.
    let encoder = try example.build { $0.vocabularySize = 41 }
    let tokens = try #require(
      encoder.parameters.first { $0.name == "embed.token.weight" }?.parameter.value)
    let places = try #require(
      encoder.parameters.first { $0.name == "embed.position.weight" }?.parameter.value)
    for position in [0, 1, 5, 16, 33, 36] {
      let features = try encoder.callAsFunction(
        ids([Array(1...37)], 37), Inputs.context([37], 37)
      ).0
      let one = try features.slice(position..<(position + 1), 1)
      try (one.to(.float64) * Inputs.fill([1, 1, 8], 1.3, 0.4)).sum().backward()
      let all = try [#require(tokens.gradient).doubles(), #require(places.gradient).doubles()]
      // Row 0 of the table is padding.
      for (gradient, first) in zip(all, [position + 2, position + 1]) {
        #expect(gradient[(first * 8)...].allSatisfy { $0 == 0 }, "position \(position)")
        #expect(gradient[..<(first * 8)].contains { abs($0) > 1e-6 })
      }
      _ = try gradients(encoder)
    }
  }

  @Test(
    "causal features do not change when later tokens do",
    arguments: ArchitectureCase.all.filter(\.causal))
  func causality(example: ArchitectureCase) throws {
    let encoder = try example.build()
    let first = document(37)
    for position in [0, 5, 31, 35] {
      let changed = first[...position] + first[(position + 1)...].map { 1 + ($0 + 4) % 15 }
      let results = try [first, Array(changed)].map { row in
        try encoder.callAsFunction(ids([row], 37), Inputs.context([37], 37)).0.doubles()
      }
      let end = (position + 1) * 8
      #expect(difference(Array(results[0][..<end]), Array(results[1][..<end])) < example.tolerance)
      #expect(difference(Array(results[0][end...]), Array(results[1][end...])) > 1e-3)
    }
  }

  @Test("gradients of every parameter equal central differences", arguments: ArchitectureCase.all)
  func gradientCheck(example: ArchitectureCase) throws {
    let encoder = try example.build()
    let rows = [document(8), document(5, 4)]
    let loss = {
      try (pooled(encoder, rows, 8) * Inputs.fill([2, 8], 1.3, 0.4)).sum()
    }
    try loss().backward()
    let tolerance = example.precise ? 2e-6 : 1e-2
    for named in encoder.parameters {
      let value = named.parameter.value
      let kept = try value.detached() * 1
      let ray = try Inputs.fill(value.shape, 0.9, 0.2)
      let at = { (step: Double) in
        try withoutGradient {
          try value.copy(from: kept + ray.to(kept.elementType) * step)
          return try loss().item()
        }
      }
      let step = example.precise ? 1e-6 : 1e-2
      let expected = (try at(step) - at(-step)) / (2 * step)
      try withoutGradient { try value.copy(from: kept) }
      let along = try value.gradient.map { try ($0 * ray).sum().item() } ?? 0
      #expect(abs(along - expected) < tolerance * max(1, abs(expected)), "\(named.name)")
    }
  }

  @Test("a classifier of every model can be built with its defaults, trained, and refused in words")
  func classifier() throws {
    for mechanism in mechanisms {
      var model = ModelConfiguration()
      (model.modelType, model.maxLength) = (mechanism.name, 20)
      model.causal = mechanism.directions == [.causal]
      if mechanism.name == "compressive_transformer" {
        // Its convolution learns when something leaves the memory.
        model.mixer = ["segment_length": .integer(4), "memory_length": .integer(4)]
      }
      let classifier = try Classifier(model, key: RandomKey(seed: 0))
      let names = classifier.parameters.map(\.name)
      #expect(Set(names).count == names.count)
      let context = try Inputs.context([20, 9], 20, training: true)
      let logits = try classifier(ids([document(20), document(9)], 20), context)
      #expect(logits.shape == [2, 10])
      let loss = try logits.crossEntropySum(.from([Int64(1), 2], [2]))
      try (context.effects.takeAuxiliaryLoss().map { try loss + $0 } ?? loss).backward()
      for named in classifier.parameters where named.parameter.role != .buffer {
        // Luna's last memory is read by nobody.
        if named.name.hasPrefix("blocks.1.attn.luna.norm") { continue }
        #expect(named.parameter.value.gradient != nil, "\(mechanism.name) \(named.name)")
      }
      model.mixer = ["no_such_key": .integer(1)]
      #expect(throws: AttentionError.self) { try Classifier.check(model) }
    }
  }
}
