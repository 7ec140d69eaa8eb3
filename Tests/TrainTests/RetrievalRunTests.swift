import Datasets
import Foundation
import Tensors
import Testing

@testable import Train

@Suite("training on pairs of documents")
struct RetrievalRunTests {
  /// Two papers belong together when they are of the same of two fields, whose words differ.
  private func convert(in folder: borrowing TemporaryFolder) throws -> String {
    func text(_ paper: Int) -> String {
      String(repeating: paper % 2 == 0 ? "syntax " : "speech ", count: 1 + paper % 4) + "\(paper)"
    }
    for (name, count) in [("train", 160), ("eval", 40), ("test", 30)] {
      let lines = (0..<count).map { number -> String in
        let one = number * 7 % 20
        let other = (number * 3 + number / 20) % 20
        let label = (one + other) % 2 == 0 ? "1.0" : "0.0"
        return "\(label)\tP\(one)\tP\(other)\t\(text(one))\t\(text(other))\n"
      }
      try Data(lines.joined().utf8)
        .write(to: URL(fileURLWithPath: folder.file("new_aan_pairs.\(name).tsv")))
    }
    let database = folder.file("data.sqlite")
    _ = try DatasetStore(at: database).convert(AAN(), from: [folder.path])
    return database
  }

  private func recipe(_ interaction: String, accumulate: Int = 1) throws -> Recipe {
    var request = RecipeRequest(task: "retrieval")
    request.settings = ["model.interaction=\(interaction)"]
    var recipe = try request.resolve()
    recipe.data.bucketBatches = 4
    recipe.data.maxLength = 24
    recipe.model.pairHiddenLayers = 2
    (recipe.model.embDim, recipe.model.qkvDim, recipe.model.mlpDim) = (16, 16, 24)
    recipe.train.numTrainSteps = 12
    recipe.train.batchSize = 8
    recipe.train.accumulate = accumulate
    recipe.schedule.warmup = 2
    recipe.optimizer.learningRate = 0.003
    // Large, since Adam makes steps of rounding where the gradient is 0 (the bias of keys).
    recipe.optimizer.eps = 1e-3
    (recipe.eval.evalFrequency, recipe.eval.checkpointFreq) = (5, 4)
    return recipe
  }

  @Test("a run trains, evaluates and tests; parts of a batch change nothing but rounding")
  func train() throws {
    let folder = try TemporaryFolder()
    let database = try convert(in: folder)
    _ = try Engine.start(threads: 2)
    var weights: [[String: [Float]]] = []
    for accumulate in [1, 3] {
      let recipe = try recipe("nli", accumulate: accumulate)
      let data = try RunData(recipe, database: database)
      #expect(data.train.isPairs)
      let run = try RunFolder.make(for: recipe, under: folder.file("runs\(accumulate)")).folder
      let result = try Trainer(recipe, in: run, data: data, device: .cpu).run()
      #expect(result.step == 12 && (0...1).contains(result.last.test))
      #expect(result.baselines.majority > 0.3)
      let path = run.checkpointPath(step: 12) + "/model.safetensors"
      weights.append(try Safetensors.read(path).mapValues { try $0.floats() })
    }
    #expect(weights[0].keys.contains("head.hidden2.weight"))
    #expect(largestDifference(weights[0], weights[1]) < 1e-5)
  }

  @Test("a run that goes on from a checkpoint repeats the uninterrupted one bit for bit")
  func resume() throws {
    let folder = try TemporaryFolder()
    let database = try convert(in: folder)
    _ = try Engine.start(threads: 2)
    let recipe = try recipe("concat")
    let data = try RunData(recipe, database: database)
    var files: [Data] = []
    for name in ["whole", "resumed"] {
      let run = try RunFolder.make(for: recipe, under: folder.file(name)).folder
      if name == "resumed" {
        let cancel = CancelAt(call: 7)
        let error = #expect(throws: TrainError.self) {
          try Trainer(recipe, in: run, data: data, device: .cpu).run(isCancelled: cancel.ask)
        }
        #expect(error?.code == .interrupted)
      }
      _ = try Trainer(recipe, in: run, data: data, device: .cpu).run()
      files.append(
        try Data(
          contentsOf: URL(fileURLWithPath: run.checkpointPath(step: 12) + "/model.safetensors")))
    }
    #expect(files[0] == files[1])
  }

  @Test("a split of documents is no split of pairs, and a task of sequences no task of pairs")
  func kinds() throws {
    let folder = try TemporaryFolder()
    let database = try convert(in: folder)
    let recipe = try recipe("nli")
    let data = try RunData(recipe, database: database)
    #expect(throws: TrainError.self) { try data.split("documents") }
    #expect(try data.split("validation").count == 40)
    var text = recipe
    text.task = "text"
    #expect(throws: TrainError.self) { try RunData(text, database: database) }
  }

  @Test("interaction is a key of retrieval's recipes only")
  func interaction() throws {
    let recipe = try recipe("nli")
    #expect(recipe.yaml.contains("\n  interaction: nli\n"))
    #expect(try Recipe(yaml: recipe.yaml) == recipe)
    #expect(recipe.modelConfiguration.numTowers == 2)
    #expect(recipe.modelConfiguration.interaction == .nli)
    #expect(try RecipeRequest(task: "listops").resolve().modelConfiguration.numTowers == 1)
    var request = RecipeRequest(task: "listops")
    request.settings = ["model.interaction=nli"]
    #expect(throws: TrainError.self) { try request.resolve() }
    request = RecipeRequest(task: "retrieval")
    request.settings = ["model.interaction=sum"]
    #expect(throws: TrainError.self) { try request.resolve() }
    // As each source has it: the released code's default, equation 1 of the paper, Nystromformer's head.
    for (name, expected) in [("released", "concat"), ("paper", "nli"), ("small", "nli")] {
      request.settings = []
      request.recipe = name
      #expect(try request.resolve().model.interaction.rawValue == expected)
    }
  }

  @Test("a benchmark of retrieval times both documents")
  func benchmark() throws {
    let batch = try Batch.drawn(1, recipe("nli"))
    #expect(batch.count == 8 && batch.towers == 2)
    #expect(batch.tokens.count == 16 * batch.length && batch.lengths.count == 16)
  }
}
