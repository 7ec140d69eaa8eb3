import Attention
import Datasets
import Foundation
import Tensors
import Testing

@testable import Train

@Suite("a training run", .serialized)
struct TrainerTests {
  @Test("a batch in four parts gives the loss and the weights of the whole batch")
  func accumulate() throws {
    // A large eps, since Adam makes steps of rounding where the gradient is 0 (the bias of keys).
    let one = try TinyRun {
      $0.train.numTrainSteps = 4
      $0.optimizer.eps = 1e-3
    }
    let four = try TinyRun {
      $0.train.numTrainSteps = 4
      $0.optimizer.eps = 1e-3
      $0.train.accumulate = 4
    }
    try one.train()
    try four.train()
    for (a, b) in zip(try one.metrics(), try four.metrics()) {
      #expect(abs((a.loss ?? .nan) - (b.loss ?? .nan)) < 1e-6)
    }
    #expect(largestDifference(try one.weights(step: 4), try four.weights(step: 4)) < 1e-6)
  }

  @Test("blocks that are run again in the backward pass change no bit of a run")
  func recompute() throws {
    let kept = try TinyRun { $0.train.numTrainSteps = 4 }
    let again = try TinyRun {
      $0.train.numTrainSteps = 4
      $0.train.recompute = true
    }
    try kept.train()
    try again.train()
    #expect(try kept.metrics().map(\.loss) == again.metrics().map(\.loss))
    #expect(largestDifference(try kept.weights(step: 4), try again.weights(step: 4)) == 0)
    // Products in bfloat16 are so again in the backward pass.
    let runs = try [false, true].map { recompute in
      try TinyRun {
        $0.train.numTrainSteps = 4
        $0.train.precision = .bfloat16
        $0.train.recompute = recompute
      }
    }
    try runs.forEach { try $0.train() }
    #expect(try runs[0].metrics().map(\.loss) == runs[1].metrics().map(\.loss))
  }

  @Test("the best is the highest accuracy, then the lower loss, then the earlier step")
  func best() {
    let eval = Recipe.EvalPart()
    func found(_ correct: Int, _ loss: Double) -> Evaluation {
      var accuracy = Accuracy()
      (accuracy.correct, accuracy.count) = (correct, 10)
      return Evaluation(accuracy: accuracy, loss: loss)
    }
    let best = CheckpointState.Validation(step: 5, accuracy: 0.5, loss: 1)
    #expect(eval.prefers(found(0, 9), to: nil))
    #expect(eval.prefers(found(6, 9), to: best))
    #expect(!eval.prefers(found(4, 0.1), to: best))
    #expect(eval.prefers(found(5, 0.9), to: best))
    #expect(!eval.prefers(found(5, 1), to: best))
    #expect(!eval.prefers(found(5, 1.1), to: best))
    var byLoss = eval
    byLoss.select = .loss
    #expect(byLoss.prefers(found(4, 0.9), to: best))
    #expect(!byLoss.prefers(found(6, 1), to: best))
  }

  @Test("only the best and the last checkpoint stay, and the result names both")
  func pruning() throws {
    let run = try TinyRun { $0.eval.checkpointFreq = 1 }
    var best = 0
    var saved: [Int] = []
    let result = try run.trainer().run(report: { event in
      switch event {
      case .evaluated(let step, _, let isBest): if isBest { best = step }
      case .saved(let step):
        saved.append(step)
        let kept = Set([best, step].filter { $0 > 0 }).sorted()
        #expect((try? run.runFolder().checkpointSteps()) == kept)
      case .step: break
      case .rowsWait(let why): Issue.record("rows wait: \(why)")
      }
    })
    #expect(Set(saved) == Set(1...12))
    #expect(try run.runFolder().checkpointSteps() == Set([best, 12]).sorted())
    #expect(result.best.step == best && result.last.step == 12)
    let validations = try run.metrics().filter { $0.split == "validation" }
    #expect(validations.map(\.step) == [5, 10, 12])
    let highest = validations.compactMap(\.accuracy).max()
    #expect(result.best.validation == highest)
    var printed = result
    printed.validationMajority = nil
    #expect(RunResult.read(try run.runFolder()) == printed)
  }

