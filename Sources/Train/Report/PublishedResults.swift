/// Test accuracies in percent as others published them, which stand beneath ours.
struct PublishedResults: Sendable {
  /// Where the figures are from.
  let source: String
  /// The order of the values.
  let columns: [String]
  /// By model.
  let rows: [String: [Double]]

  /// The value of a model on a column such as `listops`; nil where none was published.
  func value(_ model: String, _ column: String) -> Double? {
    guard let row = rows[model], let index = columns.firstIndex(of: column), index < row.count
    else { return nil }
    return row[index]
  }

  /// The mean over the five tasks without Path-X; nil when one is missing.
  func averageOfFive(_ model: String) -> Double? {
    let five = Leaderboard.fiveTasks.compactMap { value(model, $0) }
    return five.count == 5 ? five.reduce(0, +) / 5 : nil
  }

  /// What stands beneath the runs of a protocol: a study of the same configuration where there is one.
  static func of(protocol name: String) -> PublishedResults {
    ["small", "skyformer"].contains(name) ? skyformer : paper
  }

  /// Tay and others 2020, arXiv 2011.04006, table 1; all models fail on Path-X.
  static let paper = PublishedResults(
    source: "Tay and others 2020, table 1 (arXiv 2011.04006)",
    columns: ["listops", "text", "retrieval", "image", "pathfinder"],
    rows: [
      "transformer": [36.37, 64.27, 57.46, 42.44, 71.40],
      "local": [15.82, 52.98, 53.39, 41.46, 66.63],
      "sparse_transformer": [17.07, 63.58, 59.59, 44.24, 71.71],
      "longformer": [35.63, 62.85, 56.89, 42.22, 69.71],
      "linformer": [35.70, 53.94, 52.27, 38.56, 76.34],
      "reformer": [37.27, 56.10, 53.40, 38.07, 68.50],
      "sinkhorn": [33.67, 61.20, 53.83, 41.23, 67.45],
      "synthesizer": [36.99, 61.68, 54.67, 41.61, 69.45],
      "bigbird": [36.05, 64.02, 59.29, 40.83, 74.87],
      "linear": [16.13, 65.90, 53.09, 42.34, 75.30],
      "performer": [18.01, 65.40, 53.82, 42.77, 77.05],
    ])

  /// Chen and others 2021, Skyformer, table 1: two layers of width 64, as recipe `small`.
  static let skyformer = PublishedResults(
    source: "Chen and others 2021, Skyformer, table 1 (the same sizes, 50,000 steps on ListOps)",
    columns: ["text", "listops", "retrieval", "pathfinder", "image"],
    rows: [
      "transformer": [61.95, 38.37, 80.69, 65.26, 40.57],
      "kernelized": [60.22, 38.78, 81.77, 70.73, 41.29],
      "nystromformer": [64.83, 38.51, 80.52, 69.48, 41.30],
      "linformer": [58.93, 37.45, 78.19, 60.93, 37.96],
      "informer": [62.64, 32.53, 77.57, 57.83, 38.10],
      "performer": [64.19, 38.02, 80.04, 66.30, 41.43],
      "reformer": [62.93, 37.68, 78.99, 66.49, 48.87],
      "bigbird": [63.86, 39.25, 80.28, 68.72, 43.16],
      "skyformer": [64.70, 38.69, 82.06, 70.73, 40.77],
    ])
}
