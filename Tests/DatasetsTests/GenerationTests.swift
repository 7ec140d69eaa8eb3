import Foundation
import Testing

@testable import Datasets

/// A folder of its own, removed with the value.
final class TemporaryFolder: Sendable {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "lra-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  var store: DatasetStore { DatasetStore(at: path + "/data.sqlite") }

  /// Writes a file and the folders that it needs; its path.
  @discardableResult
  func write(_ name: String, _ bytes: some Sequence<UInt8>) throws -> String {
    let file = "\(path)/\(name)"
    try FileManager.default.createDirectory(
      atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try Data(bytes).write(to: URL(fileURLWithPath: file))
    return file
  }

  /// Writes a text; its path.
  @discardableResult
  func write(_ name: String, _ text: String) throws -> String { try write(name, text.utf8) }

  /// Files under the folder, by relative path.
  func files() throws -> [String: Data] {
    var files: [String: Data] = [:]
    for name in try FileManager.default.subpathsOfDirectory(atPath: path) {
      if let data = FileManager.default.contents(atPath: path + "/" + name) { files[name] = data }
    }
    return files
  }
}

/// A small task: length 64, three splits over several shards.
enum Small {
  static let configuration = ListOpsConfiguration(
    minLength: 16, maxLength: 64, maxDepth: 4, maxArgs: 5)
  static let splits = SplitSize.standard(train: 70, validation: 20, test: 30)

  static func options(_ threads: Int = 2, _ shardExamples: Int = 16) -> GenerationOptions {
    var options = GenerationOptions()
    options.threads = threads
    options.shardExamples = shardExamples
    return options
  }

  @discardableResult
  static func make(
    _ store: DatasetStore, seed: Int = 0, splits: [SplitSize] = Small.splits,
    _ options: GenerationOptions = Small.options()
  ) throws -> GenerationResult {
    try store.generate(
      configuration, name: "small", seed: seed, splits: splits, options: options)
  }

  static func error(_ body: () throws -> some Any) -> DatasetError? {
    do {
      _ = try body()
      return nil
    } catch {
      return error as? DatasetError
    }
  }
}

@Suite struct GenerationTests {
  @Test("the published dataset reads back as the naive reference, and its digest is the naive one")
  func readsBack() throws {
    let folder = try TemporaryFolder()
    let result = try Small.make(folder.store)
    let reference = NaiveListOps(Small.configuration, seed: 0)
    var splitDigests: [(name: String, digest: [UInt8])] = []
    var tokens = 0
    for split in Small.splits {
      let reader = try folder.store.open(dataset: "small", split: split.name)
      #expect(reader.count == split.count)
      var leaves: [UInt8] = []
      for position in 0..<split.count {
        let expected = reference.example(split: split.ordinal, position: position)
        let symbols = try reader.withSymbols(at: position) { Array($0) }
        #expect(symbols == expected.symbols)
        #expect(reader.labels[position] == Int32(expected.value))
        #expect(reader.lengths[position] == Int32(expected.symbols.count))
        tokens += symbols.count
        leaves += expected.symbols.withUnsafeBufferPointer {
          Array(Digest.leaf(position: position, label: expected.value, parts: [$0]))
        }
      }
      splitDigests.append((split.name, Digest.split(name: split.name, leaves: [leaves])))
    }
    #expect(
      result.contentDigest
        == Digest.hex(Digest.dataset(task: "listops", splits: splitDigests)))
    #expect(result.state == .made)
    #expect(result.tokens == tokens)
    #expect(result.shards == 9)
    #expect(result.bytes == tokens + 9 * 128)
    let datasets = try folder.store.datasets()
    #expect(datasets.map(\.complete) == [true])
  }

  @Test("threads and shard sizes change no content", arguments: [1, 2, 8], [1, 7, 64, 4096])
  func invariance(threads: Int, shardExamples: Int) throws {
    let folder = try TemporaryFolder()
    let other = try TemporaryFolder()
    let one = try Small.make(folder.store, Small.options(1, 16))
    let two = try Small.make(other.store, Small.options(threads, shardExamples))
    #expect(one.contentDigest == two.contentDigest)
    #expect(one.tokens == two.tokens)
  }

  @Test("a larger split begins with the smaller one")
  func prefix() throws {
    let folder = try TemporaryFolder()
    let other = try TemporaryFolder()
    try Small.make(folder.store)
    try Small.make(
      other.store, splits: SplitSize.standard(train: 0, validation: 5, test: 100))
    let small = try folder.store.open(dataset: "small", split: "test")
    let large = try other.store.open(dataset: "small", split: "test")
    let datasets = try other.store.datasets()
    #expect(datasets[0].splits.map(\.name) == ["validation", "test"])
    for position in 0..<small.count {
      let one = try small.withSymbols(at: position) { Array($0) }
      let two = try large.withSymbols(at: position) { Array($0) }
      #expect(one == two)
    }
  }

  @Test("a complete dataset is left alone")
  func complete() throws {
    let folder = try TemporaryFolder()
    let first = try Small.make(folder.store)
    let before = try folder.files()
    let second = try Small.make(folder.store)
    #expect(second.state == .complete)
    #expect(second.contentDigest == first.contentDigest)
    #expect(second.tokens == first.tokens)
    let after = try folder.files()
    #expect(after == before)
  }