  @Test("a run that diverges keeps its last good checkpoint and says so in the database")
  func diverged() throws {
    let run = try TinyRun {
      $0.eval.checkpointFreq = 1
      $0.optimizer.learningRate = 1e30
      $0.optimizer.eps = 1e-30
      $0.schedule.factors = "constant"
      $0.model.dropoutRate = 0
      $0.model.attentionDropoutRate = 0
    }
    let error = #expect(throws: TrainError.self) { try run.train() }
    #expect(error?.code == .diverged && error?.code.exitCode == 1)
    let step = try #require(error?.position)
    let path = try run.runFolder().path
    #expect(
      error?.message
        == "\(path) diverged: the loss of step \(step) is not a number; checkpoint of step "
        + "\(step - 1) is kept")
    #expect(try run.state() == .diverged)
    #expect(try run.runFolder().checkpointSteps().last == step - 1)
    #expect(throws: Never.self) { try Checkpoint.open(run.runFolder(), step: step - 1) }
    #expect(try run.metrics().last?.loss == nil)
  }

  @Test("a run that learns nothing ends on its plateau, which is told and saved")
  func plateau() throws {
    let run = try TinyRun {
      $0.optimizer.learningRate = 1e-12
      $0.train.numTrainSteps = 2
      $0.eval.numEvalExamples = 2  // of which a random model does not get both
    }
    let result = try run.train()
    #expect(result.state == .plateau)
    #expect(try run.state() == .plateau)
    #expect(
      result.plateau?.message.contains(
        #/ stayed on its plateau: best validation accuracy [0-9.]+ %, majority class [0-9.]+ %$/#
      ) == true)
    var finished = result
    finished.state = .finished
    #expect(finished.plateau == nil)
  }

  @Test("a folder in which another process trains is refused")
  func locked() throws {
    let run = try TinyRun()
    let first = try run.trainer()
    let error = #expect(throws: TrainError.self) { try run.trainer() }
    #expect(error?.code.exitCode == 6)
    #expect(error?.message == "\(first.folder.path) is in use by another process")
    withExtendedLifetime(first) {}
  }

  @Test("a run does not go on with other data")
  func otherData() throws {
    let run = try TinyRun()
    try run.train()
    let folder = run.folder.file("other")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
    let other = folder + "/data.sqlite"
    try TinyRun.generate(at: other, seed: 5)
    let error = #expect(throws: TrainError.self) { try run.trainer(database: other) }
    #expect(error?.code == .configurationDiffers && error?.code.exitCode == 7)
    let words = #/ was made with data [0-9a-f]{12}, but tiny is now [0-9a-f]{12}$/#
    #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
    let evaluated = #expect(throws: TrainError.self) {
      try Run(run.runFolder().path).evaluate(
        checkpoint: "last", split: "test", database: other, device: .cpu)
    }
    #expect(evaluated?.code == .configurationDiffers)
  }

  @Test("evaluation of the last checkpoint gives the numbers that training printed")
  func evaluation() throws {
    let run = try TinyRun()
    let result = try run.train()
    let report = try Run(run.runFolder().path).evaluate(
      checkpoint: "last", split: "test", database: run.database, device: .cpu)
    #expect(report.accuracy == result.last.test && report.loss == result.last.loss)
    #expect(report.n == 30 && report.step == 12 && report.ci95 == result.last.ci95)
    let error = #expect(throws: TrainError.self) {
      try Run(run.runFolder().path).checkpoint("7")
    }
    #expect(error?.code == .usage)
  }

  @Test("every parameter is of the kind that its name says")
  func decayGroups() throws {
    let run = try TinyRun()
    let kinds = Dictionary(
      grouping: try ModelRunner(run.recipe, device: .cpu).network.parameters,
      by: { $0.parameter.role }
    ).mapValues { Set($0.map(\.name)) }
    #expect(kinds[.embedding] == ["embed.token.weight", "embed.position.weight"])
    let norms = try #require(kinds[.norm])
    #expect(norms.allSatisfy { $0.contains("norm") } && norms.count == 10)
    #expect(try #require(kinds[.bias]).allSatisfy { $0.hasSuffix(".bias") })
    #expect(try #require(kinds[.weight]).allSatisfy { $0.hasSuffix(".weight") })
    #expect(kinds[.bias]?.count == kinds[.weight]?.count)
  }

  @Test("kinds without decay stay where they are when gradients are zero, the others shrink")
  func decay() throws {
    // With a gradient of zero the Adam part of the step is zero: what moves was decayed.
    for exempt in [["norm", "bias"], ["norm", "bias", "embedding"], []] {
      let run = try TinyRun {
        $0.optimizer.noDecay = exempt
        $0.optimizer.weightDecay = 0.5
        $0.optimizer.learningRate = 0.1
        $0.schedule.factors = "constant"
      }
      let runner = try ModelRunner(run.recipe, device: .cpu)
      let parameters = runner.network.parameters
      let updater = try Updater(runner)
      var sum = try Tensor.zeros([])
      for named in parameters { sum = try sum + (named.parameter.value * 0).sum() }
      try sum.backward()
      let before = try parameters.map { try $0.parameter.value.floats() }
      try updater.optimizer.step(learningRate: 0.1, beta1: nil)
      for (named, old) in zip(parameters, before) {
        let new = try named.parameter.value.floats()
        let isExempt = exempt.contains(named.parameter.role.rawValue)
        let expected = isExempt ? old : old.map { $0 * (1 - 0.05) }
        #expect(
          zip(new, expected).allSatisfy { abs($0 - $1) <= 1e-6 * abs($1) }, "\(named.name)")
      }
    }
  }

  @Test("bfloat16 trains and stays close to float32")
  func bfloat16() throws {
    let full = try TinyRun()
    let half = try TinyRun { $0.train.precision = .bfloat16 }
    try full.train()
    try half.train()
    let losses = zip(try full.metrics(), try half.metrics()).filter { $0.0.split == "train" }
    #expect(losses.count == 12)
    for (a, b) in losses {
      #expect(abs((a.loss ?? .nan) - (b.loss ?? .nan)) < 0.05, "\(a.step)")
    }
    #expect(losses.contains { $0.0.loss != $0.1.loss })
    #expect(largestDifference(try full.weights(step: 12), try half.weights(step: 12)) < 0.1)
  }
}
