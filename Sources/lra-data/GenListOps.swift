import ArgumentParser
import Console
import Datasets

/// `gen listops`.
struct GenListOps: GenCommand {
  static let configuration = CommandConfiguration(
    commandName: "listops", abstract: "Make ListOps: nested operations on digits, ten classes.",
    discussion: """
      An example depends on parameters, seed, split and position alone: threads, shard size, split \
      sizes and restarts change nothing. The same command goes on where it was interrupted.

      \(Gen.workers)
      """)

  @Option(help: ArgumentHelp("L/4 < tokens < L; k is 1000 (default: 2000).", valueName: "L"))
  var len: TokenCount?
  @Option(help: ArgumentHelp("More tokens than this (default: 500).", valueName: "n"))
  var minLength: TokenCount?
  @Option(help: ArgumentHelp("Fewer tokens than this (default: 2000).", valueName: "n"))
  var maxLength: TokenCount?
  @Option(help: ArgumentHelp("Levels of an expression (default: 10).", valueName: "n"))
  var maxDepth: Int?
  @Option(help: ArgumentHelp("Arguments of an operator at most.", valueName: "n"))
  var maxArgs = 10
  @OptionGroup var generation: GenOptions<ListOpsConfiguration>

  func validate() throws {
    if len != nil && (minLength != nil || maxLength != nil) {
      throw ValidationError("--len stands for --min-length and --max-length; give one or the other")
    }
  }

  func generator() throws -> ListOpsConfiguration {
    var configuration = ListOpsConfiguration(length: (len ?? maxLength)?.value ?? 2000)
    if len == nil { configuration.minLength = minLength?.value ?? 500 }
    configuration.maxDepth = maxDepth ?? configuration.maxDepth
    configuration.maxArgs = maxArgs
    do {
      try configuration.validate()
    } catch let error as DatasetError {
      guard let len else { throw error }
      throw Failure.usage("\(error.message) (--len \(len.typed) stands for these)")
    }
    return configuration
  }
}
