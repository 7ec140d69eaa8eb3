import Datasets
import Foundation
import Tensors
import Testing

@testable import Attention
@testable import Train

@Suite("pruning", .serialized)
struct PruningTests {
  private func prune(
    _ recipe: inout Recipe, _ kind: Recipe.TrainPart.PruningKind, _ sparsity: Double,
    _ steps: ClosedRange<Int> = 2...8,
    every: Int = 2
  ) {
    recipe.train.pruning = kind
    recipe.train.pruningSparsity = sparsity
    (recipe.train.pruningBegin, recipe.train.pruningEnd) = (steps.lowerBound, steps.upperBound)
    recipe.train.pruningEvery = every
    recipe.optimizer.weightDecay = 0.1
    recipe.optimizer.gradClipNorm = 0.5
  }

  @Test("the share grows with the cube of what is left, and is renewed every so many steps")
  func schedule() {
    let pruning = Pruning(kind: .magnitude, sparsity: 0.8, begin: 100, end: 500, every: 100)
    let shares = [0, 100, 200, 300, 400, 500, 9000].map { pruning.sparsity(after: $0) }
    // 0.8 (1 - (1 - t)^3) at t = 0, 1/4, 1/2, 3/4, 1.
    let expected = [0, 0, 0.4625, 0.7, 0.7875, 0.8, 0.8]
    #expect(zip(shares, expected).allSatisfy { abs($0 - $1) < 1e-15 }, "\(shares)")
    #expect((0...600).filter { pruning.isDue(after: $0) } == [100, 200, 300, 400, 500])
    let odd = Pruning(kind: .heads, sparsity: 0.5, begin: 3, end: 10, every: 4)
    #expect((0...20).filter { odd.isDue(after: $0) } == [3, 7, 10])
    let once = Pruning(kind: .heads, sparsity: 0.5, begin: 4, end: 4, every: 4)
    #expect((0...20).filter { once.isDue(after: $0) } == [4] && once.sparsity(after: 4) == 0.5)
  }

