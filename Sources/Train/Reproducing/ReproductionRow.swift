import Foundation

/// A published accuracy beside ours, with the verdict.
public struct ReproductionRow: Encodable, Sendable, Equatable {
  /// Our mean over seeds; accuracies are shares, 0...1.
  public struct Ours: Encodable, Sendable, Equatable {
    /// The mean test accuracy of the checkpoints that validation chose.
    public var mean: Double
    /// The deviation of one run; nil with one seed.
    @OrNull public var deviation: Double?
    /// The 95 % interval of the mean (`SeedMean`): low, high.
    public var ci95: [Double]
    /// How many seeds it is the mean of.
    public var seeds: Int
  }

  /// Ours minus published, as shares.
  public struct Difference: Encodable, Sendable, Equatable {
    /// The difference.
    public var value: Double
    /// Its 95 % interval (`SeedMean.difference`): low, high.
    public var ci95: [Double]
    /// Whether the interval includes 0.
    public var agrees: Bool { ci95[0] <= 0 && ci95[1] >= 0 }
  }

  /// A number of ours and of the published run.
  public struct Pair: Encodable, Sendable, Equatable {
    /// Ours; nil without a dataset.
    @OrNull public var ours: Int?
    /// Theirs.
    public var published: Int
  }

  /// A run of the row.
  public struct Run: Encodable, Sendable, Equatable {
    /// The seed.
    public var seed: Int
    /// How it stands.
    public var state: SweepRun.State
    /// Test accuracy of the best checkpoint; nil without a result.
    @OrNull public var test: Double?
    /// The run's folder.
    public var run: String
  }

  /// The task.
  public let task: String
  /// The model.
  public let model: String
  /// The dataset that it is or would be run on.
  public let dataset: String
  /// The published accuracy, a share.
  public let published: Double
  /// Where it stands.
  public let source: String
  /// How sure that is.
  public let certainty: Reproduction.Certainty
  /// Our mean; nil until a run has a result.
  public let ours: Ours?
  /// Ours minus published; nil without ours.
  public let difference: Difference?
  /// `agrees: ...`, `differs by ...` or `not run: why`, then everything that limits the comparison.
  public let verdict: String
  /// Training steps.
  public let steps: Pair
  /// Test examples.
  public let testExamples: Pair
  /// What trivial rules reach on our test split; nil until a run has a result.
  public let baselines: BaselineScores?
  /// The overrides of the table's file and of the command line.
  public let settings: [String]
  /// The runs, by seed.
  public let runs: [Run]

  enum CodingKeys: CodingKey {
    case task, model, dataset, published, source, certainty, ours, difference, agrees, verdict
    case steps, testExamples, baselines, settings, runs
  }

  /// Writes null, not nothing, where there is no result.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(task, forKey: .task)
    try container.encode(model, forKey: .model)
    try container.encode(dataset, forKey: .dataset)
    try container.encode(published, forKey: .published)
    try container.encode(source, forKey: .source)
    try container.encode(certainty, forKey: .certainty)
    try container.encode(ours, forKey: .ours)
    try container.encode(difference, forKey: .difference)
    try container.encode(difference?.agrees, forKey: .agrees)
    try container.encode(verdict, forKey: .verdict)
    try container.encode(steps, forKey: .steps)
    try container.encode(testExamples, forKey: .testExamples)
    try container.encode(baselines, forKey: .baselines)
    try container.encode(settings, forKey: .settings)
    try container.encode(runs, forKey: .runs)
  }
}

extension ReproductionRow {
  /// What is known of a row before its runs.
  struct Facts: Sendable {
    var value: Reproduction.Value
    /// The dataset, and the usual one of the task.
    var dataset: String
    var usualDataset: String
    var steps: Pair
    var testExamples: Pair
    /// Seeds that are wanted.
    var seeds: Int
    /// Runs that the published value is the mean of.
    var publishedRuns = 1
    /// All overrides, and those among them that are not the table's own.
    var settings: [String] = []
    var overrides: [String] = []
    /// Why the row cannot be run; nil when it can.
    var reason: String?
  }

