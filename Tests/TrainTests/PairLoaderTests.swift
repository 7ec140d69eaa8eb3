import Attention
import Datasets
import Foundation
import Tensors
import Testing

@testable import Train

/// Pairs in memory: document t of pair p has a length and symbols of its own; some have none.
struct MemoryPairs: ExampleSource {
  let documents: [[[UInt8]]]
  let labels: [Int32]
  var isPairs: Bool { true }
  var count: Int { documents.count }
  var lengths: [Int32] { documents.map { Int32($0.map(\.count).max() ?? 0) } }

  init(count: Int) {
    documents = (0..<count).map { pair in
      (0..<2).map { tower in
        (0..<((pair * 37 + tower * 61) % 50)).map {
          UInt8(truncatingIfNeeded: pair * 3 + tower * 5 + $0)
        }
      }
    }
    labels = (0..<count).map { Int32($0 % 2) }
  }

  func withParts<Result>(
    at position: Int, _ body: ([UnsafeBufferPointer<UInt8>]) throws -> Result
  ) throws -> Result {
    try documents[position][0].withUnsafeBufferPointer { one in
      try documents[position][1].withUnsafeBufferPointer { other in try body([one, other]) }
    }
  }

  func withSymbols<Result>(
    at position: Int, _ body: (UnsafeBufferPointer<UInt8>) throws -> Result
  ) throws -> Result {
    try withParts(at: position) { try body($0[0]) }
  }
}

@Suite struct PairLoaderTests {
  private func recipe() -> Recipe {
    var recipe = TinyRun.recipe
    recipe.task = "retrieval"
    return recipe
  }

  @Test("rows are first documents, then second ones, each cut and padded, sorted by the longer")
  func rows() throws {
    let source = MemoryPairs(count: 60)
    var recipe = recipe()
    recipe.data.maxLength = 30
    let loader = try Loader(training: source, recipe)
    for _ in 0..<20 {
      let batch = try #require(try loader.next())
      #expect(batch.towers == 2)
      #expect(batch.labels == batch.positions.map { source.labels[$0] })
      #expect(batch.lengths.count == 2 * batch.count)
      #expect(batch.tokens.count == 2 * batch.count * batch.length)
      #expect(batch.length == Int(batch.lengths.max() ?? 0) && batch.length <= 30)
      let longer = batch.positions.map { source.lengths[$0] }
      #expect(longer == longer.sorted())
      for (example, position) in batch.positions.enumerated() {
        for tower in 0..<2 {
          let row = tower * batch.count + example
          let ids = source.documents[position][tower].prefix(30).map { Int32($0) + 1 }
          #expect(batch.lengths[row] == Int32(ids.count))
          let start = row * batch.length
          #expect(Array(batch.tokens[start..<start + ids.count]) == ids)
          #expect(batch.tokens[(start + ids.count)..<(start + batch.length)].allSatisfy { $0 == 0 })
        }
      }
    }
    #expect(loader.memoryBound == 2 * 6 * 8 * (30 * 4 + 16))
  }

  @Test("ranks share pairs, not rows", arguments: [2, 3])
  func ranks(world: Int) throws {
    let source = MemoryPairs(count: 60)
    let whole = try Loader(training: source, recipe())
    let shares = try (0..<world).map {
      try Loader(training: source, recipe(), share: .init(rank: $0, world: world))
    }
    for _ in 0..<8 {
      let batch = try #require(try whole.next())
      let parts = try shares.map { try #require(try $0.next()) }
      for (example, position) in batch.positions.enumerated() {
        let part = parts[example % world]
        let place = example / world
        #expect(part.positions[place] == position && part.globalCount == batch.count)
        for tower in 0..<2 {
          #expect(
            part.lengths[tower * part.count + place]
              == batch.lengths[tower * batch.count + example])
        }
      }
    }
  }

  @Test(
    "logits of a part of a batch are those of its pairs in the whole, and an empty text is no harm")
  func parts() throws {
    _ = try Engine.start(threads: 2)
    let source = MemoryPairs(count: 51)
    #expect(source.documents.contains { $0.contains([]) })
    for interaction in ModelConfiguration.Interaction.allCases {
      var recipe = recipe()
      recipe.model.interaction = interaction
      let runner = try ModelRunner(recipe, device: .cpu)
      for training in [false, true] {
        let batch = try Batch(
          1, of: Array(0..<51), from: source, maxLength: 48, globalCount: 51)
        let whole = try runner.measured(batch, examples: 0..<51, step: 1, training: training).logits
          .floats()
        #expect(whole.count == 102 && whole.allSatisfy(\.isFinite))
        for range in [0..<1, 0..<20, 20..<51, 50..<51] {
          let part = try runner.measured(batch, examples: range, step: 1, training: training).logits
            .floats()
          let expected = Array(whole[(2 * range.lowerBound)..<(2 * range.upperBound)])
          let difference = zip(part, expected).map { abs($0 - $1) }.max() ?? .infinity
          #expect(part.count == expected.count && difference < 1e-5)
        }
      }
    }
  }

  @Test("both documents of a pair draw their dropout apart")
  func dropout() throws {
    _ = try Engine.start(threads: 2)
    var recipe = recipe()
    recipe.model.interaction = .nli
    recipe.model.dropoutRate = 0.5
    let runner = try ModelRunner(recipe, device: .cpu)
    let tokens = [Int32](repeating: 7, count: 2 * 20)
    let batch = Batch(
      number: 1, positions: [4], towers: 2, tokens: tokens, lengths: [20, 20], labels: [0],
      length: 20, globalCount: 1)
    let swapped = Batch(
      number: 1, positions: [5], towers: 2, tokens: tokens, lengths: [20, 20], labels: [0],
      length: 20, globalCount: 1)
    let evaluated = try runner.measured(batch, examples: 0..<1, step: 1, training: false).logits
      .floats()
    #expect(
      try evaluated
        == runner.measured(swapped, examples: 0..<1, step: 1, training: false).logits.floats())
    let one = try runner.measured(batch, examples: 0..<1, step: 1, training: true).logits.floats()
    #expect(
      try one == runner.measured(batch, examples: 0..<1, step: 1, training: true).logits.floats())
    #expect(
      try one != runner.measured(swapped, examples: 0..<1, step: 1, training: true).logits.floats())
  }
}
