import ArgumentParser
import Console
import Datasets

/// `convert`: datasets from the files of others.
struct Convert: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make a dataset from an archive, a folder or files.",
    discussion: Convert.belonging,
    subcommands: [
      ConvertIMDb.self, ConvertAAN.self, ConvertCIFAR10.self, ConvertRelease.self, ConvertTSV.self,
      ConvertCSV.self, ConvertJSONL.self, ConvertNpy.self,
    ])

  /// What belongs to a folder or an archive, part of the help.
  static let belonging = """
    Of folders and archives are left out, and named: what begins with a dot or lies below such a folder, \
    __MACOSX, backups (~, .bak, .orig, .swp, .tmp), and shards that this tool wrote.
    """
}

/// What every conversion takes.
struct ConversionOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The dataset's name (default: by kind).", valueName: "name"))
  var name: String?
  @Option(help: ArgumentHelp("Examples per shard.", valueName: "n"))
  var shardExamples = 4096
  @OptionGroup var threads: ThreadOptions
  @Flag(help: "Read everything, say what would be made, and make nothing.")
  var dryRun = false
  @OptionGroup var common: CommonOptions

  /// Reads the sources, and makes the dataset unless this is a dry run.
  func run(_ converter: some Converter, from paths: [String], command: String) throws {
    let name = name ?? converter.datasetName
    let work = Work(
      name: name, origin: "from \(paths.map(shownName).joined(separator: ", "))", splits: [],
      common: common, command: command)
    var options = work.options(threads: threads.count)
    options.shardExamples = shardExamples
    if dryRun {
      let (estimate, splits, skipped) = try common.store.estimate(
        converter, from: paths, options: options)
      return try work.print(estimate, task: converter.task, splits: splits, skipped: skipped)
    }
    let result = try common.store.convert(converter, from: paths, name: name, options: options)
    try work.print(result)
  }

  func shownName(_ path: String) -> Substring {
    path.split(separator: "/").last ?? Substring(path)
  }
}

/// What a conversion takes that makes a validation split.
struct SplitOptions: ParsableArguments {
  @Option(name: .customLong("protocol"), help: "Whose splits to make.")
  var splitProtocol = SplitProtocol.paper
  @Option(
    help: ArgumentHelp("Validation examples (default: a tenth of training).", valueName: "n"))
  var validation: Int?
}

/// `convert imdb`.
struct ConvertIMDb: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "imdb",
    abstract: "Byte-level text: 50,000 film reviews, positive or negative.",
    discussion: """
      Reads aclImdb_v1.tar.gz, or its folder, without unpacking it. Validation is a tenth of the training \
      reviews of each class, chosen by the SHA-256 of their names; protocol released validates on the \
      test reviews, as LRA's code does.
      """)

  @Option(help: ArgumentHelp("aclImdb_v1.tar.gz or its folder.", valueName: "path"))
  var from: String
  @OptionGroup var split: SplitOptions
  @Flag(help: "Add the 50,000 unlabelled reviews as a split unsup.")
  var unsup = false
  @OptionGroup var conversion: ConversionOptions

  func run() throws {
    var imdb = IMDb()
    imdb.splits = split.splitProtocol
    imdb.validation = split.validation
    imdb.unsup = unsup
    try conversion.run(imdb, from: [from], command: "convert imdb")
  }
}

/// `convert aan`.
struct ConvertAAN: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "aan",
    abstract: "Byte-level retrieval: pairs of papers, does one cite the other?",
    discussion: """
      Reads new_aan_pairs.train.tsv, new_aan_pairs.eval.tsv and new_aan_pairs.test.tsv: three --from, a \
      folder that holds them at any depth, or lra_release.gz without unpacking it. Every document is \
      stored once, in a split documents, to which the pairs refer.
      """)

  @Option(
    help: ArgumentHelp(
      "A file of pairs, a folder or the release archive; repeat for more.", valueName: "path"))
  var from: [String]
  @Option(
    name: .customLong("protocol"), help: "Whose splits to make; both have those of the files.")
  var splitProtocol = SplitProtocol.paper
  @OptionGroup var conversion: ConversionOptions

  func run() throws {
    var aan = AAN()
    aan.splits = splitProtocol
    try conversion.run(aan, from: from, command: "convert aan")
  }
}

extension SplitProtocol: ExpressibleByArgument {}
