import Datasets
import Foundation
import Tensors
import Testing

@testable import Train

@Suite("training on a task of one's own")
struct OwnTaskTests {
  /// Three classes that a letter tells, lines of 3 to 12 bytes.
  private func database(in folder: borrowing TemporaryFolder) throws -> String {
    let letters = ["a", "b", "c"]
    let lines = (0..<60).map { number -> String in
      "\(number % 3)\t\(String(repeating: letters[number % 3], count: 3 + number % 10))\n"
    }
    try Data(lines.joined().utf8).write(to: URL(fileURLWithPath: folder.file("mine.tsv")))
    let database = folder.file("data.sqlite")
    var own = OwnTask()
    own.task = "letters"
    _ = try DatasetStore(at: database).convert(LabelledText(own), from: [folder.file("mine.tsv")])
    return database
  }

  @Test("classes, ids and length come from the dataset, into the recipe and the model")
  func recipe() throws {
    let folder = try TemporaryFolder()
    let database = try database(in: folder)
    let (task, dataset) = try DatasetChoice.choose(from: database, task: nil, dataset: nil)
    #expect(task == "letters")
    var request = RecipeRequest(task: task)
    request.dataset = dataset
    var recipe = try request.resolve()
    #expect(recipe.data.numClasses == 3 && recipe.data.vocabularySize == 257)
    #expect(recipe.data.maxLength == 12)
    let model = recipe.modelConfiguration
    #expect(model.numClasses == 3 && model.vocabularySize == 257 && model.maxLength == 12)
    #expect(recipe.yaml.contains("num_classes: 3"))
    // The keys belong to such tasks only.
    recipe.task = "text"
    #expect(!recipe.yaml.contains("num_classes"))
    #expect(throws: TrainError.self) { try RecipeRequest(task: "letters").resolve() }
  }

  @Test("a run trains on it, and its folder's recipe is read back")
  func train() throws {
    let folder = try TemporaryFolder()
    let database = try database(in: folder)
    let (task, dataset) = try DatasetChoice.choose(from: database, task: nil, dataset: nil)
    var request = RecipeRequest(task: task)
    request.dataset = dataset
    request.settings = [
      "model.emb_dim=16", "model.qkv_dim=16", "model.mlp_dim=24", "train.num_train_steps=40",
      "train.batch_size=16", "optimizer.learning_rate=0.01", "schedule.warmup=2",
      "eval.eval_frequency=20", "eval.checkpoint_freq=20",
    ]
    let recipe = try request.resolve()
    _ = try Engine.start(threads: 2)
    let data = try RunData(recipe, database: database)
    let run = try RunFolder.make(for: recipe, under: folder.file("runs")).folder
    let result = try Trainer(recipe, in: run, data: data, device: .cpu).run()
    #expect(result.step == 40)
    #expect(result.last.test > 0.9)
    #expect(try Recipe(yaml: recipe.yaml) == recipe)
  }
}
