/// The parameters of Pathfinder; the defaults are those of LRA's Pathfinder task, 32 hard.
public struct PathfinderConfiguration: Sendable, Equatable {
  /// How many dashes a target has.
  public enum Difficulty: String, Sendable, CaseIterable {
    /// 6 dashes.
    case easy
    /// 9 dashes.
    case intermediate
    /// 14 dashes: the difficulty of LRA's headline tasks.
    case hard

    /// Dashes of a target.
    public var contourLength: Int {
      switch self {
      case .easy: 6
      case .intermediate: 9
      case .hard: 14
      }
    }
  }

  /// What becomes of targets that touch each other.
  public enum Mode: String, Sendable, CaseIterable {
    /// As in the reference: they stay, and the label is noisy there.
    case compatible
    /// The attempt is rejected: no label noise.
    case strict
  }

  /// Whether examples have a mask of the marked target.
  public enum Segmentation: String, Sendable, CaseIterable {
    /// Classification: no mask.
    case none
    /// A mask; the image carries the marker on the origin only.
    case single
    /// A mask; the image carries the markers of both ends.
    case double
  }

  /// Pixels of a side: 32, 64, 128 (Path-X) or 256.
  public var size = 32
  /// Dashes of a target.
  public var difficulty = Difficulty.hard
  /// How many distractors are tried for; 0 or more.
  ///
  /// Fewer are placed when the image is full.
  public var distractors = 5
  /// What becomes of targets that touch each other.
  public var mode = Mode.compatible
  /// Whether examples have a mask.
  public var segmentation = Segmentation.none
  /// After so many attempts to place the two paths an image is called impossible; at least 1.
  ///
  /// The hardest size needs some thousands. No example depends on it.
  public var maxAttempts = 1_000_000

  /// The task's name.
  public static let task = "pathfinder"
  /// Raised whenever the same parameters and seed give other examples.
  public static let generatorVersion = 1
  /// The sizes that there are.
  public static let sizes = PathfinderGeometry.all.map(\.size)
  /// The splits of the benchmark.
  public static let standardSplits = SplitSize.standard(
    train: 160_000, validation: 20_000, test: 20_000)

  /// LRA's Pathfinder task.
  public init() {}

  /// A size and a difficulty with LRA's number of distractors.
  public init(size: Int, difficulty: Difficulty = .hard) {
    self.size = size
    self.difficulty = difficulty
    distractors = lraDistractors
  }

  /// The number of LRA's documentation: the size's budget over the dashes of a distractor.
  public var lraDistractors: Int { budget / distractorLength }

  /// The number of the code that LRA was made with, as far as it is known: half of the budget.
  public var denseDistractors: Int { budget / 2 }

  /// Dashes of a distractor.
  public var distractorLength: Int { contourLength / 3 }
  /// Dashes of a target.
  public var contourLength: Int { difficulty.contourLength }
  /// Pixels of an image: its length in tokens.
  public var pixels: Int { size * size }

  private var budget: Int { geometry?.distractorBudget ?? 0 }

  var geometry: PathfinderGeometry? { PathfinderGeometry.all.first { $0.size == size } }

  /// The parameters by name; what is as in LRA has no key of its own.
  public var parameters: [String: ParameterValue] {
    var parameters: [String: ParameterValue] = [
      "continuity": .string(geometry?.continuity ?? ""),
      "contour_length": .integer(contourLength), "size": .integer(size),
    ]
    if distractors != lraDistractors { parameters["distractors"] = .integer(distractors) }
    if mode != .compatible { parameters["mode"] = .string(mode.rawValue) }
    if segmentation != .none { parameters["segmentation"] = .string(segmentation.rawValue) }
    return parameters
  }

  /// The parameters of a manifest or of a dataset's config; nil when they are not Pathfinder's.
  public init?(parameters: [String: ParameterValue]) {
    guard case .integer(let size) = parameters["size"],
      case .integer(let length) = parameters["contour_length"],
      let difficulty = Difficulty.allCases.first(where: { $0.contourLength == length })
    else { return nil }
    self.init(size: size, difficulty: difficulty)
    if case .integer(let count) = parameters["distractors"] { distractors = count }
    if case .string(let text) = parameters["mode"], let mode = Mode(rawValue: text) {
      self.mode = mode
    }
    if case .string(let text) = parameters["segmentation"],
      let segmentation = Segmentation(rawValue: text)
    {
      self.segmentation = segmentation
    }
    guard geometry != nil, distractors >= 0, self.parameters == parameters else { return nil }
  }

  /// The name of a dataset with these parameters, as `pathfinder32-hard`.
  public var datasetName: String {
    var name = "pathfinder\(size)-\(difficulty.rawValue)"
    if distractors == denseDistractors && distractors != lraDistractors {
      name += "-dense"
    } else if distractors != lraDistractors {
      name += "-d\(distractors)"
    }
    if mode == .strict { name += "-strict" }
    switch segmentation {
    case .none: break
    case .single: name += "-segmentation"
    case .double: name += "-segmentation2"
    }
    return name
  }

  /// Checks that examples can exist.
  ///
  /// - Throws: `usage`, with every mistake in one message.
  public func validate() throws {
    var mistakes: [String] = []
    if geometry == nil {
      mistakes.append("images have 32, 64, 128 or 256 pixels a side, not \(size)")
    }
    if !(0...1000).contains(distractors) {
      mistakes.append("--distractors is \(distractors), 0...1000 allowed")
    }
    if !mistakes.isEmpty {
      throw DatasetError.invalidParameter(mistakes.joined(separator: "\n"))
    }
  }
}
