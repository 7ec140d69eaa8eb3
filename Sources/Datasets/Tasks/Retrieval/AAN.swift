/// Byte-level document retrieval: pairs of papers of the ACL Anthology Network, one citing the other or not.
///
/// Reads `new_aan_pairs.{train,eval,test}.tsv` of the Long Range Arena, as files, in a folder or in the release
/// archive, at any depth: see `AANReader` for their form. Every text is stored once, whole, byte for byte, in
/// a split `documents`, by first appearance in train, validation, test; the other splits are pairs that
/// refer to them, in the order of the lines. The meta of a document holds its `id`.
///
/// A document is its id and its text. Where an id comes with several texts, each is a document of its own,
/// so every pair has exactly the texts of its line; the meta of the second one holds `"variant":2`, and so on.
public struct AAN: Converter {
  /// The task's name in LRA.
  public static let task = "retrieval"
  /// Changes whenever the same files give another content.
  public static let version = 1

  /// Whose splits to make; both are those of the files.
  public var splits = SplitProtocol.paper

  /// The defaults.
  public init() {}

  /// The converter of a manifest's parameters; nil when they are not its own.
  init?(task: String, parameters: [String: ParameterValue]) {
    if case .string(let name) = parameters["protocol"], let rule = SplitProtocol(rawValue: name) {
      splits = rule
    }
    guard self.task == task, self.parameters == parameters else { return nil }
  }

  /// `retrieval`.
  public var task: String { AAN.task }
  /// `retrieval`.
  public var datasetName: String { "retrieval" }
  /// Everything that decides the content, apart from the files.
  public var parameters: [String: ParameterValue] {
    ["converter": .string("aan"), "protocol": .string(splits.rawValue)]
  }

  /// Every combination of parameters is valid.
  public func validate() throws {}

  /// Reads all pairs.
  ///
  /// - Throws: `malformedInput` with the line, or when a file is missing or there twice.
  public func read(_ sources: SourceReader) throws -> ConvertedContent {
    var documents = DocumentPool()
    var found: [AANFile: [DocumentPair]] = [:]
    try sources.forEachFile { file in
      guard let kind = AANFile(file.name) else { return }
      guard found[kind] == nil else { throw DatasetError.pairsTwice(sources.names, kind.name) }
      var reader = AANReader(kind, file)
      found[kind] = try reader.read(into: &documents)
    }
    for kind in AANFile.allCases where found[kind] == nil {
      throw DatasetError.nothingFound(
        sources.names, kind.name,
        expected: "new_aan_pairs.train.tsv, new_aan_pairs.eval.tsv and new_aan_pairs.test.tsv, "
          + "their folder, or lra_release.gz")
    }
    return AAN.content(found, documents)
  }

  /// Gives every document its place, whatever the order of the files was.
  static func content(
    _ found: [AANFile: [DocumentPair]], _ documents: DocumentPool
  ) -> ConvertedContent {
    var order: [Int] = []
    var places = [Int](repeating: -1, count: documents.count)
    func place(_ number: Int) -> Int {
      if places[number] < 0 {
        places[number] = order.count
        order.append(number)
      }
      return places[number]
    }
    var splits: [SplitSize] = []
    var pairs: [Int: [DocumentPair]] = [:]
    for kind in AANFile.allCases {
      let placed = (found[kind] ?? []).map {
        DocumentPair(
          document1: place($0.document1), document2: place($0.document2), label: $0.label)
      }
      pairs[kind.rawValue] = placed
      splits.append(SplitSize(name: kind.split, ordinal: kind.rawValue, count: placed.count))
    }
    splits.append(SplitSize(name: PairSplits.documents, ordinal: 3, count: order.count))
    let (metas, several) = metas(order.map { documents.ids[$0] })
    var content = ConvertedContent(splits: splits, unit: "documents", skipped: []) {
      [order] _, range, step in
      let bytes = range.reduce(0) { $0 + documents.withText(order[$1]) { $0.count } }
      var shard = ShardContent(first: range.lowerBound, capacity: bytes)
      for position in range {
        documents.withText(order[position]) {
          shard.append($0.bindMemory(to: UInt8.self), label: nil, meta: metas[position])
        }
        try step(1)
      }
      return shard
    }
    content.pairs = pairs
    if let note = contradiction(found) { content.notes.append(note) }
    if several > 0 {
      content.notes.append(
        "\(several.grouped) id\(several == 1 ? " comes" : "s come") with several texts; each text is "
          + "a document")
    }
    return content
  }

  /// Pairs that come with both labels, which no model can learn; nil when there are none.
  private static func contradiction(_ found: [AANFile: [DocumentPair]]) -> String? {
    struct Documents: Hashable {
      let first: Int
      let second: Int
    }
    var seen: [Documents: (label: Int, place: String)] = [:]
    var (count, first) = (0, "")
    for kind in AANFile.allCases {
      for (number, pair) in (found[kind] ?? []).enumerated() {
        let key = Documents(first: pair.document1, second: pair.document2)
        guard let other = seen[key] else {
          seen[key] = (pair.label, "\(kind.name), pair \(number + 1)")
          continue
        }
        guard other.label != pair.label else { continue }
        if count == 0 { first = "\(other.place), and \(kind.name), pair \(number + 1)" }
        count += 1
      }
    }
    guard count > 0 else { return nil }
    return
      "\(count.grouped) pair\(count == 1 ? " comes" : "s come") with both labels, first in \(first)"
  }

  /// The metas of all documents, and how many ids have several.
  private static func metas(_ ids: [String]) -> (metas: [String], several: Int) {
    var texts: [String: Int] = [:]
    var several = 0
    let metas = ids.map { id in
      let number = texts[id, default: 0] + 1
      texts[id] = number
      if number == 2 { several += 1 }
      let variant = number > 1 ? #","variant":\#(number)"# : ""
      return #"{"id":\#(CanonicalJSON.quoted(id))\#(variant)}"#
    }
    return (metas, several)
  }
}
