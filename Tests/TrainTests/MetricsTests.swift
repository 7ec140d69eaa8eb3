import Foundation
import Testing

@testable import Datasets
@testable import Train

@Suite struct MetricsTests {
  @Test(
    "the Wilson interval has the published values",
    arguments: [
      (0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0),
      (81, 263, 0.2553, 0.3662),
    ])
  func wilson(correct: Int, count: Int, low: Double, high: Double) {
    let interval = Accuracy(correct: correct, count: count).interval
    #expect(abs(interval.lowerBound - low) < 5e-5 && abs(interval.upperBound - high) < 5e-5)
  }

  @Test("no predictions have accuracy 0 and the whole interval")
  func none() {
    #expect(Accuracy().value == 0 && Accuracy().interval == 0...1)
    #expect(Accuracy(predicted: [1, 2, 3], labels: [1, 0, 3]) == Accuracy(correct: 2, count: 3))
  }
}

@Suite struct RunTableTests {
  @Test("a run is written with its evaluations in place of what was there")
  func runs() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("data.sqlite")
    _ = try Index(at: path, .create)
    let table = RunTable(at: path)
    let recipe = Recipe()
    var run = RunRecord(
      name: "a", dataset: "listops-2k", contentDigest: [1, 2], recipe: recipe.yaml,
      recipeSHA256: [UInt8](recipe.digest), seed: 0, machine: "cpu", state: .running, path: "runs/a"
    )
    try table.write(run, [])
    #expect(try table.runs() == [run])
    func row(_ step: Int, _ name: String, _ value: Double) -> MetricRecord {
      MetricRecord(step: step, split: "validation", name: name, value: value)
    }
    let rows = [250, 500, 750].flatMap { [row($0, "loss", 1.5), row($0, "accuracy", .nan)] }
    try table.write(run, rows + [row(500, "loss", 1.25)])
    run.machine = "another"
    run.state = .finished
    try table.write(run, try table.metrics(of: "a").filter { $0.step <= 500 })
    #expect(try table.runs() == [run])
    #expect(
      try table.metrics(of: "a") == [
        MetricRecord(step: 250, split: "validation", name: "accuracy", value: nil),
        MetricRecord(step: 250, split: "validation", name: "loss", value: 1.5),
        MetricRecord(step: 500, split: "validation", name: "accuracy", value: nil),
        MetricRecord(step: 500, split: "validation", name: "loss", value: 1.25),
      ])
  }
}
