import ArgumentParser
import Console
import Datasets

/// `manifest`: what makes a dataset reproducible.
struct ManifestCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "manifest", abstract: "Write the manifest of a dataset (JSON).")

  @Argument(help: "The dataset.")
  var name: String
  @Option(help: ArgumentHelp("The file to write; - is standard output.", valueName: "path"))
  var out = "-"
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var common: CommonOptions

  func run() throws {
    let json = try Manifest(of: name, in: common.store, threads: threads.count).json
    if out == "-" { return Terminal.write(json, to: .output) }
    try Publication.publish(out) { try $0.write(Array(json.utf8)) }
    if !common.json { Terminal.out("\(name) is described in \(out)") }
    common.next("lra-data build \(shellQuoted(out)) --db NEW.sqlite")
  }
}