  /// Measures the runs against the published value.
  init(_ facts: Facts, _ runs: [Run], baselines: BaselineScores? = nil) {
    let measured = runs.compactMap(\.test)
    var ours: Ours?
    var difference: Difference?
    if let examples = facts.testExamples.ours, !measured.isEmpty, facts.reason == nil {
      let mean = SeedMean(measured, examples: examples)
      ours = Ours(
        mean: mean.mean, deviation: mean.deviation,
        ci95: [mean.interval.lowerBound, mean.interval.upperBound], seeds: measured.count)
      let found = mean.difference(
        from: facts.value.share, examples: facts.testExamples.published, runs: facts.publishedRuns)
      difference = Difference(
        value: found.value, ci95: [found.interval.lowerBound, found.interval.upperBound])
    }
    (task, model, dataset) = (facts.value.task, facts.value.model, facts.dataset)
    (published, source) = (facts.value.share, facts.value.source)
    certainty = facts.value.certainty
    (self.ours, self.difference) = (ours, difference)
    (steps, testExamples, settings) = (facts.steps, facts.testExamples, facts.settings)
    self.baselines = baselines
    self.runs = runs
    verdict = ReproductionRow.verdict(facts, runs, difference)
  }

  private static func verdict(_ facts: Facts, _ runs: [Run], _ difference: Difference?) -> String {
    if let reason = facts.reason { return "not run: \(reason)" }
    guard let difference else {
      let unfinished = runs.count { !$0.state.isEnd }
      let words = unfinished > 0 ? ["\(unfinished) of \(runs.count) runs unfinished"] : []
      return "not run: " + (words + lost(runs)).joined(separator: ", ")
    }
    let range = "[\(points(difference.ci95[0])), \(points(difference.ci95[1]))]"
    let found =
      difference.agrees
      ? "agrees: difference \(points(difference.value)) \(range)"
      : "differs by \(points(difference.value)) \(range)"
    let width = difference.ci95[1] - difference.ci95[0]
    let isVague = difference.agrees && width > widest
    let vague = isVague ? ["an interval this wide says little"] : []
    return ([found] + vague + notes(facts, runs)).joined(separator: "; ")
  }

  /// The widest interval of an agreement that is shown without a warning: a table's models are a few
  /// points apart, so one of 10 points would agree with any of them.
  private static let widest = 0.1

  /// What limits the comparison.
  private static func notes(_ facts: Facts, _ runs: [Run]) -> [String] {
    var notes: [String] = []
    if let steps = facts.steps.ours, steps != facts.steps.published {
      notes.append(
        steps < facts.steps.published
          ? "\(steps.grouped) of \(facts.steps.published.grouped) steps"
          : "\(steps.grouped) steps, published \(facts.steps.published.grouped)")
    }
    if let examples = facts.testExamples.ours, examples < facts.testExamples.published {
      notes.append(
        "\(examples.grouped) of \(facts.testExamples.published.grouped) test examples")
    }
    if facts.dataset != facts.usualDataset { notes.append("dataset \(facts.dataset)") }
    if !facts.overrides.isEmpty {
      notes.append("overridden: \(facts.overrides.joined(separator: ", "))")
    }
    let seeds = runs.count { $0.test != nil }
    if seeds < facts.seeds {
      notes.append("\(seeds) of \(facts.seeds) seeds")
    }
    if seeds == 1 { notes.append("one seed: the intervals do not cover seeds") }
    let stuck = runs.count { $0.state == .plateau }
    if stuck > 0 { notes.append("\(stuck) of \(runs.count) runs stayed on the plateau") }
    notes += lost(runs)
    if facts.value.certainty == .memory {
      notes.append("the published value is from memory, unverified")
    }
    return notes
  }

  /// The runs that ended without a number.
  private static func lost(_ runs: [Run]) -> [String] {
    [SweepRun.State.diverged, .failed].compactMap { state in
      let count = runs.count { $0.state == state }
      return count > 0 ? "\(count) of \(runs.count) runs \(state.rawValue)" : nil
    }
  }

  /// A difference of shares in points of percent with its sign: `+2.3`.
  private static func points(_ share: Double) -> String {
    let text = (share * 100).fixed(1)
    return text.hasPrefix("-") ? text : "+" + text
  }
}
