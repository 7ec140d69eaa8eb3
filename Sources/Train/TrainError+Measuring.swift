import Datasets

extension TrainError {
  /// The row's name of `score` is empty, too long or not printable.
  static func badRowName(_ name: String) -> TrainError {
    TrainError(
      .usage, "--name is no name of 1...100 printable characters",
      next: "name the model, such as --name s4")
  }

  /// The name of a scored model belongs to another row.
  static func nameTaken(_ name: String, by row: RunRecord) -> TrainError {
    TrainError(
      .configurationDiffers, "\(name) is a run on \(row.dataset) already", path: row.path,
      next: "use another name (--name)")
  }

  /// The name of a scored model has other predictions for the split.
  static func otherPredictions(_ name: String, _ split: String) -> TrainError {
    TrainError(
      .configurationDiffers, "\(name) has other predictions on \(split) already",
      next: "use another name (--name)")
  }

  /// A split has no labels, or some that the task does not have.
  static func unlabelled(_ dataset: String, _ split: String) -> TrainError {
    TrainError(
      .usage, "\(dataset) \(split) has examples without a label of the task",
      next: "choose a labelled split with --split")
  }
}

extension TrainError {
  /// Two runs that do not predict the same.
  static func otherTask(_ run: String, _ task: String, than first: String) -> TrainError {
    TrainError(
      .usage, "\(run) is a run of \(task), not of \(first)", path: run,
      next: "give --against a run of the same task")
  }
}

// MARK: Sweeps

extension TrainError {
  /// `--seeds` is not a count.
  static func badSeeds(_ count: Int) -> TrainError {
    TrainError(.usage, "--seeds is \(count); 1...1000 allowed", next: "--seeds 3 takes 0, 1 and 2")
  }

  /// `--dataset` is of one task.
  static let oneTaskForDataset = TrainError(
    .usage, "--dataset is of one task, but several are named", next: "name its task alone")

  /// `--grid` does not name a key and different values.
  static func badGrid(_ axis: String) -> TrainError {
    TrainError(
      .usage, "--grid wants key=value,value with different values, found \(axis)",
      next: "such as --grid optimizer.learning_rate=1e-4,3e-4")
  }

  /// Two grid points give the same recipe.
  static func gridRepeats(_ point: [String]) -> TrainError {
    TrainError(
      .usage,
      point.isEmpty
        ? "a task or a model is named twice"
        : "the grid gives the same recipe twice: \(point.joined(separator: " "))",
      next: "name every task, model and value once")
  }

  /// No model of `all` fits the recipe.
  static func nothingToSweep(_ reason: String?) -> TrainError {
    TrainError(
      .usage, reason ?? "nothing is to be trained: no task or no model is named",
      next: "see the models with: lra-train models")
  }
}

// MARK: Reports

extension TrainError {
  /// A file of measurements is not there.
  static func noBench(_ path: String) -> TrainError {
    TrainError(
      .usage, "\(path) does not exist", path: path,
      next: "make it with: lra-train bench --json > \(path)")
  }

  /// A file is not what `bench --json` prints.
  static func notABench(_ path: String) -> TrainError {
    TrainError(
      .malformed, "\(path) is not what lra-train bench --json prints", path: path,
      next: "make it with: lra-train bench --json > \(path)")
  }
}
