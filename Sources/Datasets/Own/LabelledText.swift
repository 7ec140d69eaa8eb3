/// A user's own text classification: lines of label and text, byte by byte.
///
/// Each line is `label TAB text`. A first line that names the columns - `label`, `text` and perhaps
/// `split`, in any order - gives the splits too; else a file's name does (`train.tsv`, `test.tsv`), else
/// they are chosen, see `OwnTask`. Labels are integers from 0. The text is everything between tabs and
/// line end (LF or CRLF), without quotes or escapes; it is stored byte for byte, id = byte + 1. The meta
/// text holds the line.
public struct LabelledText: Converter {
  /// Changes whenever the same files give another content.
  public static let version = 1
  /// What the parameters call this converter.
  static let kind = ParameterValue.string("tsv")
  /// Classes, longest text and number of ids.
  public static var measured: Set<String> { OwnTask.measured }

  /// Its name and splits.
  public var own: OwnTask

  /// A task of one's own.
  public init(_ own: OwnTask) { self.own = own }

  /// The converter of a manifest's parameters; nil when they are not its own.
  init?(task: String, parameters: [String: ParameterValue]) {
    own = OwnTask(task: task, parameters: parameters)
    guard self.parameters == parameters.filter({ !LabelledText.measured.contains($0.key) }) else {
      return nil
    }
  }

  /// The user's name for it.
  public var task: String { own.task }
  /// The task.
  public var datasetName: String { own.task }
  /// Everything that decides the content, apart from the files.
  public var parameters: [String: ParameterValue] { own.parameters("tsv") }

  /// - Throws: `usage`.
  public func validate() throws { try own.validate() }

  /// Reads all lines.
  ///
  /// - Throws: `malformedInput` with line and column.
  public func read(_ sources: SourceReader) throws -> ConvertedContent {
    var table = LabelledTable()
    try sources.forEachFile { try table.add($0) }
    guard !table.examples.rows.isEmpty else {
      throw DatasetError.nothingFound(
        sources.names, "examples", expected: "lines of a label, a tab and a text")
    }
    return try table.examples.content(
      of: own, table.symbols, vocabularySize: 257, from: sources.names)
  }
}
