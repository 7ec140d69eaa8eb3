import Datasets
import Testing

@testable import Train

@Suite("large Pathfinder images are Path-X")
struct PathXChoiceTests {
  private func database(_ sizes: [Int], in folder: borrowing TemporaryFolder) throws -> String {
    let database = folder.file("data.sqlite")
    for size in sizes {
      _ = try DatasetStore(at: database).generate(
        PathfinderConfiguration(size: size),
        splits: SplitSize.standard(train: 1, validation: 1, test: 1))
    }
    return database
  }

  private func choose(_ database: String, task: String? = nil, dataset: String? = nil) throws
    -> (String, Recipe)
  {
    let choice = try DatasetChoice.choose(from: database, task: task, dataset: dataset)
    var request = RecipeRequest(task: choice.task)
    request.dataset = choice.dataset
    return (choice.task, try request.resolve())
  }

  @Test("a database of one of them trains its task, at its length")
  func alone() throws {
    for (size, task) in [(32, "pathfinder"), (64, "pathfinder"), (128, "pathx")] {
      let folder = try TemporaryFolder()
      let (found, recipe) = try choose(database([size], in: folder))
      #expect(found == task && recipe.task == task)
      #expect(recipe.data.maxLength == size * size)
      #expect(recipe.data.dataset == "pathfinder\(size)-hard")
    }
  }

  @Test("with both, --task tells which; the task of the data is good for either")
  func both() throws {
    let folder = try TemporaryFolder()
    let path = try database([32, 128], in: folder)
    #expect(try choose(path, task: "pathx").1.data.dataset == "pathfinder128-hard")
    #expect(try choose(path, task: "pathfinder").1.data.dataset == "pathfinder32-hard")
    let error = #expect(throws: TrainError.self) { try choose(path) }
    #expect(error?.message.hasSuffix("choose one with --task: pathfinder, pathx") == true)
    let (task, recipe) = try choose(path, task: "pathfinder", dataset: "pathfinder128-hard")
    #expect(task == "pathfinder" && recipe.data.maxLength == 16384)
    let other = #expect(throws: TrainError.self) {
      try choose(path, task: "pathx", dataset: "pathfinder32-hard")
    }
    #expect(other?.message == "dataset pathfinder32-hard is of task pathfinder, not pathx")
  }
}
