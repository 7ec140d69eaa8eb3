/// What is known of a task without its data, described once.
///
/// Both tools, the trainer and the report read it; none of them asks for a task by its name. A task is its
/// folder in `Tasks/` and a line of the registry; one of another package is given to `add`.
public struct TaskDescription: Sendable {
  /// Parameters of a dataset by name.
  public typealias Parameters = [String: ParameterValue]
  /// The converter of a manifest's parameters; nil when they are another one's.
  public typealias ConverterFactory =
    @Sendable (_ task: String, Parameters) -> (any Converter)?

  /// As recipes and `--task` have it: `listops`.
  public var name: String
  /// As people write it: `ListOps`.
  public var title: String
  /// What its datasets say their task is; Path-X is made of Pathfinder's large images.
  public var stored: String
  /// The dataset in the benchmark's own form: `listops-2k`.
  public var canonicalDataset: String
  /// Tokens at which the benchmark cuts sequences; nil when the dataset tells it.
  public var benchmarkLength: Int?

  /// What makes its examples from a seed; nil when they are converted only.
  public var generator: (any GeneratorConfiguration.Type)?
  /// What makes them from files, by the parameters of a manifest.
  public var converters: [ConverterFactory] = []
  /// Whether a dataset of the stored task is one of this task.
  public var holds: @Sendable (Parameters) -> Bool = { _ in true }
  /// How the shards of a dataset hold its examples.
  public var form: @Sendable (Parameters) -> StoredForm = { _ in .symbols }
  /// What the symbols of a dataset stand for.
  public var symbols: @Sendable (Parameters) -> SymbolKind = { _ in .numbers }
  /// No example of a dataset has more tokens; nil for documents, which are stored whole and cut at load.
  public var greatestLength: @Sendable (Parameters) -> Int? = {
    if case .integer(let length) = $0["max_length"] { length } else { nil }
  }

  /// What the labels of an example are; nil when the dataset tells it, as for users' own tasks.
  public var labels: Labels?
  /// Token ids, padding 0 included; nil when the dataset tells it.
  public var vocabularySize: Int?
  /// The same in LRA's released code, where it differs.
  public var releasedVocabularySize: Int?
  /// Documents of one example: 2 for pairs.
  public var towers = 1
  /// Whether an example is a grey image, pixel by pixel.
  public var isImage = false
  /// Whether it counts in LRA's average; Path-X, which no model of LRA's learned, stands apart.
  public var isAveraged = false

  /// Rules that need no model, beside that of the majority.
  public var rules: [BaselineRule] = []
  /// By what accuracy is broken down, beside the length.
  public var strata: [StratumRule] = []
  /// The files of LRA's release; nil when it has none like them.
  var layout: (@Sendable (ExportSource) -> any LRALayout)?
  /// The terms of use; generated data is free of others' rights.
  public var licence = "see the sources"
  /// What to cite.
  public var citation = TaskDescription.benchmarkCitation

  /// A task whose datasets have its own name.
  ///
  /// - Parameters:
  ///   - title: nil for the name.
  ///   - canonicalDataset: nil for the name.
  public init(_ name: String, title: String? = nil, canonicalDataset: String? = nil) {
    self.name = name
    self.title = title ?? name
    stored = name
    self.canonicalDataset = canonicalDataset ?? name
  }

  /// What labels an example has.
  public enum Labels: Sendable, Equatable {
    /// One of so many classes.
    case perExample(classes: Int)

    /// How many classes there are.
    public var classes: Int {
      switch self {
      case .perExample(let classes): classes
      }
    }
  }

  private static let benchmarkCitation = """
    Tay et al., Long Range Arena: A Benchmark for Efficient Transformers, ICLR 2021, arXiv 2011.04006
    """

  /// A work of one's own, beside the benchmark's.
  static func citation(_ work: String) -> String { "\(work); \(benchmarkCitation)" }
}

/// A rule that predicts the most frequent class of the training examples that give the same key.
public struct BaselineRule: Sendable {
  /// As results have it: `first_token`.
  public let name: String
  /// What the rule looks at.
  public let key: @Sendable (UnsafeBufferPointer<UInt8>) -> Int

  /// - Parameter key: a function of an example's stored symbols.
  public init(_ name: String, key: @escaping @Sendable (UnsafeBufferPointer<UInt8>) -> Int) {
    self.name = name
    self.key = key
  }
}

/// By what the examples of a split are told apart.
public struct StratumRule: Sendable {
  /// As results have it: `depth`.
  public let name: String
  /// The value of the example at a position; nil when it has none.
  public let value: @Sendable (SplitReader, Int) throws -> Int?

  /// - Parameter value: a function of an example.
  public init(
    _ name: String, value: @escaping @Sendable (SplitReader, _ position: Int) throws -> Int?
  ) {
    self.name = name
    self.value = value
  }
}
