import Tensors
import Testing

@testable import Attention

@Suite struct LowRankTransformerTests {
  private func model(_ rank: Int, fromDense: Bool = false) -> ModelConfiguration {
    var model = ModelConfiguration()
    (model.modelType, model.embDim, model.qkvDim, model.mlpDim) = ("low_rank", 16, 16, 24)
    model.maxLength = 30
    model.attention = ["rank": .integer(rank), "from_dense": .bool(fromDense)]
    return model
  }

  private let ids = (0..<13).map { Int64(1 + $0 * 4 % 15) }

  @Test(
    "factors of full rank give back the dense map; the error of fewer is that of what is left out")
  func singularValues() throws {
    let dense = try Linear(12, 20, key: RandomKey(seed: 3))
    let x = try Inputs.fill([3, 12], 0.7, 0.1).to(.float32)
    let exact = try dense(x).doubles()
    let all = try FactoredLinear(dense, rank: 12)
    #expect(difference(try all(x).doubles(), exact) < 1e-5)
    // The squared error is the sum of the squared singular values left out: traces tell them.
    let weight = dense.weight.value
    var before = Double.infinity
    for rank in [1, 4, 8, 11] {
      let (left, right) = try weight.factors(rank: rank)
      let off = try weight - left.matmul(right)
      let error = try (off * off).sum().item()
      let kept = try (left * left).sum().item()
      let total = try (weight * weight).sum().item()
      #expect(abs(error - (total - kept)) < 1e-4 && error < before)
      before = error
    }
  }

  @Test("a matrix is factored only where that saves parameters")
  func savings() throws {
    let thin = try FactoredLinear(16, 24, rank: 3, bias: true, key: RandomKey(seed: 0))
    #expect(thin.parameters.valueCount == 3 * (16 + 24) + 24)
    let whole = try FactoredLinear(16, 24, rank: 10, bias: true, key: RandomKey(seed: 0))
    #expect(whole.parameters.map(\.name) == ["weight", "bias"])
    let small = try Classifier(model(2), key: RandomKey(seed: 0)).parameters.valueCount
    let large = try Classifier(model(40), key: RandomKey(seed: 0)).parameters.valueCount
    #expect(small < large)
  }

  @Test("with whole matrices, or with full rank from dense ones, it is the standard encoder")
  func standard() throws {
    let context = try Inputs.context([13, 9], 13)
    let rows = ids + ids[..<9] + [0, 0, 0, 0]
    var plain = model(1)
    (plain.modelType, plain.attention) = ("transformer", [:])
    let reference = try Classifier(plain, key: RandomKey(seed: 0))
    let named = Dictionary(
      uniqueKeysWithValues: reference.parameters.map { ($0.name, $0.parameter.value) })
    let expected = try reference(.from(rows, [2, 13]), context).doubles()
    let classifier = try Classifier(model(40), key: RandomKey(seed: 1))
    for parameter in classifier.parameters {
      let name = parameter.name.replacing("layers.", with: "blocks.")
      try withoutGradient {
        try parameter.parameter.value.copy(from: #require(named[name], "\(name)"))
      }
    }
    let found = try classifier(.from(rows, [2, 13]), context).doubles()
    #expect(difference(found, expected) < 1e-5)
    // Drawn with the same keys, the dense matrix is the same, and so are its factors.
    let whole = try Classifier(model(40), key: RandomKey(seed: 5))(.from(rows, [2, 13]), context)
    let factored = try Classifier(model(16, fromDense: true), key: RandomKey(seed: 5))(
      .from(rows, [2, 13]), context)
    #expect(difference(try factored.doubles(), try whole.doubles()) < 1e-4)
  }

  @Test("a rank of 0 is refused")
  func badConfiguration() {
    #expect(throws: AttentionError.self) { try Classifier(model(0), key: RandomKey(seed: 0)) }
  }
}
