import Foundation

/// The released archive of LRA, `lra_release.gz`: a tar.gz of several datasets, whatever its name says.
///
/// Reads `listops-1000/basic_{train,val,test}.tsv`, the pairs of AAN (as the converter `AAN`) and the Pathfinder
/// trees (`ReleasedPathfinder`), with or without folders `lra_release` in front, or the unpacked folder. All datasets that are found come
/// from one pass; images stay in memory as PNG until they are written, so memory is about the size of the
/// chosen trees (the whole archive has 8 GB): pick some with `only` on a small machine.
///
/// The release records no split of Pathfinder, and no two codebases have the same one. Here validation and
/// test are a tenth each, those with the smallest SHA-256 of their member path
/// (`pathfinder32/curv_baseline/imgs/0/sample_172.png`); each split is sorted by batch and number.
public struct LRARelease: Sendable {
  /// The datasets that there can be, ListOps first.
  public static let names =
    ["listops-2k", AAN().datasetName] + ReleasedPathfinder.Tree.all.map(\.name)

  /// Names of datasets to make; all that are found when empty.
  public var only: [String] = []

  /// All of them.
  public init() {}

  /// - Throws: `usage`.
  func validate() throws {
    if let unknown = only.first(where: { !LRARelease.names.contains($0) }) {
      throw DatasetError.invalidParameter(
        "--only \(unknown) is no dataset of the release; it has: "
          + LRARelease.names.joined(separator: ", "))
    }
  }

  private func isWanted(_ name: String) -> Bool { only.isEmpty || only.contains(name) }

  /// Reads everything that is wanted.
  ///
  /// - Returns: the datasets in the order of `names`, and files of a dataset that is not whole.
  func read(_ sources: SourceReader) throws -> ([ReleasedDataset], skipped: [SkippedFile]) {
    var listOps = ReleasedListOps()
    var expressions: [String: [SequenceRow]] = [:]
    var trees: [ReleasedPathfinder.Tree: ReleasedPathfinder] = [:]
    var documents = DocumentPool()
    var pairs: [AANFile: [DocumentPair]] = [:]
    var pairPaths: [String] = []
    try sources.forEachFile { file in
      let components = file.components
      if let (tree, content) = ReleasedPathfinder.content(components) {
        if isWanted(tree.name) {
          try trees[tree, default: ReleasedPathfinder(tree)].add(file, content)
        }
      } else if let split = LRARelease.listOpsSplit(components), isWanted("listops-2k") {
        guard expressions[split] == nil else {
          throw file.malformed("the split \(split) of ListOps is there twice")
        }
        expressions[split] = try listOps.rows(of: file)
      } else if let kind = AANFile(file.name), isWanted(AAN().datasetName) {
        guard pairs[kind] == nil else { throw DatasetError.pairsTwice(sources.names, kind.name) }
        var reader = AANReader(kind, file)
        pairs[kind] = try reader.read(into: &documents)
        pairPaths.append(file.path)
      }
    }
    var found: [ReleasedDataset] = []
    if !expressions.isEmpty {
      found.append(try LRARelease.listOps(listOps.symbols, expressions, sources.names))
    }
    let isWhole = pairs.count == AANFile.allCases.count
    if isWhole { found.append(ReleasedDataset(pairs: AAN.content(pairs, documents))) }
    let skipped =
      isWhole
      ? [] : pairPaths.map { SkippedFile(path: $0, reason: "other files of the pairs are missing") }
    for tree in ReleasedPathfinder.Tree.all {
      guard let images = trees.removeValue(forKey: tree), !images.isEmpty else { continue }
      found.append(
        ReleasedDataset(tree, content: try images.content(from: sources.names)))
    }
    let missing = only.filter { name in !found.contains { $0.datasetName == name } }
    guard missing.isEmpty, !found.isEmpty else {
      throw DatasetError.nothingFound(
        sources.names, missing.isEmpty ? "dataset of the release" : missing.joined(separator: ", "),
        expected: "lra_release.gz or its folder, with listops-1000 and pathfinder32 and others")
    }
    return (found, skipped)
  }

  private static func listOpsSplit(_ components: [Substring]) -> String? {
    guard components.count >= 2, components[components.count - 2].hasPrefix("listops") else {
      return nil
    }
    switch components.last {
    case "basic_train.tsv": return "train"
    case "basic_val.tsv": return "validation"
    case "basic_test.tsv": return "test"
    default: return nil
    }
  }

  private static func listOps(
    _ symbols: [UInt8], _ expressions: [String: [SequenceRow]], _ sources: String
  ) throws -> ReleasedDataset {
    let splits = try [("train", "train"), ("validation", "val"), ("test", "test")].map {
      name, file in
      guard let rows = expressions[name] else {
        throw DatasetError.nothingFound(
          sources, "basic_\(file).tsv", expected: "basic_train.tsv, basic_val.tsv, basic_test.tsv")
      }
      return (name: name, rows: rows)
    }
    var content = ConvertedContent(symbols, splits: splits, unit: "expressions")
    let longest = splits.flatMap(\.rows).map(\.count).max() ?? 0
    content.measured = ["max_length": .integer(max(2000, longest))]
    return ReleasedDataset(listOps: content)
  }
}

