import Foundation
import Tensors
import Testing

@testable import Attention

@Suite struct RoutingTransformerTests {
  private func routing(
    _ clusters: Int, window: Int, heads: Int = 2,
    change: (inout RoutingTransformer.Configuration) -> Void = { _ in }
  ) throws -> RoutingTransformer {
    var model = ModelConfiguration()
    (model.embDim, model.qkvDim, model.numHeads, model.maxLength) = (
      4 * heads, 4 * heads, heads, 40
    )
    var configuration = RoutingTransformer.Configuration()
    (configuration.numClusters, configuration.window) = (clusters, window)
    change(&configuration)
    return try RoutingTransformer(configuration, model, key: RandomKey(seed: 0))
  }

  private func unit(_ x: Tensor) throws -> Tensor {
    try x / (x * x).sum([-1], keep: true).squareRoot()
  }

  /// One head of one row in plain numbers: [n, E].
  private func reference(
    _ q: [Double], _ k: [Double], _ v: [Double], _ centroids: [Double], window: Int, real: Int
  ) -> [Double] {
    func dot(_ a: [Double], _ i: Int, _ b: [Double], _ j: Int) -> Double {
      (0..<4).map { a[i * 4 + $0] * b[j * 4 + $0] }.reduce(0, +)
    }
    var sums = [Double](repeating: 0, count: real * 4)
    var counts = [Double](repeating: 0, count: real)
    for c in 0..<(centroids.count / 4) {
      let nearest = { (x: [Double]) in
        (0..<real).sorted { dot(x, $0, centroids, c) > dot(x, $1, centroids, c) }.prefix(window)
      }
      let keys = nearest(k)
      for i in nearest(q) {
        let weights = keys.map { exp(dot(q, i, k, $0) / 2) }
        let total = weights.reduce(0, +)
        for e in 0..<4 {
          sums[i * 4 + e] += zip(weights, keys).map { $0 * v[$1 * 4 + e] }.reduce(0, +) / total
        }
        counts[i] += 1
      }
    }
    return sums.indices.map { sums[$0] / max(1, counts[$0 / 4]) }
  }

  @Test(
    "it equals its definition in plain numbers", arguments: [1, 7, 13, 40],
    [(5, 8), (3, 4), (1, 40)])
  func definition(length: Int, form: (Int, Int)) throws {
    let mixer = try routing(form.0, window: form.1)
    try mixer.centroids.convert(to: .float64)
    let lengths = [length, (length + 1) / 2]
    let x = try Inputs.queriesKeysValues([2, 2, length, 4])
    let (q, k) = (try unit(x[0]), try unit(x[1]))
    let found = try mixer.attend(q, k, x[2], Inputs.context(lengths, length), layer: 0)
    for row in 0..<2 {
      for head in 0..<2 {
        let part = { (t: Tensor) in
          try t.select(row, 0).select(head, 0).slice(0..<lengths[row], 0).doubles()
        }
        let expected = try reference(
          part(q), part(k), part(x[2]), mixer.centroids.value.select(head, 0).doubles(),
          window: form.1, real: lengths[row])
        #expect(difference(try part(found), expected) < 1e-9)
      }
    }
  }

  @Test("it agrees with golden group `routing`, and tokens in no cluster get zeros")
  func golden() throws {
    let golden = try Golden("routing")
    let mixer = try routing(3, window: 5, heads: 1)
    try mixer.centroids.convert(to: .float64)
    try mixer.centroids.value.copy(from: unit(Inputs.fill([1, 3, 4], 0.8, 0.9)))
    let x = try Inputs.queriesKeysValues([1, 1, 12, 4])
    let found = try mixer.attend(unit(x[0]), unit(x[1]), x[2], Inputs.context([12], 12), layer: 0)
    try golden.expect("out", found)
    let rows = try found.doubles()
    for (t, count) in try golden.values("count").enumerated() where count == 0 {
      #expect(rows[(t * 4)..<(t * 4 + 4)].allSatisfy { $0 == 0 })
    }
  }

  @Test("clusters of everything are full attention, in outputs and gradients", arguments: [1, 3])
  func full(clusters: Int) throws {
    let mixer = try routing(clusters, window: 40)
    try mixer.centroids.convert(to: .float64)
    let lengths = [13, 8]
    let context = try Inputs.context(lengths, 13)
    try expectSame(
      Inputs.queriesKeysValues([2, 2, 13, 4]).reversed(), lengths: lengths, within: 1e-9, "",
      { try mixer.attend(unit($0[2]), unit($0[1]), $0[0], context, layer: 0) },
      {
        try denseAttention(unit($0[2]), unit($0[1]), $0[0], lengths: lengths) { _, _, _ in true }
      })
  }

  @Test("centroids follow their nearest real vectors in training, and only there")
  func follow() throws {
    let mixer = try routing(3, window: 5) { $0.decay = 0.9 }
    let x = try Inputs.fill([1, 12, 8], 0.7, 0.1).to(.float32)
    let before = try mixer.centroids.value.doubles()
    _ = try mixer(x, Inputs.context([7], 12), layer: 0)
    #expect(try mixer.centroids.value.doubles() == before)
    let (q, k, _) = try mixer.heads.split(x)
    _ = try mixer(x, Inputs.context([7], 12, training: true), layer: 0)
    let after = try mixer.centroids.value.doubles()
    for head in 0..<2 {
      let vectors = try [q, k].flatMap { t -> [[Double]] in
        let flat = try unit(t).select(0, 0).select(head, 0).doubles()
        return (0..<7).map { Array(flat[($0 * 4)..<($0 * 4 + 4)]) }
      }
      let old = (0..<3).map { Array(before[((head * 3 + $0) * 4)..<((head * 3 + $0) * 4 + 4)]) }
      func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).map { $0 * $1 }.reduce(0, +) }
      for c in 0..<3 {
        let mine = vectors.filter { x in
          (0..<3).allSatisfy { dot(old[$0], x) <= dot(old[c], x) }
        }
        var moved = old[c]
        if !mine.isEmpty {
          let mean = (0..<4).map { e in mine.map { $0[e] }.reduce(0, +) / Double(mine.count) }
          moved = zip(old[c], mean).map { 0.9 * $0 + 0.1 * $1 }
          moved = moved.map { $0 / dot(moved, moved).squareRoot() }
        }
        let found = Array(after[((head * 3 + c) * 4)..<((head * 3 + c) * 4 + 4)])
        #expect(difference(found, moved) < 1e-5)
      }
    }
    #expect(difference(after, before) > 1e-3)
  }

  @Test("sizes that make no sense are refused")
  func badConfiguration() {
    #expect(throws: AttentionError.self) { try routing(-1, window: 4) }
    #expect(throws: AttentionError.self) { try routing(2, window: 4) { $0.decay = 1.5 } }
  }
}
