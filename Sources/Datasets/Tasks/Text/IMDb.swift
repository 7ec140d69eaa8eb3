import Crypto

/// Byte-level text classification: the IMDb reviews, positive or negative.
///
/// Reads `aclImdb_v1.tar.gz` (Maas and others, ACL 2011) or its unpacked folder: `train/pos`, `train/neg`,
/// `test/pos`, `test/neg` and, on request, `train/unsup`, with files `ID_RATING.txt`. A review is stored
/// whole, byte for byte; label 0 is negative, 1 positive, and a rating that says otherwise is refused. Each split is sorted by label, then by review
/// id, so archive and folder give the same dataset. The meta text holds `rating` and `review_id`.
///
/// Validation: of each class the training reviews with the smallest SHA-256 of their member path
/// (`aclImdb/train/pos/0_9.txt`), a tenth of the class unless another number is asked for. LRA's released
/// code validates on the test reviews: protocol `released` does the same.
public struct IMDb: Converter {
  /// The task's name in LRA.
  public static let task = "text"
  /// Changes whenever the same archive gives another content.
  public static let version = 1

  /// Whose splits to make.
  public var splits = SplitProtocol.paper
  /// Validation reviews of both classes together, an even number; nil for a tenth.
  public var validation: Int?
  /// Whether the unlabelled reviews become a split `unsup`.
  public var unsup = false

  /// The defaults.
  public init() {}

  /// The converter of a manifest's parameters; nil when they are not its own.
  init?(task: String, parameters: [String: ParameterValue]) {
    if case .string(let name) = parameters["protocol"], let rule = SplitProtocol(rawValue: name) {
      splits = rule
    }
    if case .integer(let count) = parameters["validation"] { validation = count }
    unsup = parameters["unsup"] == .integer(1)
    guard self.task == task, self.parameters == parameters else { return nil }
  }

  /// `text`.
  public var task: String { IMDb.task }
  /// `text`.
  public var datasetName: String { "text" }
  /// Everything that decides the content, apart from the archive.
  public var parameters: [String: ParameterValue] {
    [
      "converter": .string("imdb"), "protocol": .string(splits.rawValue),
      "unsup": .integer(unsup ? 1 : 0),
      "validation": splits == .released
        ? .string("test") : validation.map(ParameterValue.integer) ?? .string("1/10"),
    ]
  }

  /// - Throws: `usage`.
  public func validate() throws {
    guard let validation else { return }
    if splits == .released {
      throw DatasetError.invalidParameter(
        "--validation has no meaning with --protocol released, which validates on the test reviews")
    }
    if validation < 0 || validation % 2 != 0 {
      throw DatasetError.invalidParameter(
        "--validation is \(validation); an even number, 0 or more, allowed: half of each class")
    }
  }

