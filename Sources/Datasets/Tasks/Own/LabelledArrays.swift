/// A user's own classification of token sequences: NumPy arrays of tokens and labels.
///
/// Tokens are a two-dimensional integer array [N, L] of ids 1...256 with 0 as padding behind each
/// sequence; padding is not stored. With raw bytes every value 0...255 is a symbol of its own
/// (id = value + 1) and every sequence has L of them. Labels are a one-dimensional integer array [N] of
/// classes from 0. Which file is which follows from its dimensions, the split from its name
/// (`train_x.npy`, `test/labels.npy`); without names splits are chosen, see `OwnTask`. The meta text holds
/// the row.
public struct LabelledArrays: Converter {
  /// Changes whenever the same files give another content.
  public static let version = 1
  /// Classes, longest sequence and number of ids.
  public static var measured: Set<String> { OwnTask.measured }

  /// People keep single files compressed.
  public static var readsCompressedFiles: Bool { true }

  /// Its name and splits.
  public var own: OwnTask
  /// Whether values are bytes instead of ids.
  public var raw = false

  /// A task of one's own.
  public init(_ own: OwnTask) { self.own = own }

  /// The converter of a manifest's parameters; nil when they are not its own.
  init?(task: String, parameters: [String: ParameterValue]) {
    own = OwnTask(task: task, parameters: parameters)
    raw = parameters["raw"] == .integer(1)
    guard self.parameters == parameters.filter({ !LabelledArrays.measured.contains($0.key) })
    else { return nil }
  }

  /// The user's name for it.
  public var task: String { own.task }
  /// The task.
  public var datasetName: String { own.task }
  /// Everything that decides the content, apart from the files.
  public var parameters: [String: ParameterValue] {
    own.parameters("npy").merging(["raw": .integer(raw ? 1 : 0)]) { $1 }
  }

  /// - Throws: `usage`.
  public func validate() throws { try own.validate() }

  /// Reads all arrays.
  ///
  /// - Throws: `malformedInput` with the place.
  public func read(_ sources: SourceReader) throws -> ConvertedContent {
    var arrays = TokenArrays(raw: raw, classes: own.classes)
    try sources.forEachFile { try arrays.add($0) }
    return try arrays.examples(sources.names).content(
      of: own, arrays.symbols, vocabularySize: raw ? 257 : arrays.greatestID + 1,
      from: sources.names)
  }
}
