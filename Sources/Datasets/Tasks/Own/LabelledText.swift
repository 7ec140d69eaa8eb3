/// A user's own text classification: lines of label and text, byte by byte.
///
/// Each line is `label TAB text`. A first line that names the columns - `label`, `text` and perhaps
/// `split`, in any order - gives the splits too; else a file's name does (`train.tsv`, `test.tsv`), else
/// they are chosen, see `OwnTask`. Labels are integers from 0. The text is everything between tabs and
/// line end (LF or CRLF), without quotes or escapes; it is stored byte for byte, id = byte + 1. The meta
/// text holds the line. Other layouts are named by `columns`; columns that are not named are left out.
///
/// The same of CSV files (RFC 4180), whose fields may be quoted and hold commas and line breaks; there labels
/// may be the names of classes, as in `LabelledRecords`.
public struct LabelledText: Converter {
  /// How the fields of a line are told apart.
  public enum Format: String, Sendable {
    /// Tabs, without quotes.
    case tsv
    /// Commas, with quotes.
    case csv
  }

  /// Changes whenever the same files give another content.
  public static let version = 1
  /// People keep single files compressed.
  public static var readsCompressedFiles: Bool { true }
  /// Classes, longest text and number of ids.
  public static var measured: Set<String> { OwnTask.measured }

  /// Its name and splits.
  public var own: OwnTask
  /// How the fields of a line are told apart.
  public var format = Format.tsv
  /// Which column is which; nil for label and text, or what a first line says.
  public var columns: OwnColumns?
  /// Whether the first line of every file is no example.
  public var header = false

  /// A task of one's own.
  public init(_ own: OwnTask) { self.own = own }

  /// The converter of a manifest's parameters; nil when they are not its own.
  init?(task: String, parameters: [String: ParameterValue]) {
    own = OwnTask(task: task, parameters: parameters)
    if case .string(let name) = parameters["converter"] { format = Format(rawValue: name) ?? .tsv }
    if case .string(let typed) = parameters["columns"] { columns = try? OwnColumns(typed) }
    header = parameters["header"] == .integer(1)
    guard self.parameters == parameters.filter({ !LabelledText.measured.contains($0.key) }) else {
      return nil
    }
  }

  /// The user's name for it.
  public var task: String { own.task }
  /// The task.
  public var datasetName: String { own.task }
  /// Everything that decides the content, apart from the files.
  public var parameters: [String: ParameterValue] {
    var parameters = own.parameters(format.rawValue)
    if let columns { parameters["columns"] = .string("\(columns)") }
    if header { parameters["header"] = .integer(1) }
    return parameters
  }

  /// - Throws: `usage`.
  public func validate() throws { try own.validate() }

  /// Reads all lines.
  ///
  /// - Throws: `malformedInput` with line and column.
  public func read(_ sources: SourceReader) throws -> ConvertedContent {
    var table = LabelledTable(
      format, classes: own.classes, columns: columns, header: header)
    try sources.forEachFile { try table.add($0) }
    guard !table.examples.rows.isEmpty else {
      throw DatasetError.nothingFound(
        sources.names, "examples",
        expected: "lines of a label, a \(format == .tsv ? "tab" : "comma") and a text")
    }
    return try table.examples.content(
      of: own, table.symbols, vocabularySize: 257, from: sources.names)
  }
}