  /// Reads all reviews.
  ///
  /// - Throws: `malformedInput` when there are none of a class, `usage` when validation asks for more
  ///   than there are.
  public func read(_ sources: SourceReader) throws -> ConvertedContent {
    var symbols: [UInt8] = []
    symbols.reserveCapacity(unsup ? 140 << 20 : 70 << 20)
    var reviews: [Folder: [Review]] = [:]
    var skipped: [SkippedFile] = []
    try sources.forEachFile { file in
      guard let folder = Folder(file.components), folder != .unsup || unsup else { return }
      guard let (id, rating) = IMDb.name(file.name) else {
        return skipped.append(.init(path: file.path, reason: "its name is not ID_RATING.txt"))
      }
      if let label = folder.label, (1...10).contains(rating), label != (rating > 5 ? 1 : 0) {
        throw DatasetError.twoLabels(
          file.source, file.path, (label, "its folder"), (1 - label, "its rating"))
      }
      let start = symbols.count
      let count = try file.append(to: &symbols, limit: 1 << 24)
      guard count > 0 else {
        return skipped.append(.init(path: file.path, reason: "it is empty"))
      }
      let row = SequenceRow(
        start: start, count: count, label: folder.label,
        meta: #"{"rating":\#(rating),"review_id":\#(id)}"#)
      reviews[folder, default: []].append(Review(id: id, name: String(file.name), row: row))
    }
    for folder in Folder.allCases where reviews[folder] == nil && (folder != .unsup || unsup) {
      throw DatasetError.nothingFound(
        sources.names, "reviews in \(folder.rawValue)",
        expected: "aclImdb_v1.tar.gz or its folder, with train/pos, train/neg, test/pos, test/neg")
    }
    return try ConvertedContent(
      symbols, splits: splits(of: reviews.mapValues { $0.sorted() }), unit: "reviews",
      skipped: skipped)
  }

  // MARK: Splits

  /// A folder of the archive, whatever lies in front.
  private enum Folder: String, CaseIterable {
    case trainNegative = "train/neg"
    case trainPositive = "train/pos"
    case testNegative = "test/neg"
    case testPositive = "test/pos"
    case unsup = "train/unsup"

    init?(_ components: [Substring]) {
      guard components.count >= 3, components.count <= 4 else { return nil }
      self.init(rawValue: components.dropLast().suffix(2).joined(separator: "/"))
    }

    var label: Int? {
      switch self {
      case .trainNegative, .testNegative: 0
      case .trainPositive, .testPositive: 1
      case .unsup: nil
      }
    }
  }

  private struct Review: Comparable {
    let id: Int
    let name: String
    let row: SequenceRow

    static func < (one: Review, other: Review) -> Bool {
      one.id != other.id
        ? one.id < other.id : one.name.utf8.lexicographicallyPrecedes(other.name.utf8)
    }

    static func == (one: Review, other: Review) -> Bool {
      one.id == other.id && one.name == other.name
    }
  }

  private func splits(
    of reviews: [Folder: [Review]]
  ) throws -> [(name: String, rows: [SequenceRow])] {
    let rows = { (folder: Folder) in (reviews[folder] ?? []).map(\.row) }
    let test = rows(.testNegative) + rows(.testPositive)
    var train: [SequenceRow] = []
    var held: [SequenceRow] = []
    for folder in [Folder.trainNegative, .trainPositive] {
      let all = reviews[folder] ?? []
      let chosen = try splits == .paper ? validation(of: all, folder) : []
      train += all.indices.filter { !chosen.contains($0) }.map { all[$0].row }
      held += chosen.sorted().map { all[$0].row }
    }
    return [
      ("train", train), ("validation", splits == .released ? test : held), ("test", test),
    ] + (unsup ? [("unsup", rows(.unsup))] : [])
  }

  /// The reviews of a class with the smallest SHA-256 of their member path.
  private func validation(of reviews: [Review], _ folder: Folder) throws -> Set<Int> {
    let count = validation.map { $0 / 2 } ?? reviews.count / 10
    guard count <= reviews.count else {
      throw DatasetError.invalidParameter(
        "--validation asks for \(count.grouped) reviews of \(folder.rawValue), "
          + "which has \(reviews.count.grouped)")
    }
    let digests = reviews.map {
      Array(SHA256.hash(data: Array("aclImdb/\(folder.rawValue)/\($0.name)".utf8)))
    }
    let order = reviews.indices.sorted { digests[$0].lexicographicallyPrecedes(digests[$1]) }
    return Set(order.prefix(count))
  }

  /// Id and rating of a file `ID_RATING.txt`.
  private static func name(_ name: Substring) -> (id: Int, rating: Int)? {
    guard name.hasSuffix(".txt") else { return nil }
    let parts = name.dropLast(4).split(separator: "_", omittingEmptySubsequences: false)
    guard parts.count == 2, let id = number(parts[0]), let rating = number(parts[1]), rating <= 10
    else { return nil }
    return (id, rating)
  }

  private static func number(_ text: Substring) -> Int? {
    guard !text.isEmpty, text.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 })
    else { return nil }
    return Int(text)
  }
}
