extension DatasetError {
  /// A database holds the dataset with other parameters than the first one.
  static func partDiffers(
    _ path: String, has: String, first: String, holds: String, dataset: String
  ) -> DatasetError {
    DatasetError(
      .configurationDiffers, "\(path) holds \(dataset) with \(has); \(first) with \(holds)",
      path: path, next: "merge only what the same gen command made")
  }

  /// Shards that no database has.
  ///
  /// - Parameters:
  ///   - shards: as `shards 3, 7 of train`.
  ///   - workers: those that make them.
  static func partsMissing(
    _ shards: [String], of dataset: String, databases: Int, workers: [WorkerShare]
  ) -> DatasetError {
    let isOne = shards.count == 1 && shards[0].hasPrefix("shard ")
    let held =
      (isOne ? "is" : "are")
      + (databases == 1 ? " not in the database" : " in none of the databases")
    let named = workers.prefix(4).map(\.description).joined(separator: ", ")
    let more = workers.count > 4 ? " and \((workers.count - 4).grouped) more" : ""
    return DatasetError(
      .failure, "\(dataset): \(shards.joined(separator: ", ")) \(held)",
      next: "run worker\(workers.count == 1 ? "" : "s") \(named)\(more) (gen --worker), "
        + "then merge again with its database")
  }

  /// It is not clear which dataset is meant.
  static func partsUnclear(_ common: [String], databases: [String]) -> DatasetError {
    let places = databases.joined(separator: ", ")
    return common.isEmpty
      ? DatasetError(
        .usage, "no dataset is in all of \(places)",
        next: "see what they hold with: lra-data ls --db \(databases.first ?? "data.sqlite")")
      : DatasetError(
        .usage, "several datasets are in all of \(places)",
        next: "choose one with --name: \(common.joined(separator: ", "))")
  }

  static func notMergeable(_ dataset: String, path: String) -> DatasetError {
    DatasetError(
      .usage, "\(dataset) in \(path) was not made from a seed by this version: no worker makes it",
      path: path, next: "merge what gen --worker made")
  }
}
