import Crypto
import Datasets
import Foundation

/// Scores the predictions of a model that was trained elsewhere.
public struct Scoring: Sendable {
  /// The database, which gets a row of `run` and its metrics.
  public var database: String
  /// The dataset.
  public var dataset: String
  /// The split that the predictions belong to.
  public var split: String
  /// A NumPy file of logits [examples, classes].
  public var predictions: String
  /// The row's name, such as `s4`.
  public var name: String

  /// What is to be scored.
  public init(database: String, dataset: String, split: String, predictions: String, name: String) {
    self.database = database
    self.dataset = dataset
    self.split = split
    self.predictions = predictions
    self.name = name
  }

  /// The first line of such a row's recipe.
  static let mark = "scored: elsewhere"

  /// Scores, and writes the row unless it is a dry run.
  ///
  /// The row's recipe names file and SHA-256 of every split that was scored; its step is 0.
  /// - Throws: `usage` for names that are not there, `malformedInput` for a file that does not fit,
  ///   `configurationDiffers` when the name is taken.
  public func run(dryRun: Bool = false) throws -> Run.Report {
    try checkName()
    let (task, choice) = try DatasetChoice.choose(from: database, task: nil, dataset: dataset)
    var recipe = Recipe()
    recipe.task = task
    recipe.data.numClasses = choice.ownShape?.numClasses ?? recipe.data.numClasses
    let store = DatasetStore(at: database)
    let source = try store.open(dataset: dataset, split: split)
    guard source.count > 0, !source.labels.contains(where: { $0 < 0 }) else {
      throw TrainError.unlabelled(dataset, split)
    }
    let file = try LogitsFile(
      predictions, rows: source.count, classes: TaskShape(recipe).classes)
    let row = try record(of: file, source)
    let report = try report(
      file, source, Baselines(store.open(dataset: dataset, split: "train")))
    if dryRun { return report }
    var values = [("loss", report.loss), ("accuracy", report.accuracy)]
    if let test = report.mcnemar?.first {
      values.append(("only_model", Double(test.onlyModel)))
      values.append(("only_first_token", Double(test.onlyOther)))
    }
    let table = RunTable(at: database)
    let others = try table.metrics(of: name).filter { $0.split != split }
    try table.write(
      row,
      others + values.map { MetricRecord(step: 0, split: split, name: $0.0, value: $0.1) })
    return report
  }

  private func checkName() throws {
    let isPlain = name.unicodeScalars.allSatisfy { $0.value >= 32 && $0.value != 127 }
    guard !name.isEmpty, name.count <= 100, isPlain else { throw TrainError.badRowName(name) }
  }

  private func report(
    _ file: LogitsFile, _ source: SplitReader, _ rules: Baselines
  ) throws -> Run.Report {
    var right = RightPredictions(source)
    var correct = 0
    var loss = 0.0
    for row in 0..<file.rows {
      let logits = Array(file.values[(row * file.columns)..<((row + 1) * file.columns)])
      let label = Int(source.labels[row])
      guard logits.indices.contains(label) else { throw TrainError.unlabelled(dataset, split) }
      let most = logits.max() ?? 0
      let sum = logits.reduce(0) { $0 + exp($1 - most) }
      loss += most + log(sum) - logits[label]
      let best = logits.firstIndex(of: most) ?? 0
      if best == label { correct += 1 }
      right.set(row, best == label)
    }
    let accuracy = Accuracy(correct: correct, count: file.rows)
    return Run.Report(
      split: split, step: 0, n: file.rows, accuracy: accuracy.value,
      ci95: [accuracy.interval.lowerBound, accuracy.interval.upperBound],
      loss: loss / Double(file.rows), baselines: BaselineScores(try rules.measure(on: source)),
      mcnemar: try rules.pairedTest(right, on: source).map { [$0] },
      strata: try right.strata())
  }

  /// The row, with what an earlier row of the same name says of other splits.
  private func record(of file: LogitsFile, _ source: SplitReader) throws -> RunRecord {
    var lines: [String: String] = [:]
    if let old = try RunTable(at: database).runs().first(where: { $0.name == name }) {
      let parts = old.recipe.split(separator: "\n").map(String.init)
      guard parts.first == Scoring.mark, old.dataset == dataset,
        old.contentDigest == source.contentDigest ?? []
      else { throw TrainError.nameTaken(name, by: old) }
      for line in parts.dropFirst() {
        if let colon = line.firstIndex(of: ":") { lines[String(line[..<colon])] = line }
      }
    }
    let digest = Digest.hex(file.sha256)
    let place = RecipeScalar.text((predictions as NSString).lastPathComponent).yaml
    let line = "\(split): {file: \(place), sha256: \(digest)}"
    if let old = lines[split], !old.hasSuffix("sha256: \(digest)}") {
      throw TrainError.otherPredictions(name, split)
    }
    lines[split] = line
    let recipe =
      ([Scoring.mark] + lines.sorted { $0.key < $1.key }.map(\.value))
      .joined(separator: "\n") + "\n"
    return RunRecord(
      name: name, dataset: dataset, contentDigest: source.contentDigest ?? [], recipe: recipe,
      recipeSHA256: Array(SHA256.hash(data: Data(recipe.utf8))), seed: 0, machine: "elsewhere",
      state: .finished,
      path: relativePath(predictions, toFolderOf: database))
  }
}
