import ArgumentParser
import Console
import Datasets

/// The tool: its subcommands, one file each.
@main
struct LraData: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lra-data",
    abstract: "Make, verify and look at the data of the Long Range Arena.",
    version: "1.0.0",
    subcommands: [
      Gen.self, Merge.self, FetchCommand.self, Convert.self, ExportCommand.self, Ls.self, Show.self,
      Stats.self, Verify.self, Build.self, ManifestCommand.self, Diff.self, Rm.self,
    ])

  static func main() {
    runTool(verdict: verdict) {
      var command = try LraData.parseAsRoot()
      try command.run()
    }
  }

  /// What the parser says of an error.
  private static func verdict(_ error: any Error) -> ParserVerdict {
    switch LraData.exitCode(for: error) {
    case .success: return .answer(LraData.fullMessage(for: error))
    case .validationFailure:
      let message = LraData.message(for: error)
      let help = LraData.fullMessage(for: error).range(of: "Usage: ").map {
        String(LraData.fullMessage(for: error)[$0.lowerBound...])
      }
      return .usage(message: message.prefix(1).lowercased() + message.dropFirst(), help: help)
    default: return .other
    }
  }
}
