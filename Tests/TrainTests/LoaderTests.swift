import Datasets
import Foundation
import Testing

@testable import Train

@Suite struct BatchPlanTests {
  @Test(
    "an epoch holds every example once, in batches of the right size but one",
    arguments: [(1, 1), (5, 8), (64, 8), (100, 8), (1000, 7), (4097, 32)], [1, 4, 64])
  func epoch(sizes: (Int, Int), pool: Int) throws {
    let (count, batchSize) = sizes
    let lengths = MemorySource(count: count).lengths
    let plan = try BatchPlan(lengths: lengths, batchSize: batchSize, bucketBatches: pool, seed: 5)
    for epoch in 0..<2 {
      let first = epoch * plan.batchesPerEpoch + 1
      let batches = (0..<plan.batchesPerEpoch).map { plan.positions(ofStep: first + $0) }
      #expect(batches.flatMap { $0 }.sorted() == Array(0..<count))
      #expect(batches.filter { $0.count != batchSize }.count <= 1)
    }
  }

  @Test("a cursor that jumps gives the same batches as one that goes forward")
  func jumping() throws {
    let lengths = MemorySource(count: 500).lengths
    let plan = try BatchPlan(lengths: lengths, batchSize: 8, bucketBatches: 4, seed: 0)
    var cursor = BatchPlan.Cursor(plan)
    for step in 1...200 { #expect(cursor.positions(ofStep: step) == plan.positions(ofStep: step)) }
  }

  @Test("a pool brings examples of about equal length together and mixes short and long batches")
  func pools() throws {
    let lengths = MemorySource(count: 8192, longest: 2000).lengths
    let plan = try BatchPlan(lengths: lengths, batchSize: 32, bucketBatches: 64, seed: 0)
    var padded = 0
    var means: [Double] = []
    for step in 1...plan.batchesPerEpoch {
      let batch = plan.positions(ofStep: step).map { Int(lengths[$0]) }
      padded += (batch.max() ?? 0) * batch.count
      means.append(Double(batch.reduce(0, +)) / Double(batch.count))
    }
    let real = lengths.reduce(0) { $0 + Int($1) }
    #expect(Double(real) / Double(padded) > 0.95)
    let rises = zip(means, means.dropFirst()).filter { $0 < $1 }.count
    #expect((100...156).contains(rises))
  }

  @Test("the order is pinned, so that later versions repeat old runs")
  func pinned() throws {
    let lengths = MemorySource(count: 1000).lengths
    let plan = try BatchPlan(lengths: lengths, batchSize: 4, bucketBatches: 8, seed: 1)
    #expect(plan.positions(ofStep: 1) == [295, 294, 832, 284])
    #expect(plan.positions(ofStep: 300) == [406, 134, 491, 129])
  }

  @Test("an empty split is an error, not a crash")
  func empty() {
    #expect(throws: TrainError.emptySplit) {
      try BatchPlan(lengths: [], batchSize: 4, bucketBatches: 8, seed: 1)
    }
  }

  @Test("pools of one batch hold random examples, shortest first")
  func randomBatches() throws {
    let lengths = MemorySource(count: 400).lengths
    let plan = try BatchPlan(lengths: lengths, batchSize: 40, bucketBatches: 1, seed: 0)
    let batches = (1...10).map { plan.positions(ofStep: $0) }
    #expect(batches.joined().sorted() == Array(0..<400))
    for batch in batches {
      let own = batch.map { lengths[$0] }
      #expect(own == own.sorted())
      #expect((own.last ?? 0) - (own.first ?? 0) > 60, "of 1 to 90 symbols")
    }
  }

  @Test(
    "an evaluation takes a split, or always the same sample of it, by length, each example once",
    arguments: [nil, 1, 10, 37, 50])
  func evaluation(limit: Int?) {
    let lengths = MemorySource(count: 37).lengths
    let plan = EvaluationPlan(lengths: lengths, batchSize: 8, limit: limit)
    let order = (1...plan.batchCount).flatMap { plan.positions(ofBatch: $0) }
    #expect(order.count == min(limit ?? 37, 37) && Set(order).count == order.count)
    #expect(order.sorted() == EvaluationPlan.sample(limit, of: 37))
    #expect(order.map { lengths[$0] } == order.map { lengths[$0] }.sorted())
  }

  @Test("a sample of a split that is sorted by class has both classes in about equal shares")
  func sample() {
    let sample = EvaluationPlan.sample(400, of: 2500)
    let second = sample.count { $0 >= 1250 }
    #expect((150...250).contains(second) && sample == sample.sorted())
    #expect(EvaluationPlan.sample(100, of: 2500).allSatisfy(Set(sample).contains))
  }
}

