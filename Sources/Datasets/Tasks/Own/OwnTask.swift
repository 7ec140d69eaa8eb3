/// What a user's own classification task is called, and how its splits come to be.
///
/// Splits are given by file names or by a column, or chosen here: validation are the examples whose row
/// number (from 0, in decimal) has the smallest SHA-256, test the next ones. Where train and test are
/// given, validation is taken from train.
public struct OwnTask: Sendable, Equatable {
  /// The task, none of LRA's.
  public var task = "custom"
  /// Validation examples to choose; nil for a tenth.
  public var validation: Int?
  /// Test examples to choose; nil for a tenth.
  public var test: Int?
  /// The names of the classes 0, 1 and so on; empty for numbers alone.
  public var classes: [String] = []

  /// A task of its own name with a tenth each for validation and test.
  public init() {}

  /// The task of a manifest's parameters.
  init(task: String, parameters: [String: ParameterValue]) {
    self.task = task
    if case .integer(let count) = parameters["validation"] { validation = count }
    if case .integer(let count) = parameters["test"] { test = count }
    classes = ClassLabels.names(in: parameters, key: "classes")
  }

  /// What to do about a malformed file of one's own.
  static let advice = "nothing was written; correct the file and run the same command again"
  /// The greatest class.
  static let greatestLabel = 65_535

  /// - Throws: `usage`.
  func validate() throws {
    var mistakes: [String] = []
    let allowed = task.utf8.allSatisfy {
      UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 || UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0
        || "-_".utf8.contains($0)
    }
    if TaskDescription.named(task) != nil {
      mistakes.append("--task \(task) is a task of LRA; name your own one")
    } else if task.isEmpty || task.utf8.count > 40 || !allowed {
      mistakes.append(
        "--task \(CanonicalJSON.quoted(task)): lower-case letters, digits, - and _ allowed, at most 40"
      )
    }
    for (option, count) in [("validation", validation), ("test", test)] {
      if let count, count < 0 { mistakes.append("--\(option) is \(count), 0 or more allowed") }
    }
    if Set(classes).count < classes.count || classes.contains(where: { $0.isEmpty }) {
      mistakes.append(
        "--classes \(classes.joined(separator: ",")): every class needs a name of its own")
    }
    if !mistakes.isEmpty { throw DatasetError.invalidParameter(mistakes.joined(separator: "\n")) }
  }

  /// The parameters that every task of one's own has; the sources tell the others.
  func parameters(_ converter: String) -> [String: ParameterValue] {
    var parameters: [String: ParameterValue] = [
      "converter": .string(converter),
      "test": test.map(ParameterValue.integer) ?? .string("1/10"),
      "validation": validation.map(ParameterValue.integer) ?? .string("1/10"),
    ]
    if !classes.isEmpty { parameters["classes"] = ClassLabels.encoded(classes) }
    return parameters
  }

  static let measured: Set<String> = [
    "class_names", "max_length", "num_classes", "vocabulary_size",
  ]
}

/// A split that a user's files name.
enum OwnSplit: String, CaseIterable {
  case train
  case validation
  case test

  /// A word for a split, as people write it.
  init?(word: some StringProtocol) {
    switch word.lowercased() {
    case "train", "training": self = .train
    case "validation", "valid", "val", "dev", "eval": self = .validation
    case "test", "testing": self = .test
    default: return nil
    }
  }

  /// The split that a path names, in its last name before the others: `train_x.npy`, `test/labels.npy`.
  init?(path: String) {
    for name in path.split(separator: "/").reversed() {
      for word in name.split(whereSeparator: { !$0.isLetter }) {
        if let split = OwnSplit(word: word) {
          self = split
          return
        }
      }
    }
    return nil
  }

  /// The split that a path looks like without saying it: `trainset.tsv`, `testdata/a.npy`.
  init?(resembledBy path: String) {
    let beginnings: [(String, OwnSplit)] = [
      ("train", .train), ("trn", .train), ("test", .test), ("tst", .test), ("valid", .validation),
      ("valset", .validation), ("valdata", .validation), ("dev", .validation),
      ("eval", .validation),
    ]
    let endings: [(String, OwnSplit)] = [
      ("train", .train), ("training", .train), ("test", .test), ("valid", .validation),
      ("validation", .validation),
    ]
    for name in path.split(separator: "/").reversed() {
      for word in name.split(whereSeparator: { !$0.isLetter }).map({ $0.lowercased() }) {
        let found =
          beginnings.first { word.hasPrefix($0.0) } ?? endings.first { word.hasSuffix($0.0) }
        if let found {
          self = found.1
          return
        }
      }
    }
    return nil
  }
}
