extension TaskDescription {
  /// Pathfinder: whether two marked ends are those of one dashed path.
  static let pathfinder: TaskDescription = {
    var task = TaskDescription(
      PathfinderConfiguration.task, title: "Pathfinder", canonicalDataset: "pathfinder32-hard")
    task.generator = PathfinderConfiguration.self
    task.holds = { (size(in: $0) ?? 0) < pathXSize }
    task.form = { parameters in
      size(in: parameters).map { .png(size: $0, hasMask: parameters["segmentation"] != nil) }
        ?? .symbols
    }
    task.symbols = { size(in: $0).map { .greyLevels(size: $0) } ?? .numbers }
    task.greatestLength = { size(in: $0).map { $0 * $0 } }
    task.benchmarkLength = 32 * 32
    task.labels = .perExample(classes: 2)
    task.vocabularySize = 257
    task.isImage = true
    task.isAveraged = true
    task.strata = [StratumRule("touching") { touching($0.meta(at: $1)) }]
    task.layout = { PathfinderLayout($0) }
    task.licence = "CC0-1.0"
    task.citation = citation(
      "Linsley, Kim, Veerabadran, Windolf and Serre, Learning long-range spatial dependencies with "
        + "horizontal gated recurrent units, NeurIPS 2018, arXiv 1805.08315")
    return task
  }()

  /// Path-X: Pathfinder of 128 pixels a side and more, LRA's sixth task.
  static let pathX: TaskDescription = {
    var task = pathfinder
    task.name = "pathx"
    task.title = "Path-X"
    task.canonicalDataset = "pathfinder128-hard"
    task.benchmarkLength = 128 * 128
    task.holds = { (size(in: $0) ?? 0) >= pathXSize }
    task.isAveraged = false
    return task
  }()

  /// Images with so many pixels a side are Path-X.
  private static let pathXSize = 128

  /// Pixels of a side; nil when the parameters are damaged.
  private static func size(in parameters: Parameters) -> Int? {
    guard case .integer(let size) = parameters["size"], (1...4096).contains(size) else {
      return nil
    }
    return size
  }

  /// Whether the targets of an image touch, from its meta.
  static func touching(_ meta: String?) -> Int? {
    guard let meta, let name = meta.range(of: "\"touching\":") else { return nil }
    return meta[name.upperBound...].first.flatMap { $0 == "1" ? 1 : $0 == "0" ? 0 : nil }
  }
}
