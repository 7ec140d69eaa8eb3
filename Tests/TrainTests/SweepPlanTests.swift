import Datasets
import Testing

@testable import Train

@Suite("the plan of a sweep")
struct SweepPlanTests {
  @Test("a grid is the product of its axes, in their order")
  func points() throws {
    #expect(try Sweep.points(of: []) == [[]])
    #expect(
      try Sweep.points(of: ["a.b=1,2", "c.d=x, y"]) == [
        ["a.b=1", "c.d=x"], ["a.b=1", "c.d=y"], ["a.b=2", "c.d=x"], ["a.b=2", "c.d=y"],
      ])
    for wrong in ["a", "a=", "=1", "a=1,,2", "a=1,1"] {
      #expect(throws: TrainError.badGrid(wrong)) { try Sweep.points(of: [wrong]) }
    }
  }

  private func run(
    _ model: String, _ point: [String], _ seed: Int, _ validation: Double?, test: Double
  ) -> SweepRun {
    SweepRun(
      task: "listops", model: model, seed: seed, state: validation == nil ? .diverged : .finished,
      validation: validation, test: validation == nil ? nil : test, settings: point, run: "")
  }

  @Test("validation selects, as the mean over seeds; the test split has no say")
  func selection() {
    let runs = Sweep.selecting([
      run("a", ["r=1"], 0, 0.5, test: 0.9), run("a", ["r=1"], 1, 0.3, test: 0.9),
      run("a", ["r=2"], 0, 0.45, test: 0.1), run("a", ["r=2"], 1, 0.45, test: 0.1),
      run("b", ["r=1"], 0, nil, test: 0), run("b", ["r=2"], 0, 0.1, test: 0.1),
    ])
    #expect(runs.map(\.selected) == [false, false, true, true, false, true])
  }

  @Test("one seed of every model comes before the second seed of one")
  func order() throws {
    let folder = try TemporaryFolder()
    let database = folder.file("data.sqlite")
    try TinyRun.generate(at: database, seed: 0)
    var request = Sweep.Request(database: database)
    request.models = ["transformer", "fnet"]
    request.seeds = 2
    request.settings = ["train.num_train_steps=2"]
    request.out = folder.file("runs")
    let sweep = try Sweep(request)
    #expect(sweep.trials.map(\.seed) == [0, 0, 1, 1])
    #expect(sweep.trials.map(\.model) == ["transformer", "fnet", "transformer", "fnet"])
    #expect(Set(sweep.trials.map(\.folder.path)).count == 4)
    #expect(sweep.trialsPerModel == 2)
    #expect(sweep.trials.allSatisfy { $0.dataset == "tiny" && $0.recipe.data.maxLength == 48 })
    #expect(sweep.status().allSatisfy { $0.state == .waiting })
    #expect(sweep.withoutDataset == ["text", "retrieval", "image", "pathfinder", "pathx"])
  }

  @Test("a failure is kept in the folder and in the database, for this recipe only")
  func failure() throws {
    let folder = try TemporaryFolder()
    let database = folder.file("data.sqlite")
    try TinyRun.generate(at: database, seed: 0)
    var request = Sweep.Request(database: database)
    request.models = ["transformer"]
    request.out = folder.file("runs")
    let trial = try #require(try Sweep(request).trials.first)
    try trial.record(.failed, "out of luck", database: database, machine: "here")
    #expect(trial.status().state == .failed && trial.status().message == "out of luck")
    let rows = try RunTable(at: database).runs()
    #expect(rows.map(\.state) == [.failed] && rows.map(\.machine) == ["here"])
    let digest = try DatasetStore(at: database).datasets().first?.contentDigest
    #expect(rows.first.map { Digest.hex($0.contentDigest) } == digest)
    request.settings = ["train.num_train_steps=3"]
    #expect(try Sweep(request).trials.first?.status().state == .waiting)
  }
}