/// One dataset of the release.
struct ReleasedDataset: Converter {
  static let version = 1
  static let measured: Set<String> = ["max_length"]

  let task: String
  let datasetName: String
  let parameters: [String: ParameterValue]
  let content: ConvertedContent?

  init(listOps content: ConvertedContent?) {
    task = ListOpsConfiguration.task
    datasetName = "listops-2k"
    parameters = ["converter": .string("lra-release")]
    self.content = content
  }

  /// The same dataset as that of the converter `AAN`.
  init(pairs content: ConvertedContent?) {
    let converter = AAN()
    task = converter.task
    datasetName = converter.datasetName
    parameters = converter.parameters
    self.content = content
  }

  init(_ tree: ReleasedPathfinder.Tree, content: ConvertedContent?) {
    task = PathfinderConfiguration.task
    datasetName = tree.name
    parameters = [
      "contour_length": .integer(tree.difficulty.contourLength),
      "converter": .string("lra-release"), "size": .integer(tree.size),
    ]
    self.content = content
  }

  /// One that was not read yet.
  init?(named name: String) {
    if let tree = ReleasedPathfinder.Tree.all.first(where: { $0.name == name }) {
      self.init(tree, content: nil)
    } else {
      switch name {
      case "listops-2k": self.init(listOps: nil)
      case AAN().datasetName: self.init(pairs: nil)
      default: return nil
      }
    }
  }

  func validate() throws {}

  func read(_ sources: SourceReader) throws -> ConvertedContent {
    guard let content else {
      throw DatasetError.nothingFound(sources.names, datasetName, expected: "lra_release.gz")
    }
    return content
  }
}

/// What the conversion of the release did.
public struct ReleaseResult: Sendable, Equatable {
  /// The datasets, ListOps first.
  public let datasets: [ConversionResult]
  /// Files of datasets that are not whole.
  public let skipped: [SkippedFile]
}

extension DatasetStore {
  /// Makes datasets from the released archive, or the parts of them that are missing.
  ///
  /// - Parameters:
  ///   - paths: `lra_release.gz`, or its folder.
  ///   - name: another name, for one dataset only.
  /// - Throws: as `convert`.
  public func convertRelease(
    _ release: LRARelease, from paths: [String], name: String? = nil,
    options: GenerationOptions = .init()
  ) throws -> ReleaseResult {
    try release.validate()
    if name != nil, release.only.count != 1 {
      throw DatasetError.invalidParameter("--name needs one --only: there are several datasets")
    }
    let known = try release.only.compactMap(ReleasedDataset.init(named:)).map { dataset in
      try complete(dataset, name ?? dataset.datasetName, paths, options)
    }
    if !known.isEmpty, known.allSatisfy({ $0 != nil }) {
      return ReleaseResult(datasets: known.compactMap { $0 }, skipped: [])
    }
    var (plans, skipped) = try plans(release, paths, name, options)
    var results: [ConversionResult] = []
    while !plans.isEmpty {
      // What a dataset was made from is given up with its plan.
      let (plan, skipped) = plans.removeFirst()
      results.append(
        ConversionResult(
          generation: try Generation(plan, in: self, options).run(), sources: plan.sources,
          skipped: skipped))
    }
    return ReleaseResult(datasets: results, skipped: skipped)
  }

  /// What the conversion would make; reads the sources and writes nothing.
  public func estimate(
    _ release: LRARelease, from paths: [String], options: GenerationOptions = .init()
  ) throws -> (
    datasets: [(name: String, task: String, GenerationEstimate, splits: [SplitSize])],
    skipped: [SkippedFile]
  ) {
    try release.validate()
    let (plans, skipped) = try plans(release, paths, nil, options)
    return (
      try plans.map { ($0.0.name, $0.0.task, try $0.0.estimate(options), $0.0.splits) },
      plans.flatMap(\.1) + skipped
    )
  }

  private func plans(
    _ release: LRARelease, _ paths: [String], _ name: String?, _ options: GenerationOptions
  ) throws -> ([(GenerationPlan, [SkippedFile])], skipped: [SkippedFile]) {
    let reader = SourceReader(paths, isCancelled: { options.cancellation.isCancelled }) {
      options.progress(GenerationProgress(split: "reading", done: $0, total: $1))
    }
    let (datasets, skipped) = try release.read(reader)
    return (
      try datasets.map { dataset in
        let content = try dataset.read(reader)
        let plan = GenerationPlan(
          dataset, content, name: name ?? dataset.datasetName, sources: reader.records)
        try plan.validate()
        return (plan, content.skipped)
      }, reader.skipped + skipped
    )
  }
}
