import Datasets
import Foundation
import Testing

@testable import Train

@Suite struct LoaderDataTests {
  private func dataset(_ folder: borrowing TemporaryFolder) throws -> DatasetStore {
    let store = DatasetStore(at: folder.file("data.sqlite"))
    _ = try store.generate(
      ListOpsConfiguration(minLength: 16, maxLength: 64, maxDepth: 3, maxArgs: 5), name: "tiny",
      splits: SplitSize.standard(train: 300, validation: 50, test: 50))
    return store
  }

  private var recipe: Recipe {
    var recipe = Recipe()
    recipe.data.dataset = "tiny"
    recipe.data.maxLength = 64
    return recipe
  }

  @Test("batches of a generated dataset hold its symbols and labels")
  func generated() throws {
    let folder = try TemporaryFolder()
    let reader = try dataset(folder).open(dataset: "tiny", split: "train")
    let loader = try Loader(training: reader, recipe)
    for _ in 0..<20 {
      let batch = try #require(try loader.next())
      for (row, position) in batch.positions.enumerated() {
        let ids = try reader.withSymbols(at: position) { $0.map { Int32($0) + 1 } }
        let start = row * batch.length
        #expect(Array(batch.tokens[start..<start + ids.count]) == ids)
        #expect(ids.allSatisfy { (1...15).contains($0) })
        #expect(batch.labels[row] == reader.labels[position])
      }
    }
  }

  @Test(
    "a byte that changed on the disk stops the loader with the reader's sentence and exit code 4")
  func flippedByte() throws {
    let folder = try TemporaryFolder()
    let store = try dataset(folder)
    let reader = try store.open(dataset: "tiny", split: "train")
    let place = reader.place(of: 123)
    var bytes = try Data(contentsOf: URL(fileURLWithPath: store.file(place.shard)))
    bytes[place.offset + 2] ^= 1
    try bytes.write(to: URL(fileURLWithPath: store.file(place.shard)))
    let damaged = try store.open(dataset: "tiny", split: "train")
    let loader = try Loader(training: damaged, recipe)
    let error = #expect(throws: DatasetError.self) {
      while let batch = try loader.next() {
        if batch.number > 20 { break }
      }
    }
    #expect(error?.code.exitCode == 4 && error?.position == 123)
  }

  @Test("ListOps baselines lie where they are expected")
  func baselines() throws {
    let folder = try TemporaryFolder()
    let store = try dataset(folder)
    let train = try store.open(dataset: "tiny", split: "train")
    let test = try store.open(dataset: "tiny", split: "test")
    let rules = try Baselines(train).measure(on: test)
    #expect(rules.map(\.name) == ["majority", "first_token", "first_token_and_digits"])
    // Counted again with dictionaries: the most frequent class, and that of each first token.
    func first(_ reader: SplitReader, _ position: Int) throws -> UInt8 {
      try reader.withSymbols(at: position) { $0[0] }
    }
    func mostFrequent(_ labels: [Int32]) -> Int32? {
      let counts = Dictionary(grouping: labels) { $0 }.mapValues(\.count)
      return counts.max { ($0.value, -$0.key) < ($1.value, -$1.key) }?.key
    }
    let majority = mostFrequent(train.labels)
    let groups = try Dictionary(grouping: 0..<train.count) { try first(train, $0) }
    let table = groups.mapValues { mostFrequent($0.map { train.labels[$0] }) }
    let right = try (0..<test.count).filter {
      try (table[first(test, $0)] ?? majority) == test.labels[$0]
    }
    #expect(rules[0].accuracy == Double(test.labels.filter { $0 == majority }.count) / 50)
    #expect(rules[1].accuracy == Double(right.count) / 50)
    #expect(rules[1].accuracy > rules[0].accuracy)
  }
}
