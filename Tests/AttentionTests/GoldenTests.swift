import Foundation
import Tensors
import Testing

@testable import Attention

@Suite struct GoldenTests {
  @Test("full, causal and padded softmax attention agree with golden group `full`")
  func full() throws {
    let parts = try Inputs.queriesKeysValues([1, 12, 1, 1, 4]).map { try $0.to(.float32) }
    let qkv = try Tensor.concatenated(parts, 2)  // [1, 12, 3, 1, 4]
    let golden = try Golden("full")
    try golden.expect("out", qkv.attention(scale: 0.5))
    try golden.expect("causal", qkv.attention(causal: true, scale: 0.5))
    let lengths = try Tensor.from([Int64(9)], [1])
    let padded = try qkv.attention(queryLengths: lengths, keyLengths: lengths, scale: 0.5)
    try golden.expect("pad", padded, rows: 9)
  }

  @Test("fixed positions, rotations and the weights of the mean are exact in float64")
  func float64Tables() throws {
    let table = try sinusoids(length: 50, width: 6).doubles()
    var expected: [Double] = []
    for position in 0..<50 {
      for pair in 0..<3 {
        let rate: Double = exp(-Double(2 * pair) * log(10_000) / 6)
        expected += [sin(Double(position) * rate), cos(Double(position) * rate)]
      }
    }
    #expect(difference(table, expected) < 1e-15)
    let x = try Inputs.fill([1, 50, 1, 1, 4], 0.7, 0.1)
    let (plain, turned) = (try x.doubles(), try rotated(x).doubles())
    for t in 0..<50 {
      for pair in 0..<2 {
        let angle: Double = Double(t) * pow(10_000, -Double(pair) / 2)
        let place = t * 4 + 2 * pair
        let (a, b) = (plain[place], plain[place + 1])
        let (cosine, sine) = (cos(angle), sin(angle))
        let right: [Double] = [a * cosine - b * sine, a * sine + b * cosine]
        #expect(difference(Array(turned[place..<(place + 2)]), right) < 1e-15)
      }
    }
    let weights = try Inputs.context([3], 4).meanWeights(.float64).doubles()
    let third: Double = 1 / 3
    #expect(weights == [third, third, third, 0])
    var model = ModelConfiguration()
    (model.position, model.embDim, model.maxLength) = (.sinusoidal, 6, 9)
    let embedding = try Embedding(model, key: RandomKey(seed: 0))
    for named in embedding.parameters { try named.parameter.convert(to: .float64) }
    let ids = try Tensor.from([Int64](repeating: 3, count: 9), [1, 9])
    let found = try embedding(ids, Inputs.context([9], 9)).0
    let token = try #require(embedding.parameters.first).parameter.value.doubles()
    let sums = (0..<54).map { (index: Int) -> Double in expected[index] + token[18 + index % 6] }
    #expect(difference(try found.doubles(), sums) < 1e-15)
  }

  @Test("sinusoids agree with golden group `sinusoid_lra`")
  func positions() throws {
    try Golden("sinusoid_lra").expect("out", sinusoids(length: 5, width: 6))
  }
}
