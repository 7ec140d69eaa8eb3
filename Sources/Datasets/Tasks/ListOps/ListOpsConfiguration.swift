/// The parameters of ListOps; the defaults are those of the benchmark.
public struct ListOpsConfiguration: Sendable, Equatable {
  /// Every example has more tokens than this; 0 or more.
  public var minLength = 500
  /// Every example has fewer tokens than this.
  public var maxLength = 2000
  /// Nodes at this depth are digits; the root has depth 1.
  ///
  /// 1...64.
  public var maxDepth = 10
  /// An operator has 2...maxArgs arguments.
  ///
  /// 2...63.
  public var maxArgs = 10

  /// The task's name.
  public static let task = "listops"
  /// Raised whenever the same parameters and seed give other examples.
  public static let generatorVersion = 1

  /// The benchmark's parameters.
  public init() {}

  /// Parameters of one's own.
  public init(minLength: Int, maxLength: Int, maxDepth: Int, maxArgs: Int) {
    self.minLength = minLength
    self.maxLength = maxLength
    self.maxDepth = maxDepth
    self.maxArgs = maxArgs
  }

  /// The parameters for a length as in `--len 2k`: L/4 < tokens < L, deeper trees for long ones.
  ///
  /// - Parameter length: L in tokens; k is 1000 for ListOps.
  public init(length: Int) {
    minLength = length / 4
    maxLength = length
    maxDepth = length > 16_000 ? 16 : length > 8000 ? 12 : 10
  }

  /// The parameters of a manifest or of a dataset's config; nil when they are not ListOps'.
  public init?(parameters: [String: ParameterValue]) {
    func integer(_ key: String) -> Int? {
      guard case .integer(let value) = parameters[key] else { return nil }
      return value
    }
    guard parameters.count == 4, let minLength = integer("min_length"),
      let maxLength = integer("max_length"), let maxDepth = integer("max_depth"),
      let maxArgs = integer("max_args")
    else { return nil }
    self.init(minLength: minLength, maxLength: maxLength, maxDepth: maxDepth, maxArgs: maxArgs)
  }

  /// The parameters by name.
  public var parameters: [String: ParameterValue] {
    [
      "max_args": .integer(maxArgs), "max_depth": .integer(maxDepth),
      "max_length": .integer(maxLength), "min_length": .integer(minLength),
    ]
  }

  /// The name of a dataset with these parameters, as `listops-2k` or `listops-64`.
  public var datasetName: String {
    maxLength >= 1000 && maxLength % 1000 == 0
      ? "listops-\(maxLength / 1000)k" : "listops-\(maxLength)"
  }

  /// The splits of the release.
  public static let standardSplits = SplitSize.standard(
    train: 96_000, validation: 2000, test: 2000)

  /// Checks that examples can exist.
  ///
  /// - Throws: `usage`, with every mistake in one message.
  public func validate() throws {
    var mistakes: [String] = []
    if !(2...ListOpsEvaluation.maxArgs).contains(maxArgs) {
      mistakes.append("--max-args is \(maxArgs), 2...63 allowed")
    }
    if !(1...64).contains(maxDepth) {
      mistakes.append("--max-depth is \(maxDepth), 1...64 allowed")
    }
    if minLength < 0 { mistakes.append("--min-length is \(minLength), 0 or more allowed") }
    if maxLength > 100_000_000 {
      mistakes.append("--max-length is \(maxLength), at most 100000000 allowed")
    }
    if maxLength < minLength + 2 {
      mistakes.append(
        "no length lies strictly between --min-length \(minLength) and --max-length \(maxLength)")
    }
    if mistakes.isEmpty, shortestPossible >= maxLength || longestPossible <= minLength {
      mistakes.append(
        "expressions of depth \(maxDepth) and \(maxArgs) arguments have "
          + "\(shortestPossible)...\(longestPossible) tokens: none lies strictly between "
          + "--min-length \(minLength) and --max-length \(maxLength)")
    }
    if mistakes.isEmpty, minLength == 1, maxLength <= 4 {
      mistakes.append("no expression has 2 or 3 tokens; allow 1 or at least 4")
    }
    if !mistakes.isEmpty {
      throw DatasetError.invalidParameter(mistakes.joined(separator: "\n"))
    }
  }

  private var shortestPossible: Int { 1 }

  /// The tokens of the full tree: digits at the last level, two more per operator.
  private var longestPossible: Int {
    var length = 1
    for _ in 1..<max(maxDepth, 1) {
      length = length * maxArgs + 2
      if length > 1_000_000_000 { return length }
    }
    return length
  }
}
