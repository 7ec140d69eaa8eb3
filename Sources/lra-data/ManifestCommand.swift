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
    let manifest = try Manifest(of: name, in: common.store, threads: threads.count)
    if out == "-" { return Terminal.write(try manifest.json, to: .output) }
    try manifest.publish(out)
    if !common.json { Terminal.out("\(name) is described in \(out)") }
    common.next("lra-data build \(shellQuoted(out)) --db NEW.sqlite")
  }
}
