extension TrainError {
  static func emptyDatabase(_ path: String) -> TrainError {
    TrainError(
      .usage, "\(path) holds no dataset", path: path,
      next: "make one with: lra-data gen listops --db \(path)")
  }

  static func severalTasks(_ tasks: [String], in path: String, datasets: Int) -> TrainError {
    TrainError(
      .usage,
      "\(path) holds \(datasets) datasets; choose one with --task: \(tasks.joined(separator: ", "))",
      path: path, next: "see them with: lra-data ls --db \(path)")
  }

  static func severalDatasets(_ names: [String], ofTask task: String, in path: String) -> TrainError
  {
    TrainError(
      .usage,
      "\(path) holds \(names.count) datasets of \(task); choose one with --dataset: "
        + names.joined(separator: ", "),
      path: path, next: "see them with: lra-data ls --db \(path)")
  }

  static func noDataset(_ name: String, in path: String, held: [String]) -> TrainError {
    TrainError(
      .usage,
      "\(path) holds no dataset \(name); it holds: \(held.isEmpty ? "none" : held.joined(separator: ", "))",
      path: path, next: "see them with: lra-data ls --db \(path)")
  }

  static func noDataset(ofTask task: String, in path: String, held: [String]) -> TrainError {
    TrainError(
      .usage,
      "\(path) holds no dataset of task \(task); it holds: "
        + (held.isEmpty ? "none" : held.joined(separator: ", ")),
      path: path, next: "see them with: lra-data ls --db \(path)")
  }

  static func otherTask(_ name: String, has task: String, asked: String) -> TrainError {
    TrainError(
      .usage, "dataset \(name) is of task \(task), not \(asked)", next: "leave --task out")
  }

  static func incomplete(_ name: String, in path: String) -> TrainError {
    TrainError(
      .usage, "dataset \(name) in \(path) is incomplete", path: path,
      next: "finish it with the command that began it")
  }
}
