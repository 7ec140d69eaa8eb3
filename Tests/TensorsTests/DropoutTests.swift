import Tensors
import Testing

@Suite(.serialized) struct DropoutTests {
  private let key = RandomKey(seed: 1)[7]["site"]

  private func expected(_ values: [Float], rows: [Int], rate: Double) -> [Float] {
    let threshold = UInt32((rate * 65536).rounded())
    let scale = Float(65536 / Double(65536 - threshold))
    let count = values.count / rows.count
    return values.enumerated().map { index, value in
      let e = index % count
      let (group, place) = (e / 128, e % 128)
      let words = philox(
        [UInt32(group * 16 + place % 16), 0, 0, 0], key: exampleKey(key.bits, rows[index / count]))
      return draw(words, place / 16) >= threshold ? value * scale : 0
    }
  }

  @Test("what is kept is what the documented counters say, in every tier", arguments: tiers)
  func counters(tier: String) throws {
    try Engine.use(tier: tier)
    let shape = [3, 5, 61]
    let values = fill(shape, 0.7, 0.1).map(Float.init)
    let rows = try Tensor.from([Int64(4), 9, 5_000_000_000], [3])
    let x = try Tensor.from(values, shape)
    try x.requireGradient()
    let y = try x.dropout(0.1, key: key, examples: rows)
    #expect(try y.floats() == expected(values, rows: [4, 9, 5_000_000_000], rate: 0.1))
    try (y * x.detached()).sum().backward()
    let gradient = try #require(x.gradient)
    #expect(try gradient.floats() == expected(values, rows: [4, 9, 5_000_000_000], rate: 0.1))
  }

  @Test("an example's mask does not depend on its row or its batch")
  func batchOrder() throws {
    let x = try Tensor.full([2, 300], 1)
    let one = try x.dropout(0.3, key: key, examples: .from([Int64(8), 2], [2])).floats()
    let other = try x.dropout(0.3, key: key, examples: .from([Int64(2), 8], [2])).floats()
    #expect(Array(one[..<300]) == Array(other[300...]))
    #expect(Array(one[300...]) == Array(other[..<300]))
  }

  @Test("the rate and the scale are right", arguments: [0.1, 0.5, 0.9])
  func rate(rate: Double) throws {
    let x = try Tensor.full([10, 100_000], 1)
    let y = try x.dropout(rate, key: key, examples: .from((0..<10).map(Int64.init), [10])).doubles()
    let kept = Double(y.filter { $0 != 0 }.count) / 1e6
    #expect(abs(kept - (1 - rate)) < 4 * (rate * (1 - rate) / 1e6).squareRoot())
    #expect(abs(y.reduce(0, +) / 1e6 - 1) < 0.02)
  }

  @Test("the residual is added, and both get their gradient")
  func residual() throws {
    let x = try Tensor.full([1, 256], 2)
    let r = try Tensor.full([1, 256], 10)
    try x.requireGradient()
    try r.requireGradient()
    let rows = try Tensor.from([Int64(0)], [1])
    let y = try x.dropout(0.5, key: key, examples: rows, addedTo: r)
    #expect(Set(try y.floats()) == [10, 14])
    try y.sum().backward()
    #expect(Set(try #require(x.gradient).floats()) == [0, 2])
    #expect(Set(try #require(r.gradient).floats()) == [1])
  }

  @Test("a rate outside 0..<1 is refused", arguments: [-0.1, 1.0])
  func badRate(rate: Double) throws {
    let x = try Tensor.full([1, 4], 1)
    #expect(throws: TensorError.self) {
      try x.dropout(rate, key: key, examples: .from([Int64(0)], [1]))
    }
  }
}
