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
    _ q: [Double], _ k: [Double], _ v: [Double], _ centroids: [Double], window: Int, real: Int,
    scale: Double = 0.5
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
        let weights = keys.map { exp(dot(q, i, k, $0) * scale) }
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

  @Test("with the authors' layer norm queries and keys have length √E")
  func layerNormLength() throws {
    let mixer = try routing(3, window: 4, heads: 1) { $0.layerNormLength = true }
    try mixer.centroids.convert(to: .float64)
    let x = try Inputs.queriesKeysValues([1, 1, 13, 4])
    let found = try mixer.attend(
      unit(x[0]), unit(x[1]), x[2], Inputs.context([13], 13), layer: 0)
    // q k / √E of vectors twice as long.
    let expected = try reference(
      unit(x[0]).doubles(), unit(x[1]).doubles(), x[2].doubles(),
      mixer.centroids.value.doubles(), window: 4, real: 13, scale: 2)
    #expect(difference(try found.doubles(), expected) < 1e-9)
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

  @Test("after a training step centroids follow their nearest real vectors, however it was cut")
  func follow() throws {
    let mixer = try routing(3, window: 5) { $0.decay = 0.9 }
    let x = try Inputs.fill([1, 12, 8], 0.7, 0.1).to(.float32)
    let before = try mixer.centroids.value.doubles()
    _ = try mixer(x, Inputs.context([7], 12), layer: 0)
    #expect(try mixer.centroids.value.doubles() == before)
    let (q, k, _) = try mixer.heads.split(x)
    let training = try Inputs.context([7], 12, training: true)
    _ = try mixer(x, training, layer: 0)
    #expect(try mixer.centroids.value.doubles() == before)
    try training.effects.applyStatistics()
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
    // Nothing is left for a second time.
    try training.effects.applyStatistics()
    #expect(try mixer.centroids.value.doubles() == after)
  }

  @Test("a centroid that no vector is nearest to stays, even when nothing old is kept")
  func alone() throws {
    let mixer = try routing(8, window: 5) { $0.decay = 0 }
    let before = try mixer.centroids.value.doubles()
    let context = try Inputs.context([2], 12, training: true)
    _ = try mixer(Inputs.fill([1, 12, 8], 0.7, 0.1).to(.float32), context, layer: 0)
    try context.effects.applyStatistics()
    let after = try mixer.centroids.value.doubles()
    var stayed = 0
    for row in 0..<16 {
      let place = (row * 4)..<(row * 4 + 4)
      let own: [Double] = Array(after[place])
      if own == Array(before[place]) { stayed += 1 }
      let squares: [Double] = own.map { $0 * $0 }
      #expect(abs(squares.reduce(0, +) - 1) < 1e-5)
    }
    // Two queries and two keys choose at most four of a head's eight.
    #expect(stayed >= 8 && stayed < 16)
  }

  @Test("centroids go where the whole batch says, in one part, in two, or on two ranks")
  func parts() throws {
    let x = try Inputs.fill([4, 12, 8], 0.7, 0.1).to(.float32)
    let lengths = [12, 7, 3, 10]
    let pass = { (mixer: RoutingTransformer, rows: Range<Int>, effects: StepEffects) in
      let context = try Context(
        lengths: Array(lengths[rows]), length: 12, examples: Array(rows),
        key: RandomKey(seed: 3)[5], training: true, effects: effects)
      _ = try mixer(x.slice(rows, 0), context, layer: 0)
    }
    let make = { try routing(3, window: 5) { $0.decay = 0.5 } }
    let (whole, cut) = (try make(), try make())
    let all = StepEffects()
    try pass(whole, 0..<4, all)
    try all.applyStatistics()
    let parts = StepEffects()
    try pass(cut, 0..<1, parts)
    try pass(cut, 1..<4, parts)
    try parts.applyStatistics()
    let expected = try whole.centroids.value.doubles()
    #expect(difference(try cut.centroids.value.doubles(), expected) < 1e-6)
    // Two ranks: each has the sums of its rows, and gets the sum of both.
    let ranks = try [0..<2, 2..<4].map { rows -> (RoutingTransformer, StepEffects) in
      let (mixer, effects) = (try make(), StepEffects())
      try pass(mixer, rows, effects)
      return (mixer, effects)
    }
    var sums: [Tensor] = []
    for (_, effects) in ranks {
      try effects.applyStatistics {
        sums += $0
        return $0
      }
    }
    let second = try make()
    for (rank, rows) in [0..<2, 2..<4].enumerated() {
      let (mixer, effects) = (rank == 0 ? try make() : second, StepEffects())
      try pass(mixer, rows, effects)
      try effects.applyStatistics { _ in [try sums[0] + sums[1]] }
      #expect(difference(try mixer.centroids.value.doubles(), expected) < 1e-6, "rank \(rank)")
    }
  }

  @Test("sizes that make no sense are refused")
  func badConfiguration() {
    #expect(throws: AttentionError.self) { try routing(-1, window: 4) }
    #expect(throws: AttentionError.self) { try routing(2, window: 4) { $0.decay = 1.5 } }
  }
}
