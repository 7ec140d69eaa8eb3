import Foundation
import Tensors
import Testing

@testable import Attention

@Suite struct PairTests {
  private static let documents: [[Int]] = [9, 21, 14, 5].enumerated().map { row, length in
    (0..<length).map { 1 + ($0 * (row + 5) + 3 * row) % 15 }
  }

  private func model(
    _ interaction: ModelConfiguration.Interaction, pool: ModelConfiguration.Pool = .mean
  ) -> ModelConfiguration {
    var model = ModelConfiguration()
    (model.embDim, model.qkvDim, model.mlpDim, model.maxLength) = (16, 16, 24, 40)
    (model.numTowers, model.interaction, model.classifierPool) = (2, interaction, pool)
    model.numClasses = 2
    return model
  }

  private func run(_ classifier: Classifier, _ documents: [[Int]], length: Int) throws -> Tensor {
    let ids = documents.flatMap {
      $0.map(Int64.init) + [Int64](repeating: 0, count: length - $0.count)
    }
    let context = try Inputs.context(documents.map(\.count), length)
    return try classifier(.from(ids, [documents.count, length]), context)
  }

  @Test(
    "a pair's logits are the head on the documents' own vectors",
    arguments: [ModelConfiguration.Interaction.concat, .nli], [ModelConfiguration.Pool.mean, .cls])
  func towersApart(
    interaction: ModelConfiguration.Interaction, pool: ModelConfiguration.Pool
  ) throws {
    let classifier = try Classifier(model(interaction, pool: pool), key: RandomKey(seed: 0))
    let found = try run(classifier, Self.documents, length: 21).doubles()
    let vectors = try Self.documents.map { document -> [Double] in
      let ids = try Tensor.from(document.map(Int64.init), [1, document.count])
      let context = try Inputs.context([document.count], document.count)
      let features = try classifier.encoder(ids, context).0.select(0, 0)  // [L', D]
      let rows = try features.doubles()
      return (0..<16).map { c in
        if pool == .cls { return rows[c] }
        let column = (0..<document.count).map { rows[$0 * 16 + c] }
        return column.reduce(0, +) / Double(document.count)
      }
    }
    let weights = Dictionary(
      uniqueKeysWithValues: try classifier.parameters.map {
        ($0.name, try $0.parameter.value.doubles())
      })
    for pair in 0..<2 {
      let (a, b) = (vectors[pair], vectors[pair + 2])
      var joined = a + b
      if interaction == .nli { joined += zip(a, b).map { $0 * $1 } + zip(a, b).map { $0 - $1 } }
      for name in ["hidden", "hidden2", "out"] {
        let weight = try #require(weights["head.\(name).weight"])
        let bias = try #require(weights["head.\(name).bias"])
        let input = joined
        joined = bias.indices.map { row in
          let terms = input.indices.map { weight[row * input.count + $0] * input[$0] }
          let sum = terms.reduce(bias[row], +)
          return name == "out" ? sum : max(0, sum)
        }
      }
      #expect(difference(Array(found[(2 * pair)..<(2 * pair + 2)]), joined) < 1e-5)
    }
  }

  @Test("padding behind either document changes neither logits nor gradients")
  func padding() throws {
    let classifier = try Classifier(model(.nli), key: RandomKey(seed: 0))
    var results: [[Double]] = []
    for length in [21, 40] {
      for named in classifier.parameters { named.parameter.value.clearGradient() }
      let logits = try run(classifier, Self.documents, length: length)
      try logits.crossEntropySum(.from([Int64(0), 1], [2])).backward()
      var all = try logits.doubles()
      for named in classifier.parameters {
        all += try named.parameter.value.gradient?.doubles() ?? []
      }
      results.append(all)
    }
    #expect(difference(results[0], results[1]) < 2e-5)
  }

  @Test("LRA's retrieval model has its published number of parameters")
  func releasedCount() throws {
    var released = model(.concat, pool: .first)
    (released.embDim, released.qkvDim, released.mlpDim, released.maxLength) = (128, 128, 512, 4000)
    (released.numHeads, released.numLayers, released.qkvBias) = (4, 4, false)
    (released.position, released.vocabularySize) = (.sinusoidal, 257)
    let concat = try Classifier(released, key: RandomKey(seed: 0))
    let names = concat.parameters.map(\.name).filter { $0.hasPrefix("head") }
    #expect(
      names == ["hidden", "hidden2", "out"].flatMap { ["head.\($0).weight", "head.\($0).bias"] })
    #expect(concat.parameters.valueCount == 1_087_618)
    released.interaction = .nli
    let nli = try Classifier(released, key: RandomKey(seed: 0))
    #expect(nli.parameters.valueCount == 1_218_690)
  }

  @Test("an odd number of rows and a third tower are refused")
  func errors() throws {
    let classifier = try Classifier(model(.concat), key: RandomKey(seed: 0))
    #expect(throws: AttentionError.self) {
      try run(classifier, Array(Self.documents[..<3]), length: 21)
    }
    var three = model(.concat)
    three.numTowers = 3
    #expect(throws: AttentionError.self) { try Classifier.check(three) }
  }
}
