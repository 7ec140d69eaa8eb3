/// A published table of costs beside what `bench --json` measured: ratios to the Transformer.
///
/// Steps per second of other hardware, batch and precision cannot agree or differ; only how models
/// stand to each other can be looked at, and even that moves with the machine. So there is no verdict.
public struct EfficiencyComparison: Sendable {
  /// A cost as a number and as its ratio to the Transformer's at the same length.
  public struct Cost: Encodable, Sendable, Equatable {
    /// Training steps per second.
    public var stepsPerS: Double
    /// How many times the Transformer's; nil when that was not measured.
    @OrNull public var speedRatio: Double? = nil
    /// Peak memory in GB.
    @OrNull public var gigabytes: Double? = nil
    /// How many times the Transformer's; nil when that was not measured.
    @OrNull public var memoryRatio: Double? = nil
  }

  /// A model at a length.
  public struct Row: Encodable, Sendable, Equatable {
    /// Always `text`: costs are those of byte-level text.
    public var task = "text"
    /// The model.
    public var model: String
    /// Tokens of the published row.
    public var length: Int
    /// Theirs.
    public var published: Cost
    /// Where it stands.
    public var source: String
    /// How sure that is.
    public var certainty: Reproduction.Certainty
    /// Ours; nil when it was not measured.
    @OrNull public var ours: Cost?
    /// `not compared: ...` or `not measured`.
    public var verdict: String
  }

  /// The machine and what was measured there, in words.
  public let machine: String
  /// All models and lengths of the table.
  public let rows: [Row]

  /// Compares a table of costs with a file that `bench --json` printed.
  ///
  /// - Throws: `usage` when the table is one of accuracies or there is no file, `malformed` when it is
  ///   something else.
  public init(_ table: Reproduction, bench path: String) throws {
    guard let published = table.efficiency else { throw TrainError.takesNoBench(table.name) }
    let bench = try BenchFile(reading: path)
    machine = [bench.machine, bench.batch.map { "batch \($0)" }, bench.precision]
      .compactMap { $0 }.joined(separator: ", ")
    let models = published.stepsPerSecond.keys.sorted { one, other in
      one == "transformer" || (other != "transformer" && one < other)
    }
    rows = models.flatMap { model in
      published.lengths.indices.map { column in
        let ours = EfficiencyComparison.cost(model, column, published, bench)
        return Row(
          model: model, length: published.lengths[column],
          published: EfficiencyComparison.cost(model, column, published), source: table.source,
          certainty: table.certainty, ours: ours,
          verdict: ours == nil
            ? "not measured" : "not compared: other hardware, batch and precision")
      }
    }
  }

  private static func cost(
    _ model: String, _ column: Int, _ published: Reproduction.Efficiency
  ) -> Cost {
    let (speed, memory) = (published.stepsPerSecond, published.gigabytes)
    let own = (speed[model]?[column] ?? 0, memory[model]?[column])
    let reference = (speed["transformer"]?[column], memory["transformer"]?[column])
    return cost(own, reference)
  }

  private static func cost(
    _ model: String, _ column: Int, _ published: Reproduction.Efficiency, _ bench: BenchFile
  ) -> Cost? {
    func found(_ name: String) -> (Double, Double?)? {
      bench.cases.first { $0.model == name && published.column(length: $0.length) == column }
        .map { ($0.stepsPerS.median, Double($0.peakBytes) / 1e9) }
    }
    let reference = found("transformer")
    return found(model).map { cost($0, (reference?.0, reference?.1)) }
  }

  private static func cost(
    _ own: (speed: Double, memory: Double?), _ reference: (speed: Double?, memory: Double?)
  ) -> Cost {
    let memory = reference.memory.flatMap { $0 > 0 ? $0 : nil }
    return Cost(
      stepsPerS: own.speed, speedRatio: reference.speed.map { own.speed / $0 },
      gigabytes: own.memory,
      memoryRatio: own.memory.flatMap { own in memory.map { own / $0 } })
  }
}
