import Datasets
import Foundation

/// Which dataset of a database a run uses, from what the user said.
public enum DatasetChoice {
  /// Chooses a complete dataset.
  ///
  /// - Parameters:
  ///   - task: the task the user named; nil for the only one there is.
  ///   - dataset: the dataset the user named.
  /// - Returns: the task and the choice for a `RecipeRequest`.
  /// - Throws: `usage` when the database holds nothing that fits, or several that do.
  public static func choose(
    from database: String, task: String?, dataset name: String?
  ) throws -> (task: String, dataset: RecipeRequest.Dataset) {
    let all = try DatasetStore(at: database).datasets()
    if let name {
      guard let found = all.first(where: { $0.name == name }) else {
        throw TrainError.noDataset(name, in: database, held: all.map(\.name))
      }
      return try checked(found, task: task, named: true, in: database)
    }
    let tasks = all.map { $0.trainingTask }.uniqued()
    guard let task = task ?? (tasks.count == 1 ? tasks.first : nil) else {
      throw all.isEmpty
        ? TrainError.emptyDatabase(database)
        : TrainError.severalTasks(tasks, in: database, datasets: all.count)
    }
    var fitting = all.filter { $0.trainingTask == task }
    if fitting.isEmpty { fitting = all.filter { $0.task == task } }
    guard let first = fitting.first else {
      throw TrainError.noDataset(ofTask: task, in: database, held: all.map(\.name))
    }
    if fitting.count == 1 { return try checked(first, task: task, named: true, in: database) }
    let canonical = TaskDescription.named(task)?.canonicalDataset ?? task
    guard let usual = fitting.first(where: { $0.name == canonical }) else {
      throw TrainError.severalDatasets(fitting.map(\.name), ofTask: task, in: database)
    }
    return try checked(usual, task: task, named: false, in: database)
  }

  private static func checked(
    _ dataset: DatasetSummary, task: String?, named: Bool, in database: String
  ) throws -> (task: String, dataset: RecipeRequest.Dataset) {
    if let task, task != dataset.trainingTask && task != dataset.task {
      throw TrainError.otherTask(dataset.name, has: dataset.trainingTask, asked: task)
    }
    guard dataset.complete else { throw TrainError.incomplete(dataset.name, in: database) }
    let (known, parameters) = (dataset.taskDescription, dataset.parameters)
    var chosen = RecipeRequest.Dataset(
      name: dataset.name, maxLength: known.greatestLength(parameters), named: named)
    if known.labels == nil, case .integer(let classes) = parameters["num_classes"],
      case .integer(let ids) = parameters["vocabulary_size"]
    {
      chosen.ownShape = .init(numClasses: classes, vocabularySize: ids)
    }
    return (task ?? dataset.trainingTask, chosen)
  }
}

extension DatasetSummary {
  /// The task as recipes name it: `pathx` for Pathfinder's large images.
  fileprivate var trainingTask: String { taskDescription.name }
}
