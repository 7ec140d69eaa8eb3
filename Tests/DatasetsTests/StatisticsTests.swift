import Foundation
import Testing

@testable import Datasets

/// Sequences of any kind as a dataset.
private func dataset(
  _ store: DatasetStore, _ splits: [(name: String, examples: [(bytes: [UInt8], label: Int)])]
) throws {
  let sizes = splits.enumerated().map {
    SplitSize(name: $1.name, ordinal: $0, count: $1.examples.count)
  }
  let examples = Dictionary(uniqueKeysWithValues: splits.map { ($0.name, $0.examples) })
  let plan = GenerationPlan(
    name: "text", task: "text", config: "{}", seed: 0, generatorVersion: 1, splits: sizes,
    unit: "examples"
  ) { split, range, _ in
    var shard = ShardContent(first: range.lowerBound, capacity: 0)
    for position in range {
      let example = try #require(examples[split.name]?[position])
      example.bytes.withUnsafeBufferPointer { shard.append($0, label: example.label) }
    }
    return shard
  }
  _ = try Generation(plan, in: store, Small.options(2, 50)).run()
}

private func accuracy(_ statistics: DatasetStatistics, _ split: Int, _ rule: String) throws
  -> Double
{
  try #require(statistics.splits[split].baselines.first { $0.name == rule }).accuracy
}

@Suite("statistics of datasets")
struct StatisticsTests {
  @Test("bag of tokens is multinomial naive Bayes with add-one smoothing")
  func bagOfTokens() throws {
    var random = TestRandom(seed: 1)
    // Three classes that differ in how often they use which of 20 symbols.
    func examples(_ count: Int) -> [(bytes: [UInt8], label: Int)] {
      (0..<count).map { _ in
        let label = Int(random.next() % 3)
        let bytes = (0..<Int(random.next() % 30)).map { _ in
          UInt8(random.next() % 20 * (random.next() % 4 == 0 ? UInt64(label) : 1) % 20)
        }
        return (bytes, label)
      }
    }
    let (train, test) = (examples(300), examples(120))
    let folder = try TemporaryFolder()
    try dataset(folder.store, [("train", train), ("test", test)])
    let statistics = try folder.store.statistics(of: "text")

    // The textbook, with logarithms of floating point numbers.
    func predict(_ bytes: [UInt8]) -> Int {
      let scores = (0..<3).map { label -> Double in
        let own = train.filter { $0.label == label }
        let symbols = own.flatMap(\.bytes)
        var score = log(Double(1 + own.count) / Double(3 + train.count))
        for byte in bytes {
          let count = symbols.count { $0 == byte }
          score += log(Double(1 + count) / Double(256 + symbols.count))
        }
        return score
      }
      return scores.indices.max { scores[$0] < scores[$1] } ?? -1
    }
    let right = test.count { predict($0.bytes) == $0.label }
    #expect(try accuracy(statistics, 1, "bag_of_tokens") == Double(right) / 120)
    #expect(right > 50)
  }

  @Test("with two classes a rule on one number is the best of all thresholds")
  func threshold() {
    var random = TestRandom(seed: 2)
    for _ in 0..<50 {
      let count = Int(random.next() % 30) + 2
      var examples = (0..<count).map { _ in
        (value: Int(random.next() % 12), label: Int32(random.next() % 2))
      }
      examples[0].label = 3
      examples = examples.map { ($0.value, $0.label == 0 ? 3 : 7) }
      guard Set(examples.map(\.label)).count == 2 else { continue }
      let rule = ScalarRule(examples)
      let right = examples.count { rule.label(of: $0.value) == $0.label }
      let best = (-1..<12).map { limit in
        let below = examples.count { ($0.value <= limit) == ($0.label == 3) }
        return max(below, count - below)
      }.max()
      #expect(right == best)
    }
  }

  @Test("with more classes it is the nearest mean")
  func nearest() {
    let rule = ScalarRule([(0, 0), (2, 0), (10, 1), (12, 1), (30, 4), (30, 4)])
    #expect([-5, 5, 6, 7, 20, 21, 99].map(rule.label(of:)) == [0, 0, 0, 1, 1, 4, 4])
  }

