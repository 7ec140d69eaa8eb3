/// Examples in memory, by the split that was given for them.
struct OwnExamples {
  /// nil: the split is to be chosen.
  var rows: [OwnSplit?: [SequenceRow]] = [:]
  /// The classes that were met.
  var labels: ClassLabels
  /// A column says the splits, whatever the files are called.
  var hasSplitColumn = false
  /// The files that were read, with the splits that their names say.
  private(set) var files: [(path: String, split: OwnSplit?)] = []
  /// Files of a folder or archive that are not of the kind that is read.
  private(set) var skipped: [SkippedFile] = []

  init(labels: ClassLabels = .init()) { self.labels = labels }

  /// Notes a file that is to be read.
  ///
  /// - Parameter suffixes: how the name of a file ends that belongs; the user's own choice always does.
  /// - Returns: the split that its name says; nil when the file does not belong.
  mutating func begin(_ file: SourceFile, suffixes: [String]) -> OwnSplit?? {
    let name = file.path.lowercased()
    guard file.isAlone || suffixes.contains(where: name.hasSuffix) else {
      let endings = suffixes.joined(separator: " or ")
      skipped.append(SkippedFile(path: file.path, reason: "its name does not end in \(endings)"))
      return nil
    }
    let split = OwnSplit(path: file.path)
    files.append((file.path, split))
    return .some(split)
  }

  /// Appends an example.
  mutating func add(_ row: SequenceRow, _ split: OwnSplit?) {
    rows[split, default: []].append(row)
  }

  /// - Throws: `malformedInput` when files that say no split look as if they did: pooling them would put
  ///   training examples into the test split.
  func refuseUnknownSplits(from sources: String) throws {
    guard !hasSplitColumn else { return }
    var seen: [(path: String, split: OwnSplit)] = []
    for (path, split) in files where split == nil {
      guard let resembled = OwnSplit(resembledBy: path) else { continue }
      if let other = seen.first(where: { $0.split != resembled }) {
        throw DatasetError.splitsUnclear(
          sources, other.path, path, as: other.split.rawValue, resembled.rawValue)
      }
      seen.append((path, resembled))
    }
  }
}