  @Test("interrupted at any shard, it resumes to identical files", arguments: 0..<10)
  func resume(shards: Int) throws {
    let reference = try TemporaryFolder()
    try Small.make(reference.store, Small.options(1))
    let folder = try TemporaryFolder()
    var options = Small.options(2)
    let cancellation = options.cancellation
    let done = Guarded<[String: Int]>([:])
    options.shardExamples = 16
    options.progress = { progress in
      let total = done.withLock {
        $0[progress.split] = progress.done
        return $0.values.reduce(0, +)
      }
      if total >= shards * 14 { cancellation.cancel() }
    }
    let error = Small.error { try Small.make(folder.store, options) }
    if shards == 0 { #expect(error?.code == .interrupted) }
    if let error {
      #expect(error.code == .interrupted)
      #expect(error.message.contains(" of 120 examples are safe in "))
      #expect(
        Small.error { try folder.store.open(dataset: "small", split: "train") }?.code == .failure)
    }
    try Data(NpyHeader.header(count: 5).prefix(90)).write(
      to: URL(fileURLWithPath: folder.path + "/data/small/.train-00000.npy.1-a.partial"))
    let result = try Small.make(folder.store, Small.options(2))
    #expect(result.state != .complete || error == nil)
    var one = try reference.files()
    var two = try folder.files()
    for name in ["data.sqlite", "data.sqlite.lock"] {
      one[name] = nil
      two[name] = nil
    }
    if error == nil { two["data/small/.train-00000.npy.1-a.partial"] = nil }
    #expect(one == two)
    let (expected, found) = (try reference.store.datasets(), try folder.store.datasets())
    #expect(expected == found)
  }

  @Test("another configuration under the same name is refused")
  func differs() throws {
    let folder = try TemporaryFolder()
    let path = folder.store.path
    try Small.make(folder.store)
    let seed = Small.error { try Small.make(folder.store, seed: 1) }
    #expect(seed?.code == .configurationDiffers)
    #expect(seed?.message == "\(path) holds small with seed 0; this asks for seed 1")
    #expect(seed?.next == "use another name (--name small-s1) or another database")
    let size = Small.error {
      try Small.make(
        folder.store, splits: SplitSize.standard(train: 70, validation: 20, test: 2000))
    }
    #expect(size?.message == "\(path) holds small with test 30; this asks for test 2 000")
    let shard = Small.error { try Small.make(folder.store, Small.options(1, 32)) }
    #expect(
      shard?.message
        == "\(path) holds small with 16 examples per shard; this asks for 32 examples per shard")
    let depth = Small.error {
      try folder.store.generate(
        ListOpsConfiguration(minLength: 16, maxLength: 64, maxDepth: 5, maxArgs: 5), name: "small",
        splits: Small.splits, options: Small.options())
    }
    #expect(depth?.message == "\(path) holds small with max_depth 4; this asks for max_depth 5")
  }

  @Test("a second writer is told who holds the lock")
  func lock() throws {
    let folder = try TemporaryFolder()
    let lock = try WriterLock(database: folder.store.path)
    let error = Small.error { try Small.make(folder.store) }
    #expect(error?.code == .locked)
    #expect(error?.message.contains("process \(getpid()) on ") == true)
    withExtendedLifetime(lock) {}
  }

  @Test("sizes, seeds and names that cannot be are refused")
  func refusals() throws {
    let folder = try TemporaryFolder()
    func code(_ name: String, _ seed: Int, _ splits: [SplitSize]) -> DatasetError.Code? {
      Small.error {
        try folder.store.generate(
          Small.configuration, name: name, seed: seed, splits: splits)
      }?.code
    }
    #expect(code("../x", 0, Small.splits) == .usage)
    #expect(code("small", -1, Small.splits) == .usage)
    #expect(code("small", 0, SplitSize.standard(train: 0, validation: 0, test: 0)) == .usage)
    let files = try folder.files()
    #expect(files.isEmpty)
  }

  @Test("the manifest holds identity, statistics and digests, and reads back")
  func manifest() throws {
    let folder = try TemporaryFolder()
    let result = try Small.make(folder.store)
    let manifest = try Manifest(of: "small", in: folder.store, threads: 2)
    #expect(manifest.contentDigest == result.contentDigest)
    #expect(manifest.splits.map(\.examples) == [70, 20, 30])
    #expect(manifest.splits.map(\.lengths.tokens).reduce(0, +) == result.tokens)
    #expect(manifest.splits[0].labels.values.reduce(0, +) == 70)
    #expect(manifest.shardExamples == 16)
    let json = try manifest.json
    let read = try Manifest(json: Data(json.utf8), path: "m.json")
    #expect(read == manifest)
    #expect(json.contains("\"max_args\" : 5"))
    var options = Small.options()
    options.expected = manifest
    let agreement = try Small.make(folder.store, options).manifestMatch
    #expect(agreement == true)
    options.expected?.contentDigest = ""
    let disagreement = try Small.make(folder.store, options).manifestMatch
    #expect(disagreement == false)
    let error = Small.error { try Manifest(json: Data("{\"schema\":1}".utf8), path: "m.json") }
    #expect(error?.code == .malformedInput)
    #expect(error?.message == "m.json is not a dataset manifest: tool is missing")
  }

  @Test("repeated examples are counted within and across splits")
  func duplicates() throws {
    let folder = try TemporaryFolder()
    _ = try folder.store.generate(
      ListOpsConfiguration(minLength: 0, maxLength: 2, maxDepth: 1, maxArgs: 2), name: "digits",
      splits: SplitSize.standard(train: 200, validation: 0, test: 30))
    let manifest = try Manifest(of: "digits", in: folder.store)
    #expect(manifest.splits.map(\.duplicates) == [190, 30 - manifest.splits[1].labels.count])
    #expect(manifest.duplicatesAcrossSplits == 30)
  }
}
