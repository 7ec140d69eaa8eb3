import Datasets
import Foundation

/// A run as the report sees it: its row, and what its folder holds.
struct ReportRun {
  let record: RunRecord
  /// Nil for a model that was trained elsewhere.
  let recipe: Recipe?
  /// Nil when the run has not ended, or its folder is gone.
  let result: RunResult?
  let folder: RunFolder
  let metrics: [MetricRecord]
  let span: SpanReport?

  init(_ record: RunRecord, _ metrics: [MetricRecord], store: DatasetStore) {
    self.record = record
    self.metrics = metrics
    folder = RunFolder(path: store.file(record.path))
    recipe = ReportRun.recipe(record.recipe)
    let digest = Digest.hex(record.recipeSHA256)
    let found = RunResult.read(folder)
    result = found?.recipeDigest == digest ? found : nil
    span = recipe == nil ? nil : SpanReport.read(folder)
  }

  /// A recipe as it was written, with the defaults of keys that came later; nil for a scored model.
  private static func recipe(_ text: String) -> Recipe? {
    if let complete = try? Recipe(yaml: text) { return complete }
    guard !text.hasPrefix(Scoring.mark), let node = try? Recipe.compose(text, name: "recipe")
    else { return nil }
    var recipe = Recipe()
    _ = recipe.apply(RecipeOverlay(node))
    return recipe
  }

  /// Whether the model was trained elsewhere.
  var isScored: Bool { record.recipe.hasPrefix(Scoring.mark) }
  /// The model's name.
  var model: String { recipe?.model.modelType ?? record.name }
  /// The protocol; `elsewhere` for a model that was trained elsewhere.
  var protocolName: String { recipe?.protocolName ?? "elsewhere" }

  /// Accuracy of the best checkpoint on the test split, as the result or the metric rows say.
  var test: Double? {
    if let result { return result.best.test }
    let step = bestStep ?? 0
    return metrics.first { $0.split == "test" && $0.name == "accuracy" && $0.step == step }?.value
  }

  /// The best checkpoint against the first-token rule on the test split; nil for other tasks.
  var firstToken: PairedTest? {
    if let result { return result.mcnemar?.first }
    func count(_ name: String) -> Int? {
      metrics.first { $0.split == "test" && $0.name == name }?.value.map { Int($0) }
    }
    guard let model = count("only_model"), let rule = count("only_first_token") else { return nil }
    return PairedTest(against: PairedTest.firstToken, onlyModel: model, onlyOther: rule)
  }

  /// Accuracy of the best checkpoint on the validation split.
  var validation: Double? {
    result?.best.validation ?? validations.map(\.accuracy).max()
  }

  /// Evaluations on the validation split, by step.
  var validations: [(step: Int, accuracy: Double)] {
    metrics.filter { $0.split == "validation" && $0.name == "accuracy" }
      .compactMap { row in row.value.map { (row.step, $0) } }
  }

  private var bestStep: Int? {
    let highest = validations.map(\.accuracy).max()
    return validations.first { $0.accuracy == highest }?.step
  }

  /// The training loss as a mean over equal parts of the steps; at most `points` of them.
  func lossCurve(points: Int = 60) -> [(step: Int, loss: Double)] {
    let lines = ((try? MetricsLog.read(folder.metricsPath)) ?? []).filter { $0.split == "train" }
    guard let last = lines.last?.step, !isScored else { return [] }
    let width = max(1, (last + points - 1) / points)
    var sums: [Int: (sum: Double, count: Int)] = [:]
    for line in lines {
      guard let loss = line.loss else { continue }
      let (sum, count) = sums[(line.step - 1) / width] ?? (0, 0)
      sums[(line.step - 1) / width] = (sum + loss, count + 1)
    }
    return sums.sorted { $0.key < $1.key }.map { bin, total in
      (min(last, (bin + 1) * width), total.sum / Double(total.count))
    }
  }
}

/// Runs that differ in their seed only.
struct RunGroup {
  let model: String
  let protocolName: String
  let dataset: String
  let digest: String
  let runs: [ReportRun]
  /// Whether the recipe is what task, model and protocol say, without a change.
  let isPlain: Bool

  var tests: [Double] { runs.compactMap(\.test) }
  var meanTest: Double? { mean(tests) }
  var meanValidation: Double? { mean(runs.compactMap(\.validation)) }

  /// The deviation of one run, with n - 1; nil with one run.
  var deviation: Double? {
    guard tests.count > 1, let mean = meanTest else { return nil }
    let squares = tests.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    return (squares / Double(tests.count - 1)).squareRoot()
  }

  /// The paired test with the largest p of its runs, the weakest evidence.
  var firstToken: PairedTest? { runs.compactMap(\.firstToken).max { $0.p < $1.p } }

