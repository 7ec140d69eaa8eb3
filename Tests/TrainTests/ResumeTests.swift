import Foundation
import Testing

@testable import Train

@Suite("interrupted and resumed training", .serialized)
struct ResumeTests {
  @Test(
    "interruptions after steps and within evaluations change no loss and no weight",
    arguments: [[1], [3, 4], [7], [12, 9], [1, 1, 1, 2, 8, 3, 13]])
  func interrupted(calls: [Int]) throws {
    let run = try TinyRun()
    let expected = try run.train(in: "whole")
    var withinEvaluation = false
    for call in calls {
      let cancel = CancelAt(call: call)
      let trainer = try run.trainer()
      let error = #expect(throws: TrainError.self) { try trainer.run(isCancelled: cancel.ask) }
      #expect(error?.code == .interrupted)
      #expect(try run.state() == .interrupted)
      let last = try #require(try run.runFolder().checkpointSteps().last)
      #expect(error?.position == last)
      let state = try Checkpoint.open(run.runFolder(), step: last).state
      if last % 5 == 0 && (state.evaluated?.step ?? 0) < last { withinEvaluation = true }
    }
    if calls == [7] { #expect(withinEvaluation, "the seventh question is asked in an evaluation") }
    let result = try run.train()
    #expect(try run.metrics() == run.metrics("whole"))
    #expect(try run.tensors(step: 12) == run.tensors("whole", step: 12))
    #expect(result.best == expected.best)
    #expect(result.last == expected.last)
    #expect(try run.metrics().filter { $0.split == "train" }.map(\.step) == Array(1...12))
  }

  @Test("an interruption while the end is tested repeats no line")
  func atTheEnd() throws {
    // Weights that do not move tie all evaluations, so the best is the first and tested apart.
    let run = try TinyRun { $0.optimizer.learningRate = 1e-30 }
    try run.train(in: "whole")
    // 11 steps, three evaluations of 5 batches, then 4 batches for each test.
    for call in [11 + 15 + 6, 6] {
      let cancel = CancelAt(call: call)
      #expect(throws: TrainError.self) { try run.trainer().run(isCancelled: cancel.ask) }
      #expect(try run.metrics().contains { $0.split == "test" })
    }
    try run.train()
    #expect(try run.metrics() == run.metrics("whole"))
    #expect(try run.tensors(step: 12) == run.tensors("whole", step: 12))
  }

  @Test("a run that is made longer does the steps that a long run does")
  func longer() throws {
    // The schedule must not depend on the number of steps for this.
    let run = try TinyRun { $0.schedule.factors = "constant * linear_warmup" }
    try run.train()
    let longer = try Run(run.runFolder().path).extended(to: 20)
    let data = try RunData(longer.recipe, database: run.database)
    let result = try Trainer(longer.recipe, in: longer.folder, data: data, device: .cpu).run()
    #expect(result.step == 20)
    let whole = try TinyRun {
      $0.schedule.factors = "constant * linear_warmup"
      $0.train.numTrainSteps = 20
    }
    try whole.train()
    let losses = { (lines: [MetricsLine]) in
      lines.filter { $0.split == "train" }.map(\.loss)
    }
    #expect(
      try losses(MetricsLog.read(longer.folder.metricsPath)) == losses(whole.metrics()))
    let error = #expect(throws: TrainError.self) { try longer.extended(to: 20) }
    #expect(error?.message == "--steps 20: the run has done 20 steps already")
  }

  @Test("what a crash left of metrics, events and half a checkpoint does not stop a resume")
  func torn() throws {
    let run = try TinyRun()
    try run.train(in: "whole")
    let cancel = CancelAt(call: 20)
    #expect(throws: TrainError.self) { try run.trainer().run(isCancelled: cancel.ask) }
    let folder = try run.runFolder()
    for path in [folder.metricsPath, folder.eventsPath] {
      let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
      try (bytes + bytes.suffix(40).dropLast(7)).write(to: URL(fileURLWithPath: path))
    }
    let partial = folder.checkpointsPath + "/.step-00000012.77.partial"
    try FileManager.default.createDirectory(atPath: partial, withIntermediateDirectories: false)
    try run.train()
    #expect(try run.metrics() == run.metrics("whole"))
    #expect(try run.tensors(step: 12) == run.tensors("whole", step: 12))
    #expect(!FileManager.default.fileExists(atPath: partial))
  }
}
