import Testing

@testable import Datasets
@testable import Train

@Suite("accuracy by depth, length and touching targets")
struct StrataTests {
  @Test("every example counts once per kind, and right ones are counted where they belong")
  func listOps() throws {
    let folder = try TemporaryFolder()
    let database = folder.file("data.sqlite")
    _ = try DatasetStore(at: database).generate(
      ListOpsConfiguration(minLength: 8, maxLength: 96, maxDepth: 5, maxArgs: 4), name: "tiny",
      seed: 0, splits: SplitSize.standard(train: 1, validation: 200, test: 1))
    let split = try DatasetStore(at: database).open(dataset: "tiny", split: "validation")
    var right = RightPredictions(split)
    // Right exactly on the examples of depth 2.
    for position in 0..<split.count {
      let depth = try split.withSymbols(at: position) { ListOpsShape($0).depth }
      var logits = [Float](repeating: 0, count: 10)
      logits[(Int(split.labels[position]) + (depth == 2 ? 0 : 1)) % 10] = 1
      right.add([position], logits)
    }
    let strata = try #require(try right.strata())
    for kind in ["depth", "length"] {
      #expect(strata.filter { $0.by == kind }.reduce(0) { $0 + $1.n } == split.count)
    }
    let depths = strata.filter { $0.by == "depth" }
    #expect(depths.count > 1)
    #expect(depths.allSatisfy { $0.accuracy == ($0.from == 2 ? 1 : 0) && $0.from == $0.through })
    let lengths = strata.filter { $0.by == "length" }
    #expect(lengths.count > 1)
    let width = RightPredictions.roundWidth(Int(split.lengths.max() ?? 0) / 4)
    for stratum in lengths {
      let own = split.lengths.count { (stratum.from...stratum.through).contains(Int($0)) }
      #expect(own == stratum.n && stratum.through - stratum.from == width - 1)
    }
  }

  @Test("touching targets are told apart by the meta of an image")
  func touching() throws {
    #expect(TaskDescription.touching("{\"origin_x\":1,\"touching\":1}") == 1)
    #expect(TaskDescription.touching("{\"origin_x\":1,\"touching\":0}") == 0)
    #expect(TaskDescription.touching("{\"origin_x\":1}") == nil)
    #expect(TaskDescription.touching(nil) == nil)
    let folder = try TemporaryFolder()
    let database = folder.file("data.sqlite")
    var configuration = PathfinderConfiguration()
    configuration.size = 32
    _ = try DatasetStore(at: database).generate(
      configuration, name: "tiny", seed: 0,
      splits: SplitSize.standard(train: 0, validation: 0, test: 40))
    let split = try DatasetStore(at: database).open(dataset: "tiny", split: "test")
    var right = RightPredictions(split)
    right.add(Array(0..<40), (0..<40).flatMap { _ in [Float(0), 1] })
    let strata = try #require(try right.strata())
    #expect(strata.allSatisfy { $0.by == "touching" })
    #expect(strata.reduce(0) { $0 + $1.n } == 40)
    let ones = split.labels.count { $0 == 1 }
    let correct = strata.reduce(0.0) { $0 + $1.accuracy * Double($1.n) }
    #expect(Int(correct.rounded()) == ones)
  }

  @Test(
    "widths are 1, 2 or 5 times a power of ten", arguments: [(0, 1), (3, 5), (12, 20), (499, 500)])
  func widths(least: Int, width: Int) {
    #expect(RightPredictions.roundWidth(least) == width)
  }
}
