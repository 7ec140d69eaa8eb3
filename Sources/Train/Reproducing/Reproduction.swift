import Attention
import Datasets

/// A published table: its values, where they stand, what is known to differ, and what reruns it.
///
/// `reproductions/NAME-table.yaml` in the form that `init(yaml:name:)` reads. A table has either accuracies
/// (`values`, compared by training) or costs (`efficiency`, compared with measurements).
public struct Reproduction: Sendable, Equatable {
  /// How sure it is that a value stands where its source says.
  public enum Certainty: String, Codable, Sendable, CaseIterable {
    /// Read in the paper or a repository.
    case read
    /// From memory, unverified; marked wherever the value is shown.
    case memory
  }

  /// What is said of all values on a task.
  public struct TaskPart: Sendable, Equatable {
    /// The task.
    public var task: String
    /// The dataset; nil for the usual one of the task.
    public var dataset: String?
    /// Examples that a published accuracy was measured on, at least 1.
    public var testExamples: Int
    /// Steps that the published runs took, at least 1; nil for those of the protocol.
    public var steps: Int?
    /// Overrides, each `key=value`.
    public var settings: [String] = []
    /// What is known to differ between theirs and the rerun.
    public var differs: [String] = []
  }

  /// What is said of a model on all tasks.
  public struct ModelPart: Sendable, Equatable {
    /// The model.
    public var model: String
    /// Overrides, each `key=value`.
    public var settings: [String] = []
    /// What is known to differ between theirs and the rerun.
    public var differs: [String] = []
  }

  /// A published accuracy.
  public struct Value: Sendable, Equatable {
    /// The task.
    public var task: String
    /// The model.
    public var model: String
    /// Right predictions on the test split in percent, 0...100.
    public var percent: Double
    /// Where it stands.
    public var source: String
    /// How sure that is.
    public var certainty: Certainty

    /// The accuracy as a share, 0...1: the number nearest to the decimals that were printed.
    public var share: Double { (percent * 1e6).rounded() / 1e8 }
  }

  /// Published costs by length.
  public struct Efficiency: Sendable, Equatable {
    /// Lengths in tokens, the order of all lists below.
    public var lengths: [Int]
    /// Training steps per second by model.
    public var stepsPerSecond: [String: [Double]]
    /// Peak memory in GB by model.
    public var gigabytes: [String: [Double]]
  }

  /// The name that users type: `nystromformer`.
  public var name = ""
  /// What it is, in a line.
  public var title = ""
  /// Where its values stand, unless a value says otherwise.
  public var source = ""
  /// How sure that is, unless a value says otherwise.
  public var certainty = Certainty.memory
  /// The protocol or recipe file that reruns it.
  public var protocolName = "small"
  /// How many seeds rerun it, 1...1000: 3 takes 0, 1 and 2.
  public var seeds = 1
  /// How many runs a published value is the mean of, at least 1; 1 where that is not said.
  public var publishedRuns = 1
  /// Overrides for all of it, each `key=value`.
  public var settings: [String] = []
  /// What is known to differ everywhere.
  public var differs: [String] = []
  /// The tasks in the order of the file.
  public var tasks: [TaskPart] = []
  /// What is said of single models.
  public var models: [ModelPart] = []
  /// The values, model by model.
  public var values: [Value] = []
  /// Costs instead of accuracies; nil for a table of accuracies.
  public var efficiency: Efficiency?

  /// The models in the order of the file.
  public var modelNames: [String] { values.map(\.model).uniqued() }

  /// The value of a model on a task; nil where none was published.
  public func value(_ model: String, _ task: String) -> Value? {
    values.first { $0.model == model && $0.task == task }
  }

  /// What is known to differ for some rows: what it is about, and the words.
  public func differences(of rows: [ReproductionRow]) -> [(subject: String, words: String)] {
    let (own, names) = (Set(rows.map(\.task)), Set(rows.map(\.model)))
    return differs.map { ("everywhere", $0) }
      + tasks.filter { own.contains($0.task) }.flatMap { part in
        part.differs.map { (part.task, $0) }
      }
      + models.filter { names.contains($0.model) }.flatMap { part in
        part.differs.map { (part.model, $0) }
      }
  }

  /// What the numbers and verdicts of a comparison mean.
  public static let legend = """
    Ours: the mean ± deviation over seeds at the checkpoint that validation chose; its 95 % interval \
    combines Wilson's of the test examples, which all seeds share, with t s / √S of S seeds of \
    deviation s. The difference is ours minus published; its 95 % interval combines both sides' test \
    examples with t s √(1/S + 1/R), as if the R published runs deviated like ours; it agrees when the \
    interval includes 0.
    """

  /// What the file sets for a model on a task, in the order in which later ones win.
  func settings(_ model: String, _ task: TaskPart) -> [String] {
    settings + task.settings + (models.first { $0.model == model }?.settings ?? [])
  }

  /// A built-in table by name, or the one of a YAML file.
  ///
  /// - Throws: `usage` for what is neither, and with all mistakes of a file; `malformed` when it is not
  ///   YAML, `failure` when it cannot be read.
  public static func open(_ name: String) throws -> Reproduction {
    if let found = builtIn.first(where: { $0.name == name }) { return found }
    guard name.contains("/") || name.hasSuffix(".yaml") || name.hasSuffix(".yml") else {
      throw TrainError.unknownReproduction(name, builtIn.map(\.name))
    }
    return try Reproduction(yaml: Recipe.text(ofFile: name), name: name)
  }

  /// The tables that are part of the program, from the YAML files under `Reproductions`.
  public static let builtIn: [Reproduction] = [
    ("lra", PackageResources.lra_table_yaml),
    ("lra-efficiency", PackageResources.lra_efficiency_table_yaml),
    ("nystromformer", PackageResources.nystromformer_table_yaml),
    ("skyformer", PackageResources.skyformer_table_yaml),
  ].map { name, bytes in
    do {
      let text = String(decoding: bytes, as: UTF8.self)
      return try Reproduction(yaml: text, name: "\(name)-table.yaml")
    } catch {
      preconditionFailure("the built-in \(name)-table.yaml is wrong: \(error)")
    }
  }
}
