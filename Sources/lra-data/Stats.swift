import ArgumentParser
import Console
import Datasets

/// `stats`: lengths, classes, trivial baselines, duplicates.
struct Stats: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show lengths, labels, trivial baselines and duplicates of a dataset.",
    discussion: """
      Baselines are rules fitted on train. majority: the most frequent class. first token (ListOps), and \
      with the least and greatest direct digits: the most frequent class of each. bag of tokens: naive \
      Bayes on symbol counts, add-one smoothing. mean ink (images), marker distance (Pathfinder): the \
      best threshold, or the nearest class mean of more than two classes. Near-duplicates (sequences): \
      at least 80 % of the runs of 8 symbols that either has are in both; exact duplicates count too.
      """)

  @Argument(help: "The dataset.")
  var name: String
  @Option(help: "One split, or all.")
  var split = "all"
  @Option(help: ArgumentHelp("Bars of the length histogram.", valueName: "n"))
  var bins = 20
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var common: CommonOptions

  func run() throws {
    let statistics = try common.store.statistics(
      of: name, split: split == "all" ? nil : split, bins: bins, threads: threads.count)
    try common.print("stats", StatsJSON(statistics)) { text(statistics) }
    common.next("lra-data show \(name) \(common.dbWord)")
  }

  private func text(_ statistics: DatasetStatistics) -> String {
    var parts = statistics.splits.map(text)
    parts.append(
      "duplicates across splits  \(Format.count(statistics.duplicatesAcrossSplits))"
        + near(statistics.nearDuplicatesAcrossSplits))
    return parts.joined(separator: "\n\n")
  }

  private func near(_ count: Int?) -> String {
    count.map { " · near-duplicates \(Format.count($0))" } ?? ""
  }

  private func text(_ split: DatasetStatistics.Split) -> String {
    let lengths = split.lengths
    var histogram = Bars()
    for bin in split.histogram {
      histogram.add("\(Format.count(bin.from))–\(Format.count(bin.through))", bin.count)
    }
    var labels = Bars()
    for label in split.labels {
      labels.add(
        "\(label.label)\(label.name.map { " \(Terminal.printable($0))" } ?? "")", label.count)
    }
    var baselines = Table([.text(""), .number("")])
    for baseline in split.baselines {
      let words = baseline.name.replacing("_", with: " ")
      baselines.add(["  \(words)", Format.percent(baseline.accuracy)])
    }
    let rules =
      split.baselines.isEmpty ? "" : "\nbaselines, fitted on train\n\(baselines.text)"
    return """
      \(Paint.standardOutput.bold("\(name) \(split.name)")) · \(Format.count(split.count)) examples · \
      duplicates \(Format.count(split.duplicates))\(near(split.nearDuplicates))
      tokens  min \(Format.count(lengths.min)) · mean \(Format.fraction(lengths.mean, 1)) · \
      median \(Format.count(lengths.median)) · max \(Format.count(lengths.max))
      \(histogram.text())
      labels
      \(labels.text())\(rules)
      """
  }
}

private struct StatsJSON: Encodable {
  struct Split: Encodable {
    struct Lengths: Encodable {
      let min: Int
      let mean: Double
      let median: Int
      let max: Int
      let histogram: [Bin]
    }
    struct Bin: Encodable {
      let from: Int
      let to: Int
      let count: Int
    }

    let name: String
    let count: Int
    let lengths: Lengths
    let labels: [String: Int]
    let baselines: [String: Double]
    let duplicates: Int
    let nearDuplicates: Nullable<Int>
  }

  let dataset: String
  let splits: [Split]
  /// The names of the classes from 0; left out when they are numbers only.
  let classNames: [String]?
  let duplicatesAcrossSplits: Int
  let nearDuplicatesAcrossSplits: Nullable<Int>

  init(_ statistics: DatasetStatistics) {
    dataset = statistics.dataset
    classNames = statistics.classNames.isEmpty ? nil : statistics.classNames
    duplicatesAcrossSplits = statistics.duplicatesAcrossSplits
    nearDuplicatesAcrossSplits = Nullable(statistics.nearDuplicatesAcrossSplits)
    splits = statistics.splits.map { split in
      let lengths = split.lengths
      return Split(
        name: split.name, count: split.count,
        lengths: .init(
          min: lengths.min, mean: lengths.mean, median: lengths.median, max: lengths.max,
          histogram: split.histogram.map { .init(from: $0.from, to: $0.through, count: $0.count) }),
        labels: Dictionary(
          uniqueKeysWithValues: split.labels.map { ("\($0.label)", $0.count) }),
        baselines: Dictionary(
          uniqueKeysWithValues: split.baselines.map { ($0.name, $0.accuracy) }),
        duplicates: split.duplicates, nearDuplicates: Nullable(split.nearDuplicates))
    }
  }
}