  @Test("images have ink and markers, and a rule on the distance of the markers works")
  func images() throws {
    let folder = try TemporaryFolder()
    _ = try folder.store.generate(
      PathfinderConfiguration(size: 32, difficulty: .easy), name: "p",
      splits: SplitSize.standard(train: 300, validation: 0, test: 100),
      options: Small.options(2, 100))
    let statistics = try folder.store.statistics(of: "p")
    let names = ["majority", "bag_of_tokens", "mean_ink", "marker_distance"]
    #expect(statistics.splits.map { $0.baselines.map(\.name) } == [names, names])
    #expect(statistics.nearDuplicatesAcrossSplits == nil)

    // By hand, from what show prints.
    let reader = try folder.store.open(dataset: "p", split: "train")
    var examples: [(value: Int, label: Int32)] = []
    for position in 0..<reader.count {
      let meta = try #require(reader.meta(at: position))
      let object = try JSONSerialization.jsonObject(with: Data(meta.utf8)) as? [String: Int]
      let place = try #require(object)
      let y = (place["origin_y"] ?? 0) - (place["terminal_y"] ?? 0)
      let x = (place["origin_x"] ?? 0) - (place["terminal_x"] ?? 0)
      examples.append((y * y + x * x, reader.labels[position]))
    }
    let rule = ScalarRule(examples)
    let right = examples.count { rule.label(of: $0.value) == $0.label }
    #expect(try accuracy(statistics, 0, "marker_distance") == Double(right) / 300)
    #expect(right > 150)
  }

  @Test("near-duplicates are the pairs whose sets of 8-symbol runs have Jaccard 0.8 or more")
  func nearDuplicates() throws {
    var random = TestRandom(seed: 3)
    var texts: [[UInt8]] = []
    for number in 0..<400 {
      if number % 3 > 0, let base = texts.last {
        // A copy with some bytes changed: similarities on both sides of the threshold.
        var copy = base
        for _ in 0..<Int(random.next() % 9) where !copy.isEmpty {
          copy[Int(random.next() % UInt64(copy.count))] = UInt8(random.next() % 256)
        }
        texts.append(copy)
      } else {
        texts.append((0..<Int(random.next() % 500)).map { _ in UInt8(random.next() % 30) })
      }
    }
    let examples = texts.map { (bytes: $0, label: 0) }
    let folder = try TemporaryFolder()
    try dataset(
      folder.store,
      [("train", Array(examples[..<220])), ("test", Array(examples[220...]))])
    let statistics = try folder.store.statistics(of: "text")

    // Every pair, with sets of arrays.
    let sets = texts.map { text -> Set<[UInt8]> in
      text.count < 8 ? [text] : Set((0...(text.count - 8)).map { Array(text[$0..<($0 + 8)]) })
    }
    var within = [0, 0]
    var across = 0
    for number in texts.indices {
      func nearly(_ range: Range<Int>) -> Bool {
        range.contains { earlier in
          let common = sets[earlier].intersection(sets[number]).count
          return Double(common)
            / Double(sets[earlier].count + sets[number].count - common) >= 0.8
        }
      }
      if number < 220 {
        within[0] += nearly(0..<number) ? 1 : 0
      } else {
        within[1] += nearly(220..<number) ? 1 : 0
        across += nearly(0..<220) ? 1 : 0
      }
    }
    #expect(statistics.splits.map(\.nearDuplicates) == within)
    #expect(statistics.nearDuplicatesAcrossSplits == across)
    #expect(within[0] > 40 && within[0] < 140)
  }
}

/// Small numbers for tests: SplitMix64.
private struct TestRandom {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var bits = state
    bits = (bits ^ bits >> 30) &* 0xBF58_476D_1CE4_E5B9
    bits = (bits ^ bits >> 27) &* 0x94D0_49BB_1331_11EB
    return (bits ^ bits >> 31) >> 8
  }
}
