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

  var own: OwnTask {
    var own = OwnTask()
    own.task = task
    own.validation = validation
    own.test = test
    return own
  }
}

/// `convert tsv`.
struct ConvertTSV: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tsv",
    abstract: "Your own text classification: lines of label and text.",
    discussion: """
      Each line is a label, a tab and a text: no quotes, no escapes. Labels are integers from 0. Texts are \
      stored byte for byte, id = byte + 1.

      A first line may name the columns label, text and split (train, validation or test), in any order. \
      Without a column split the file names say it: train.tsv, test.tsv. Where neither does, validation \
      and test are the lines with the smallest SHA-256 of their number. Where only train and test are \
      given, validation is taken from train.
      """)

  @Option(
    help: ArgumentHelp("A file, or a folder or archive of them; repeatable.", valueName: "path"))
  var from: [String]
  @OptionGroup var own: OwnTaskArguments
  @OptionGroup var conversion: ConversionOptions

  func run() throws {
    try conversion.run(LabelledText(own.own), from: from, command: "convert tsv")
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
      Labels are an integer array [N] of classes from 0. Which file is which follows from its dimensions.

      The file names say the split: train_x.npy, train_y.npy, test/tokens.npy, test/labels.npy. Without \
      such words validation and test are the rows with the smallest SHA-256 of their number. Where only \
      train and test are given, validation is taken from train.

      Pickled arrays and Fortran order are refused.
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
