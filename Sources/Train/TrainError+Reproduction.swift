/// One mistake in a published table's file; a `TrainError` reports all of them at once.
enum ReproductionProblem: Sendable, Equatable {
  /// A key that does not exist, with the nearest that does.
  case unknown(String, nearest: String?)
  /// A model that does not exist, with the nearest that does.
  case unknownModel(String, nearest: String?)
  /// A task that does not exist, or that the file says nothing about.
  case unknownTask(String, nearest: String?)
  /// A key that must be there.
  case missing(String)
  /// A value of the wrong kind or range.
  case wrong(String, must: String)

  /// The sentence that the user reads.
  var message: String {
    switch self {
    case .unknown(let key, let nearest): "key \(key) is unknown" + meant(nearest)
    case .unknownModel(let key, let nearest): "\(key) names no model" + meant(nearest)
    case .unknownTask(let key, let nearest): "\(key) names no task of the file" + meant(nearest)
    case .missing(let key): "key \(key) is missing"
    case .wrong(let key, let must): "\(key) must be \(must)"
    }
  }

  private func meant(_ nearest: String?) -> String {
    nearest.map { "; did you mean \($0)?" } ?? ""
  }
}

extension TrainError {
  /// A table's file with mistakes, one line for each.
  static func reproduction(_ problems: [ReproductionProblem], _ path: String) -> TrainError {
    TrainError(
      .usage, problems.map { "\(path): \($0.message)" }.joined(separator: "\n"), path: path,
      next: "the built-in ones show the form: reproductions/nystromformer-table.yaml")
  }

  /// A name that is neither a built-in table nor a file.
  static func unknownReproduction(_ name: String, _ known: [String]) -> TrainError {
    let meant = nearest(to: name, among: known).map { "; did you mean \($0)?" } ?? ""
    return TrainError(
      .usage, "\(name) is neither a YAML file nor one of \(known.joined(separator: ", "))\(meant)",
      next: "see them with: lra-train reproduce")
  }

  /// A task or model that was asked for and is not in the table.
  static func notInReproduction(
    _ option: String, _ word: String, _ name: String, _ known: [String]
  ) -> TrainError {
    let meant = nearest(to: word, among: known).map { "; did you mean \($0)?" } ?? ""
    return TrainError(
      .usage,
      "\(option) \(word): \(name) has \(known.joined(separator: ", "))\(meant)",
      next: "see what would be run with: lra-train reproduce \(name) --dry-run")
  }

  /// None of the table's datasets is in the database.
  static func nothingToReproduce(_ name: String, _ datasets: [String], in path: String)
    -> TrainError
  {
    TrainError(
      .usage,
      "nothing of \(name) can be run: \(path) holds none of \(datasets.joined(separator: ", "))",
      path: path, next: "make one with lra-data gen or lra-data convert, see: lra-data --help")
  }

  /// Two datasets were named for one task, or one of a task that the table does not have.
  static func datasetNotInReproduction(_ dataset: String, task: String, _ name: String)
    -> TrainError
  {
    TrainError(
      .usage,
      "--dataset \(dataset) is of task \(task), for which \(name) takes one dataset or none",
      next: "name one dataset for each task of the table")
  }

  /// An override fixes the seed that is to vary.
  static let seedIsSet = TrainError(
    .usage, "train.random_seed cannot be set: a table is rerun with several seeds",
    next: "--seeds 3 takes 0, 1 and 2")

  /// A table of costs was asked for without measurements, or the other way round.
  static func needsBench(_ name: String) -> TrainError {
    TrainError(
      .usage, "\(name) is a table of costs: it is compared with measurements",
      next: "lra-train bench --json > bench.json; lra-train reproduce \(name) --bench bench.json")
  }

  /// Measurements were given for a table of accuracies.
  static func takesNoBench(_ name: String) -> TrainError {
    TrainError(
      .usage, "--bench is for tables of costs; \(name) is one of accuracies",
      next: "leave --bench out")
  }
}
