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

  @Test("sinusoids agree with golden group `sinusoid_lra`")
  func positions() throws {
    try Golden("sinusoid_lra").expect("out", sinusoids(length: 5, width: 6))
  }
}