  var stepsPerSecond: Double? { mean(runs.compactMap { $0.result?.stepsPerS }.filter { $0 > 0 }) }
  var peakBytes: Double? {
    mean(runs.compactMap { $0.result.map { Double($0.peakBytes) } }.filter { $0 > 0 })
  }

  private func mean(_ values: [Double]) -> Double? {
    values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
  }
}

/// Everything that a report shows, read once.
struct ReportData {
  let database: String
  let runs: [ReportRun]
  let groups: [RunGroup]
  /// Datasets that are complete, by the order in which they were made.
  let datasets: [DatasetListing]
  let benches: [BenchFile]
  /// Published tables that runs may reproduce.
  let reproductions: [Reproduction]
  /// Runs of other data than the database holds now, which are not shown.
  let stale: [RunRecord]

  /// - Parameter folder: runs in it whose rows the index does not have yet are read too.
  init(
    database: String, folder: String = "runs", benches: [BenchFile],
    reproductions: [Reproduction] = Reproduction.builtIn
  ) throws {
    self.database = database
    self.benches = benches
    self.reproductions = reproductions
    let store = DatasetStore(at: database)
    let table = RunTable(at: database)
    datasets = try store.listing().filter(\.summary.complete)
    let digests = datasets.reduce(into: [:]) { $0[$1.summary.name] = $1.summary.contentDigest }
    var rows = try table.runs().map { ($0, try table.metrics(of: $0.name)) }
    for (row, metrics) in try RunFolder.all(in: folder, of: database)
    where !rows.contains(where: { $0.0.name == row.name }) {
      rows.append((row, metrics))
    }
    func isStale(_ row: RunRecord) -> Bool {
      digests[row.dataset].map { $0 != Digest.hex(row.contentDigest) } ?? false
    }
    stale = rows.map(\.0).filter(isStale)
    runs = rows.filter { !isStale($0.0) }.map { ReportRun($0.0, $0.1, store: store) }
    groups = ReportData.groups(of: runs)
  }

  private static func groups(of runs: [ReportRun]) -> [RunGroup] {
    var order: [String] = []
    var members: [String: [ReportRun]] = [:]
    for run in runs {
      var recipe = run.recipe
      recipe?.train.randomSeed = 0
      let key = [
        run.record.dataset, Digest.hex(run.record.contentDigest), recipe?.yaml ?? run.record.name,
      ].joined(separator: "\n")
      if members[key] == nil { order.append(key) }
      members[key, default: []].append(run)
    }
    return order.compactMap { key in
      guard let own = members[key], let first = own.first else { return nil }
      return RunGroup(
        model: first.model, protocolName: first.protocolName, dataset: first.record.dataset,
        digest: Digest.hex(first.record.contentDigest), runs: own,
        isPlain: first.recipe.map { RunFolder.name(of: $0).hasSuffix("-\($0.train.randomSeed)") }
          ?? true)
    }
  }

  /// The datasets that runs were made on, in the order of LRA's tasks, then by name.
  var columns: [String] {
    let names = Set(runs.map(\.record.dataset))
    return names.sorted { ReportData.rank($0, datasets) < ReportData.rank($1, datasets) }
  }

  private static func rank(_ name: String, _ datasets: [DatasetListing]) -> (Int, String) {
    let task =
      ReportData.column(of: name)
      ?? datasets.first { $0.summary.name == name }?.summary.task ?? ""
    return (Recipe.tasks.firstIndex(of: task) ?? Recipe.tasks.count, name)
  }

  /// LRA's task of a dataset in its canonical form; nil for any other dataset.
  static func column(of dataset: String) -> String? {
    TaskDescription.benchmark.first { $0.canonicalDataset == dataset }?.name
  }

  /// A number for every model, which decides its colour.
  var modelNumbers: [String: Int] {
    var numbers: [String: Int] = [:]
    let names = groups.map(\.model) + benches.flatMap { $0.cases.map(\.model) }
    for name in names where numbers[name] == nil { numbers[name] = numbers.count }
    return numbers
  }
}

/// What `lra-train bench --json` printed.
struct BenchFile: Codable, Sendable {
  var machine: String?
  var batch: Int?
  var precision: String?
  var cases: [Benchmark.Case]

  /// Reads the file.
  ///
  /// - Throws: `usage` when there is none, `malformed` when it is something else.
  init(reading path: String) throws {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw TrainError.noBench(path)
    }
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    guard let found = try? decoder.decode(BenchFile.self, from: data) else {
      throw TrainError.notABench(path)
    }
    let numbers = found.cases.flatMap { [Double($0.length), $0.stepsPerS.median] }
    guard numbers.allSatisfy({ $0 > 0 && $0.isFinite }) else { throw TrainError.notABench(path) }
    self = found
  }
}
