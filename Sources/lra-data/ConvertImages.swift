import ArgumentParser
import Datasets

/// `convert cifar10`.
struct ConvertCIFAR10: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cifar10",
    abstract: "Greyscale images pixel by pixel: CIFAR-10, ten classes.",
    discussion: """
      Reads cifar-10-binary.tar.gz, cifar-10-python.tar.gz or one of their folders without unpacking; all \
      give the same dataset. Grey levels are those of LRA's pipeline. Validation is the last tenth of the \
      training batches under both protocols: LRA's own tenth followed the order of an input pipeline \
      that nobody can repeat. Pickles are read by a parser of this one layout: nothing in them is run.
      """)

  @Option(help: ArgumentHelp("The archive or its folder.", valueName: "path"))
  var from: String
  @OptionGroup var split: SplitOptions
  @Flag(help: "Keep red, green and blue behind the grey levels.")
  var color = false
  @OptionGroup var conversion: ConversionOptions

  func run() throws {
    var images = CIFAR10()
    images.validation = split.validation
    images.color = color
    try conversion.run(images, from: [from], command: "convert cifar10")
  }
}
