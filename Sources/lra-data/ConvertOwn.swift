import ArgumentParser
import Datasets

/// What a user's own task takes.
struct OwnTaskArguments: ParsableArguments {
  @Option(help: ArgumentHelp("The task: a name of your own, none of LRA's.", valueName: "name"))
  var task = "custom"
  @Option(
    help: ArgumentHelp(
      "Validation examples to choose (default: a tenth).", valueName: "n"))
  var validation: Int?
  @Option(help: ArgumentHelp("Test examples to choose (default: a tenth).", valueName: "n"))
  var test: Int?
  @Option(help: ArgumentHelp("Names of the classes 0, 1, ...", valueName: "a,b,..."))
  var classes: String?

  var own: OwnTask {
    var own = OwnTask()
    own.classes =
      classes?.split(separator: ",", omittingEmptySubsequences: false).map(String.init) ?? []
    own.task = task
    own.validation = validation
    own.test = test
    return own
  }
}

/// What a table of labels and texts takes, whatever stands between its fields.
struct TableOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("A file, or a folder or archive of them; repeatable.", valueName: "path"))
  var from: [String]
  @Option(
    help: ArgumentHelp(
      "Which column is which: label=2,text=1,split=3, or names of the header.", valueName: "columns"
    ))
  var columns: String?
  @Flag(help: "The first line is a header, whatever it says.")
  var header = false
  @OptionGroup var own: OwnTaskArguments
  @OptionGroup var conversion: ConversionOptions

  /// Reads the tables, and makes the dataset unless this is a dry run.
  func convert(_ format: LabelledText.Format) throws {
    var text = LabelledText(own.own)
    text.format = format
    text.columns = try columns.map { try OwnColumns($0) }
    text.header = header
    try conversion.run(text, from: from, command: "convert \(format)")
  }
}

/// `convert tsv`.
struct ConvertTSV: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tsv",
    abstract: "Your own text classification: lines of label and text.",
    discussion: """
      Each line is a label, a tab and a text: no quotes, no escapes, no line breaks (convert jsonl takes \
      those). Labels are integers from 0, 1.0 too, or names with --classes. Texts are stored byte for \
      byte, id = byte + 1. Blank lines at the end are none.

      A first line may name the columns label, text (or sentence) and split (train, validation or test), \
      in any order; --columns names others. Without a column split the file names say it: train.tsv, \
      test.tsv. Where neither does, validation and test are the lines with the smallest SHA-256 of their \
      number. Where only train and test are given, validation is taken from train.

      \(Convert.belonging) Of the rest *.tsv is read, compressed too (mine.tsv.gz; bz2, xz, zst).
      """)

  @OptionGroup var table: TableOptions

  func run() throws { try table.convert(.tsv) }
}

/// `convert csv`.
struct ConvertCSV: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "csv",
    abstract: "Your own text classification: CSV files.",
    discussion: """
      Fields stand between commas (RFC 4180); one in quotes may hold commas, line breaks and doubled \
      quotes. Bytes are kept as they are, spaces too. A label is a whole number from 0 or the name of a \
      class: names are numbered in the order of their bytes, or as --classes says.

      A first line may name the columns label, text (or sentence) and split; --columns names others, by \
      header or number. Splits come to be as with convert tsv.

      \(Convert.belonging) Of the rest *.csv is read, compressed too (mine.csv.gz; bz2, xz, zst).
      """)

  @OptionGroup var table: TableOptions

  func run() throws { try table.convert(.csv) }
}

/// `convert jsonl`.
struct ConvertJSONL: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "jsonl",
    abstract: "Your own text classification: a JSON object per line.",
    discussion: """
      Each line is an object with the keys label, text and perhaps split (train, validation or test); \
      --columns names others, more keys are left out. A text may have line breaks. A label is a whole \
      number from 0 or the name of a class: names are numbered in the order of their bytes, or as \
      --classes says, and shown wherever labels are. Splits come to be as with convert tsv.

      \(Convert.belonging) Of the rest *.jsonl and *.ndjson are read, compressed too (mine.jsonl.gz; bz2, \
      xz, zst).
      """)

  @Option(
    help: ArgumentHelp("A file, or a folder or archive of them; repeatable.", valueName: "path"))
  var from: [String]
  @Option(
    help: ArgumentHelp(
      "Which key is which: label=stars,text=review,split=part.", valueName: "columns"))
  var columns: String?
  @OptionGroup var own: OwnTaskArguments
  @OptionGroup var conversion: ConversionOptions

  func run() throws {
    var records = LabelledRecords(own.own)
    records.columns = try columns.map { try OwnColumns($0) }
    try conversion.run(records, from: from, command: "convert jsonl")
  }
}

/// `convert npy`.
struct ConvertNpy: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "npy",
    abstract: "Your own classification of token sequences: NumPy arrays.",
    discussion: """
      Tokens are an integer array [N, L]: ids 1 to 256, and 0 as padding behind each sequence. With --raw \
      they are bytes, 0 to 255, all of them symbols (id = value + 1), and every sequence has L tokens. \
      Labels are an array [N] of classes from 0, integers or whole real numbers. Which file is which follows from its dimensions.

      The file names say the split: train_x.npy, train_y.npy, test/tokens.npy, test/labels.npy. Without \
      such words validation and test are the rows with the smallest SHA-256 of their number. Where only \
      train and test are given, validation is taken from train.

      Pickled arrays and Fortran order are refused.

      \(Convert.belonging) Of the rest *.npy is read, compressed too.
      """)

  @Option(
    help: ArgumentHelp("A file, or a folder or archive of them; repeatable.", valueName: "path"))
  var from: [String]
  @Flag(help: "Values are bytes 0 to 255; 0 is no padding.")
  var raw = false
  @OptionGroup var own: OwnTaskArguments
  @OptionGroup var conversion: ConversionOptions

  func run() throws {
    var arrays = LabelledArrays(own.own)
    arrays.raw = raw
    try conversion.run(arrays, from: from, command: "convert npy")
  }
}
