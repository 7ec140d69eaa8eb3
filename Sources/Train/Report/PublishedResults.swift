/// Test accuracies in percent as others published them, which stand beneath ours.
struct PublishedResults: Sendable {
  /// The table they are from.
  let table: Reproduction

  /// Where the figures are from.
  var source: String { table.source }

  /// The value of a model on a column such as `listops`; nil where none was published.
  func value(_ model: String, _ column: String) -> Double? { table.value(model, column)?.percent }

  /// The mean over the five tasks without Path-X; nil when one is missing.
  func averageOfFive(_ model: String) -> Double? {
    let five = Leaderboard.fiveTasks.compactMap { value(model, $0) }
    return five.count == 5 ? five.reduce(0, +) / 5 : nil
  }

  /// The mean over six tasks, of which Path-X failed; nil for studies that did not try it.
  func averageOfSix(_ model: String) -> Double? {
    table.name == "lra" ? averageOfFive(model).map { ($0 * 5 + 50) / 6 } : nil
  }

  /// What stands beneath the runs of a protocol: a study of the same configuration where there is one.
  static func of(protocol name: String) -> PublishedResults {
    let tables = Reproduction.builtIn.filter { $0.efficiency == nil }
    let own = tables.first { $0.protocolName == name } ?? tables.first { $0.name == "lra" }
    return PublishedResults(table: own ?? Reproduction())
  }
}
