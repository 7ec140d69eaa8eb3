import Foundation
import Tensors
import Testing

@testable import Datasets
@testable import Train

/// The parity of ones in a row of bits.
///
/// A task in three places: this generator, its description, and the line that adds it. A command
/// `lra-data gen parity` would be the fourth.
private struct Parity: GeneratorConfiguration {
  static let task = "parity"
  static let generatorVersion = 1
  static let unit = "rows"
  static let standardSplits = SplitSize.standard(train: 64, validation: 16, test: 16)

  var length = 12

  init(length: Int) { self.length = length }

  init?(parameters: [String: ParameterValue]) {
    guard case .integer(let length) = parameters["length"], parameters.count == 1 else {
      return nil
    }
    self.length = length
  }

  var parameters: [String: ParameterValue] { ["length": .integer(length)] }
  var datasetName: String { "parity-\(length)" }

  func validate() throws {
    if length < 1 {
      throw DatasetError.invalidParameter("--length is \(length), 1 or more allowed")
    }
  }

  func shardMaker(seed: Int) -> ShardMaker {
    let key = Datasets.RandomKey(
      task: Parity.task, generatorVersion: Parity.generatorVersion, parameters: canonicalJSON,
      seed: seed)
    return { split, range, step in
      var shard = ShardContent(first: range.lowerBound, capacity: range.count * length)
      for position in range {
        var random = key.stream(split: split.ordinal, position: position)
        let bits = (0..<length).map { _ in UInt8(random.below(2)) }
        bits.withUnsafeBufferPointer { shard.append($0, label: bits.reduce(0) { Int($1) ^ $0 }) }
        try step(1)
      }
      return shard
    }
  }
}

extension TaskDescription {
  fileprivate static let parity: TaskDescription = {
    var task = TaskDescription(Parity.task, title: "Parity", canonicalDataset: "parity-12")
    task.generator = Parity.self
    task.labels = .perExample(classes: 2)
    task.vocabularySize = 3
    task.greatestLength = { if case .integer(let length) = $0["length"] { length } else { nil } }
    task.rules = [BaselineRule("first_bit") { $0.first.map(Int.init) ?? -1 }]
    task.strata = [
      StratumRule("ones") { split, position in
        try split.withSymbols(at: position) { $0.count { $0 == 1 } }
      }
    ]
    return task
  }()
}

@Suite("a task of one's own in three places")
struct ToyTaskTests {
  init() { TaskDescription.add(.parity) }

  private func made(_ folder: borrowing TemporaryFolder) throws -> (DatasetStore, GenerationResult)
  {
    let store = DatasetStore(at: folder.file("data.sqlite"))
    return (store, try store.generate(Parity(length: 12)))
  }

  @Test("its data is made, verified, made again from its manifest, measured and removed")
  func data() throws {
    let folder = try TemporaryFolder()
    let (store, result) = try made(folder)
    #expect(result.dataset == "parity-12" && result.tokens == 96 * 12)
    let train = try store.open(dataset: "parity-12", split: "train")
    for position in 0..<train.count {
      let ones = try train.withSymbols(at: position) { $0.count { $0 == 1 } }
      #expect(Int(train.labels[position]) == ones % 2)
    }
    let manifest = try Manifest(of: "parity-12", in: store)
    let again = DatasetStore(at: folder.file("again.sqlite"))
    let built = try again.build(manifest, path: "parity-12.json")
    #expect(built.manifestMatch == true && built.contentDigest == result.contentDigest)
    let rules = try store.statistics(of: "parity-12").splits[0].baselines.map(\.name)
    #expect(rules.prefix(2) == ["majority", "first_bit"])
    #expect(throws: DatasetError.self) { try store.generate(Parity(length: 0)) }
  }

  @Test("its shards that are damaged are made again")
  func repair() throws {
    let folder = try TemporaryFolder()
    let (store, _) = try made(folder)
    let shard = folder.file("data/parity-12/train-00000.npy")
    var bytes = try #require(FileManager.default.contents(atPath: shard))
    bytes[bytes.count - 1] ^= 1
    try bytes.write(to: URL(fileURLWithPath: shard))
    var options = VerifyOptions()
    options.repair = true
    #expect(try store.verify([], options).datasets[0].repaired.count == 1)
    #expect(try store.verify().datasets[0].damaged.isEmpty)
  }

  @Test("it is trained with a default recipe, and accuracy is broken down by its own rule")
  func training() throws {
    let folder = try TemporaryFolder()
    let (store, _) = try made(folder)
    _ = try Engine.start(threads: 2)
    let (task, dataset) = try DatasetChoice.choose(from: store.path, task: nil, dataset: nil)
    var request = RecipeRequest(task: task)
    request.dataset = dataset
    request.settings = [
      "train.num_train_steps=3", "train.batch_size=8", "model.emb_dim=16", "model.qkv_dim=16",
    ]
    let recipe = try request.resolve()
    #expect(recipe.task == "parity" && recipe.data.maxLength == 12 && !recipe.isOwnTask)
    #expect(try Recipe(yaml: recipe.yaml) == recipe)
    let data = try RunData(recipe, database: store.path)
    let (run, _) = try RunFolder.make(for: recipe, under: folder.file("runs"))
    let result = try Trainer(recipe, in: run, data: data, device: .cpu).run()
    #expect(result.step == 3)
    let strata = try #require(result.strata)
    #expect(Set(strata.map(\.by)) == ["ones"])
  }
}