@Suite struct LoaderTests {
  private func recipe(batchSize: Int = 8, maxLength: Int = 2000) -> Recipe {
    var recipe = Recipe()
    recipe.train.batchSize = batchSize
    recipe.data.bucketBatches = 4
    recipe.data.maxLength = maxLength
    return recipe
  }

  private func batches(
    _ source: MemorySource, _ recipe: Recipe, _ share: Loader.Share = .whole, from: Int = 1,
    count: Int
  ) throws -> [Batch] {
    let loader = try Loader(training: source, recipe, share: share, firstStep: from)
    defer { loader.stop() }
    return try (0..<count).compactMap { _ in try loader.next() }
  }

  @Test("tokens are stored symbols plus one, cut at the maximum and padded with 0")
  func tokens() throws {
    let source = MemorySource(count: 60)
    for batch in try batches(source, recipe(maxLength: 50), count: 20) {
      #expect(batch.length == Int(batch.lengths.max() ?? 0) && batch.length <= 50)
      #expect(batch.tokens.count == batch.count * batch.length)
      for (row, position) in batch.positions.enumerated() {
        let real = min(50, Int(source.lengths[position]))
        #expect(batch.lengths[row] == Int32(real))
        #expect(batch.labels[row] == source.labels[position])
        for column in 0..<batch.length {
          let expected =
            column < real ? Int32(MemorySource.symbol(position, column)) + 1 : 0
          #expect(batch.tokens[row * batch.length + column] == expected)
        }
      }
    }
  }

  @Test("a loader that resumes at any step gives the batches of one that never stopped")
  func resume() throws {
    let source = MemorySource(count: 83)
    let whole = try batches(source, recipe(), count: 40)
    #expect(whole.map(\.number) == Array(1...40))
    for step in 1...40 {
      let resumed = try batches(source, recipe(), from: step, count: 41 - step)
      #expect(resumed == Array(whole[(step - 1)...]))
    }
  }

  @Test("the shares of 1, 2 and 3 ranks are together the same batches", arguments: [1, 2, 3, 11])
  func ranks(world: Int) throws {
    let source = MemorySource(count: 83)
    let whole = try batches(source, recipe(), count: 25)
    let shares = try (0..<world).map {
      try batches(source, recipe(), .init(rank: $0, world: world), count: 25)
    }
    for (step, batch) in whole.enumerated() {
      var joined: [Int] = []
      for row in batch.positions.indices {
        let share = shares[row % world][step]
        joined.append(share.positions[row / world])
        #expect(share.globalCount == batch.count)
      }
      #expect(joined == batch.positions)
      #expect(shares.reduce(0) { $0 + $1[step].count } == batch.count)
    }
  }

  @Test("a damaged example stops the loader with the reader's error, after the batches before it")
  func damage() throws {
    let plan = try BatchPlan(
      lengths: MemorySource(count: 83).lengths, batchSize: 8, bucketBatches: 4, seed: 0)
    let source = MemorySource(count: 83, damaged: plan.positions(ofStep: 6)[2])
    let loader = try Loader(training: source, recipe())
    for step in 1...5 { #expect(try loader.next()?.number == step) }
    let error = #expect(throws: DatasetError.self) { try loader.next() }
    #expect(error?.code.exitCode == 4)
    #expect(throws: DatasetError.self) { try loader.next() }
  }

  @Test("an evaluation ends; its positions put predictions in order")
  func evaluation() throws {
    let source = MemorySource(count: 83)
    let loader = Loader(evaluating: source, recipe(), limit: 50)
    var seen: [Int] = []
    while let batch = try loader.next() { seen += batch.positions }
    #expect(seen.sorted() == EvaluationPlan.sample(50, of: 83))
    #expect(try loader.next() == nil)
  }

  @Test("not more batches are made ahead than the bound allows, and stopping ends the thread")
  func backPressure() throws {
    let made = Counter()
    let prefetcher = Prefetcher<Int>(depth: 3, name: "test") { made.increment() }
    #expect(try prefetcher.next() == 1)
    // The fourth value after the one taken may be under way only when one of three was taken.
    for expected in 2...50 {
      #expect(try prefetcher.next() == expected)
      #expect(made.value <= expected + 3 + 1)
    }
    prefetcher.stop()
    #expect(try prefetcher.next() == nil)
    #expect(
      Loader(evaluating: MemorySource(count: 83), recipe()).memoryBound == 6 * 8 * (90 * 4 + 16))
  }

  @Test("small batches and a batch per example of a one-example split work")
  func tiny() throws {
    let source = MemorySource(count: 1)
    let made = try batches(source, recipe(batchSize: 32), count: 3)
    #expect(made.map(\.positions) == [[0], [0], [0]])
  }
}

/// Counts from several threads.
final class Counter: @unchecked Sendable {
  private let lock = NSLock()
  private var count = 0
  var value: Int { lock.withLock { count } }
  func increment() -> Int {
    lock.withLock {
      count += 1
      return count
    }
  }
}