  @Test("after every step exactly the asked share of every linear layer is 0, and stays so")
  func magnitude() throws {
    let run = try TinyRun { prune(&$0, .magnitude, 0.8, 2...9, every: 3) }
    let runner = try ModelRunner(run.recipe, device: .cpu)
    let updater = try Updater(runner)
    let pruner = try #require(updater.pruner)
    let data = try RunData(run.recipe, database: run.database)
    let loader = try Loader(training: data.train, run.recipe)
    defer { loader.stop() }
    var before: [String: [Float]] = [:]
    for step in 1...12 {
      let old = try values(runner)
      _ = try updater.update(#require(try loader.next()))
      let due = step == 9 ? 9 : step < 2 ? 0 : 2 + (step - 2) / 3 * 3
      let share = pruner.pruning.sparsity(after: step >= 9 ? 9 : due)
      let now = try values(runner)
      for named in runner.network.parameters where named.parameter.role != .buffer {
        let weights = try #require(now[named.name])
        let zeros = weights.count { $0 == 0 }
        guard named.isLinearWeight else {
          #expect(named.name.hasSuffix("bias") || zeros == 0, "\(named.name) has \(zeros)")
          continue
        }
        #expect(zeros == Int((share * Double(weights.count)).rounded()), "\(step) \(named.name)")
        // What is out stays out, and the smallest of the rest went (moved by one step).
        for (place, weight) in (before[named.name] ?? []).enumerated() where weight == 0 {
          #expect(weights[place] == 0)
        }
        let went = zip(try #require(old[named.name]), weights).filter { $1 == 0 && $0 != 0 }
        let stayed = weights.map(\.magnitude).filter { $0 > 0 }.min() ?? 0
        #expect(went.allSatisfy { $0.0.magnitude <= stayed + 0.01 })
      }
      before = now
    }
    let linear = runner.network.parameters.filter(\.isLinearWeight)
    #expect(linear.count == 2 * 6 + 2, "q, k, v, out, up, down of two layers, and the head's two")
    let moments = Dictionary(uniqueKeysWithValues: updater.optimizer.state)
    for named in linear {
      for kind in ["exp_avg", "exp_avg_sq"] {
        let moment = try #require(moments["\(named.name).\(kind)"]).floats()
        let weights = try #require(before[named.name])
        #expect(zip(weights, moment).allSatisfy { $0 != 0 || $1 == 0 }, "\(named.name)")
      }
    }
  }

  private func values(_ runner: ModelRunner) throws -> [String: [Float]] {
    try Dictionary(
      uniqueKeysWithValues: runner.network.parameters.map {
        ($0.name, try $0.parameter.value.floats())
      })
  }

  @Test("the tensors of a linear layer are masked whole or factored, in every precision")
  func factored() throws {
    for precision in [Recipe.TrainPart.Precision.float64, .bfloat16] {
      let run = try TinyRun {
        prune(&$0, .magnitude, 0.5)
        $0.model.lowRank = 3
        $0.train.precision = precision
      }
      try run.train()
      let weights = try run.weights(step: 12)
      for name in ["blocks.0.attn.q.u.weight", "blocks.1.mlp.up.v.weight", "head.out.weight"] {
        let values = try #require(weights[name])
        #expect(values.count { $0 == 0 } == (values.count + 1) / 2, "\(precision) \(name)")
      }
    }
  }

  @Test("whole heads go, the weakest by the squares of their columns, and one stays in every layer")
  func heads() throws {
    let run = try TinyRun {
      prune(&$0, .heads, 0.5, 4...4)
      $0.model.numHeads = 4
      $0.optimizer.learningRate = 1e-12  // the heads that go are known before
    }
    let runner = try ModelRunner(run.recipe, device: .cpu)
    // Head h of layer l weighs more with h; those of layer 1 less than all of layer 0 but one.
    let scales: [[Float]] = [[0.05, 1, 2, 3], [0.1, 0.2, 0.3, 0.4]]
    var start = try values(runner)
    for layer in 0..<2 {
      let name = "blocks.\(layer).attn.out.weight"
      var weights = try #require(start[name])
      for place in weights.indices {
        weights[place] = scales[layer][place % 16 / 4] * (place % 2 == 0 ? 1 : -1)
      }
      start[name] = weights
      let named = try #require(runner.network.parameters.first { $0.name == name })
      try withoutGradient { try named.parameter.value.copy(from: .from(weights, [16, 16])) }
    }
    let updater = try Updater(runner)
    let data = try RunData(run.recipe, database: run.database)
    let loader = try Loader(training: data.train, run.recipe)
    defer { loader.stop() }
    for _ in 1...6 { _ = try updater.update(#require(try loader.next())) }
    // Head 0 of layer 0 and three of layer 1 are the weakest four of eight.
    let gone = [[true, false, false, false], [true, true, true, false]]
    let end = try values(runner)
    for layer in 0..<2 {
      for name in ["q", "k", "v", "out"] {
        let weights = try #require(end["blocks.\(layer).attn.\(name).weight"])
        for (place, weight) in weights.enumerated() {
          let feature = name == "out" ? place % 16 : place / 16
          #expect((weight == 0) == gone[layer][feature / 4], "\(layer) \(name) \(place)")
        }
      }
      let bias = try #require(end["blocks.\(layer).attn.out.bias"])
      #expect(bias.allSatisfy { $0 != 0 }, "the bias of out belongs to no head")
    }
  }

  @Test("a head that is out adds nothing: the model is that without it")
  func headless() throws {
    let run = try TinyRun { prune(&$0, .heads, 0.5, 1...1) }
    let runner = try ModelRunner(run.recipe, device: .cpu)
    let updater = try Updater(runner)
    let batch = Batch.drawn(1, run.recipe)
    _ = try updater.update(batch)
    let before = try runner.measured(batch, examples: 0..<8, step: 0, training: false)
    let heads = try #require(run.recipe.attentionLayers(runner.network.parameters).first)
    let zeros = try heads.out.parameter.value.floats().enumerated().filter { $0.element == 0 }
    let columns = Set(zeros.map { $0.offset % 16 })
    #expect(columns == Set(0..<8) || columns == Set(8..<16))
    // Whatever its queries, keys and values would be.
    for named in heads.byRow {
      let value = named.parameter.value
      var weights = try value.floats()
      let width = value.shape.count == 1 ? 1 : value.size(1)
      for place in weights.indices where columns.contains(place / width) { weights[place] = 7 }
      try withoutGradient { try value.copy(from: .from(weights, value.shape)) }
    }
    let after = try runner.measured(batch, examples: 0..<8, step: 0, training: false)
    #expect(try before.logits.floats() == after.logits.floats())
  }

  @Test(
    "interruptions before, between and after the masks change no loss, weight, moment or mask",
    arguments: Recipe.TrainPart.PruningKind.allCases)
  func resume(kind: Recipe.TrainPart.PruningKind) throws {
    let run = try TinyRun {
      prune(&$0, kind, 0.5, 2...7, every: 3)
      $0.train.accumulate = 2
    }
    let expected = try run.train(in: "whole")
    for call in [1, 2, 1, 3, 1, 5] {
      let cancel = CancelAt(call: call)
      #expect(throws: TrainError.self) { try run.trainer().run(isCancelled: cancel.ask) }
    }
    let result = try run.train()
    #expect(try run.metrics() == run.metrics("whole"))
    #expect(try run.tensors(step: 12) == run.tensors("whole", step: 12))
    #expect(result.best == expected.best)
    #expect(result.nonzeroParameters == expected.nonzeroParameters)
    let masks = try Safetensors.read(
      run.runFolder().checkpointPath(step: 12) + "/optimizer.safetensors")
    #expect(masks.keys.contains("blocks.0.attn.q.weight.mask"))
  }

  @Test(
    "the best checkpoint is a pruned one; the result, eval and predict are those of its weights")
  func result() throws {
    let run = try TinyRun {
      prune(&$0, .magnitude, 0.75, 1...10)
      $0.eval.evalFrequency = 2
    }
    let result = try run.train()
    #expect(result.best.step >= 10)
    let left = try #require(result.nonzeroParameters)
    let weights = try run.weights(step: result.best.step)
    #expect(left == weights.values.reduce(0) { $0 + $1.count { $0 != 0 } })
    let linear = try ModelRunner(run.recipe, device: .cpu).network.parameters
      .filter(\.isLinearWeight).reduce(0) { $0 + $1.parameter.value.count }
    #expect(result.parameters - left == linear * 3 / 4)
    let report = try Run(run.runFolder().path).evaluate(
      checkpoint: "best", split: "test", database: run.database, device: .cpu)
    #expect(report.accuracy == result.best.test && report.loss == result.best.loss)
    let log = try String(contentsOfFile: run.runFolder().logPath, encoding: .utf8)
    #expect(log.contains("\(left) of \(result.parameters) weights are not zero"))
    let plain = try TinyRun().train()
    #expect(plain.nonzeroParameters == nil)
  }

  @Test("a recipe without pruning has none of its keys; one with it fills in the steps")
  func recipe() throws {
    #expect(!Recipe().yaml.contains("pruning"))
    var request = RecipeRequest(task: "listops")
    request.settings = ["train.pruning=magnitude", "train.num_train_steps=1000"]
    let recipe = try request.resolve()
    let words =
      "pruning: magnitude, pruning_sparsity: 0.8, pruning_begin: 100, pruning_end: 600, "
      + "pruning_every: 5"
    #expect(recipe.yaml.contains(words), "\(recipe.yaml)")
    #expect(try Recipe(yaml: recipe.yaml) == recipe)
    request.settings += ["train.pruning_begin=1", "train.pruning_end=1"]
    let once = try request.resolve()
    #expect(once.train.pruningBegin == 1 && once.train.pruningEnd == 1)
    var again = RecipeRequest(task: "listops")
    again.settings = once.arguments.dropFirst(10).filter { $0 != "--set" }
    #expect(try again.resolve() == once)
  }

  @Test(
    "what cannot be pruned is said in words",
    arguments: [
      (
        ["train.pruning=magnitude", "train.pruning_sparsity=1"],
        "recipe key train.pruning_sparsity must be a number of at least 0 and below 1, found 1"
      ),
      (
        ["train.pruning=smallest"],
        "recipe key train.pruning must be one of none, magnitude, heads, found smallest"
      ),
      (
        ["train.pruning=heads", "train.pruning_every=0"],
        "recipe key train.pruning_every must be a whole number of at least 1, found 0"
      ),
      (
        ["train.pruning=magnitude", "train.pruning_begin=7", "train.pruning_end=6"],
        "train.pruning_begin = 7 is above train.pruning_end = 6"
      ),
      (
        ["train.pruning=magnitude", "train.pruning_end=5001"],
        "train.pruning_end = 5001 is above train.num_train_steps = 5000"
      ),
      (
        ["train.pruning=heads"],
        "train.pruning_sparsity = 0.8 takes out 3 of 4 heads in 2 layers; at least one, and one "
          + "stays in every layer"
      ),
      (
        ["train.pruning=heads", "model.model_type=fnet"],
        "train.pruning: heads: fnet has no heads with projections q, k, v and out"
      ),
      (
        ["train.pruning=heads", "model.low_rank=4"],
        "train.pruning: heads wants whole matrices, but model.low_rank = 4 factors them"
      ),
    ])
  func refused(settings: [String], message: String) throws {
    var request = RecipeRequest(task: "listops")
    request.settings = settings
    let error = #expect(throws: TrainError.self) { try request.resolve().check() }
    #expect(error?.message == message)
    #expect(error?.code == .usage)
  }

  @Test("heads can be taken out of every model that has the encoder's four whole projections")
  func models() throws {
    let without = mechanisms.map(\.name).filter { name in
      var request = RecipeRequest(task: "listops")
      request.model = name
      request.settings = ["train.pruning=heads", "train.pruning_sparsity=0.5"]
      return (try? request.resolve().check()) == nil
    }
    let gated = mixers.filter { $0.family.norms.contains(.batch) }.map(\.mechanism.name)
    #expect(
      without.filter { !gated.contains($0) } == [
        "reformer", "synthesizer", "fnet", "low_rank", "rwkv",
      ])
    #expect(gated.allSatisfy(without.contains))
  }
}
