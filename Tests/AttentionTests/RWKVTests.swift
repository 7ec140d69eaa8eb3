import Foundation
import Tensors
import Testing

@testable import Attention

@Suite struct RWKVTests {
  /// The definition, token by token, from elementary operations: [B, L, D].
  private func reference(_ k: Tensor, _ v: Tensor, w: Tensor, u: Tensor) throws -> Tensor {
    let length = k.size(1)
    var rows: [Tensor] = []
    for t in 0..<length {
      var sum = try (k.slice(t..<(t + 1), 1) + u).exp() * v.slice(t..<(t + 1), 1)
      var weight = try (k.slice(t..<(t + 1), 1) + u).exp()
      for i in 0..<t {
        let e = try (k.slice(i..<(i + 1), 1) - w * Double(t - 1 - i)).exp()
        sum = try sum + e * v.slice(i..<(i + 1), 1)
        weight = try weight + e
      }
      rows.append(try sum / weight)
    }
    return try .concatenated(rows, 1)
  }

  @Test(
    "sums over chunks equal the definition, in outputs and gradients",
    arguments: [1, 7, 32, 33, 70])
  func definition(length: Int) throws {
    try expectSame(
      [
        Inputs.fill([2, length, 3], 1.9, 0.4), Inputs.fill([2, length, 3], 1.1, 0.3) * 3,
        Inputs.fill([3], 0.5, 0.1).exp() * 0.2, Inputs.fill([3], 0.7, 0.2),
      ], lengths: [length, length], within: 1e-9, "",
      { try RWKV.wkv($0[1], $0[0], w: $0[2], u: $0[3]).unsqueezed(1) },
      { try reference($0[1], $0[0], w: $0[2], u: $0[3]).unsqueezed(1) })
  }

  @Test("it agrees with golden group `rwkv`")
  func golden() throws {
    let found = try RWKV.wkv(
      Inputs.fill([1, 8, 3], 1.1, 0.3), Inputs.fill([1, 8, 3], 1.9, 0.4),
      w: Inputs.fill([3], 0.5, 0.1).exp(), u: Inputs.fill([3], 0.7, 0.2))
    try Golden("rwkv").expect("out", found)
  }

  @Test("keys shifted by 60 change nothing, nor by 200, in float32 and past a chunk")
  func shift() throws {
    let (k, v) = (try Inputs.fill([1, 70, 3], 1.1, 0.3), try Inputs.fill([1, 70, 3], 1.9, 0.4))
    let (w, u) = (try Inputs.fill([3], 0.5, 0.1).exp() * 0.1, try Inputs.fill([3], 0.7, 0.2))
    let run = { (k: Tensor) in
      try RWKV.wkv(k.to(.float32), v.to(.float32), w: w.to(.float32), u: u.to(.float32)).doubles()
    }
    #expect(difference(try run(k + 60), try run(k)) < 2e-5)
    #expect(difference(try run(k + -60), try run(k)) < 2e-5)
    // e^200 is no float32; keys near 200 are rounded to 1.5e-5.
    #expect(difference(try run(k + 200), try run(k)) < 1e-3)
    #expect(difference(try run(k + -200), try run(k)) < 1e-3)
  }

  @Test("without decay, bonus and keys it is the running mean")
  func runningMean() throws {
    let v = try Inputs.fill([1, 45, 2], 1.9, 0.4)
    let zero = try Tensor.zeros([2], .float64)
    let found = try RWKV.wkv(.zeros([1, 45, 2], .float64), v, w: zero, u: zero).doubles()
    let values = try v.doubles()
    let expected = (0..<90).map { index -> Double in
      let (t, c) = (index / 2, index % 2)
      return (0...t).map { values[$0 * 2 + c] }.reduce(0, +) / Double(t + 1)
    }
    #expect(difference(found, expected) < 1e-10)
  }

  @Test("a layer is time mix and channel mix over the token and the one before it")
  func layer() throws {
    var model = ModelConfiguration()
    (model.embDim, model.mlpDim, model.numLayers) = (4, 6, 2)
    let layer = try RWKV.Layer(1, model, key: RandomKey(seed: 0))
    for named in layer.parameters { try named.parameter.convert(to: .float64) }
    let x = try Inputs.fill([1, 5, 4], 0.7, 0.1)
    let found = try layer(x, Inputs.context([5], 5), 1).doubles()
    let p = Dictionary(
      uniqueKeysWithValues: layer.parameters.map { ($0.name, $0.parameter.value) })
    let blend = { (y: Tensor, name: String) throws -> Tensor in
      let share = try #require(p[name])
      let rows = try (0..<5).map { t in
        let before = t == 0 ? try Tensor.zeros([1, 1, 4], .float64) : try y.slice((t - 1)..<t, 1)
        return try y.slice(t..<(t + 1), 1) * share + before - before * share
      }
      return try .concatenated(rows, 1)
    }
    let linear = { (name: String, y: Tensor) throws -> Tensor in
      try y.matmul(#require(p["\(name).weight"]).transposed(0, 1))
    }
    let norm = { (y: Tensor) throws -> Tensor in
      let off = try y - y.sum([2], keep: true) * 0.25
      return try off / ((off * off).sum([2], keep: true) * 0.25 + 1e-5).squareRoot()
    }
    let a = try norm(x)
    let wkv = try reference(
      linear("time.key", blend(a, "time.mix_k")), linear("time.value", blend(a, "time.mix_v")),
      w: #require(p["time.decay"]).exp(), u: #require(p["time.first"]))
    let gate = try linear("time.receptance", blend(a, "time.mix_r")).sigmoid()
    let y = try x + linear("time.out", gate * wkv)
    let c = try norm(y)
    let hidden = try linear("channel.key", blend(c, "channel.mix_k")).relu()
    let open = try linear("channel.receptance", blend(c, "channel.mix_r")).sigmoid()
    let expected = try y + open * linear("channel.value", hidden * hidden)
    #expect(difference(found, try expected.doubles()) < 1e-10)
  }
}
