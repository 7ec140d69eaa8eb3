import Foundation
import Testing
import ToolRunner

/// The help of every command is a file in Snapshots; make them again with
/// `Tests/EndToEndTests/snapshots.sh .build/release/lra-data`.
@Suite("help and usage of lra-data")
struct HelpTests {
  @Test(
    "help is the snapshot",
    arguments: [
      "", "gen", "gen listops", "gen pathfinder", "merge", "fetch", "convert", "convert imdb",
      "convert aan", "convert cifar10", "convert lra-release", "convert npy", "convert tsv",
      "convert csv", "convert jsonl",
      "export", "ls", "show", "stats", "verify", "build", "manifest", "diff", "rm",
    ])
  func help(command: String) throws {
    let words = command.split(separator: " ").map(String.init)
    let folder = try TemporaryFolder()
    let outcome = try Program.lraData.run(words + ["--help"], in: folder.path)
    #expect(outcome.exit == 0)
    #expect(outcome.error == "")
    let name = (["lra-data"] + words).joined(separator: "-")
    let snapshot = Program.package + "/Tests/EndToEndTests/Snapshots/\(name).txt"
    #expect(outcome.output == (try String(contentsOfFile: snapshot, encoding: .utf8)))
  }

  @Test("the version is 1.0.0")
  func version() throws {
    #expect(try TemporaryFolder().data("--version").output == "1.0.0\n")
  }

  @Test("a wrong command line exits 64, with --json as an object on stdout")
  func usage() throws {
    let folder = try TemporaryFolder()
    let text = try folder.data("gen", "listops", "--len", "many")
    #expect(text.exit == 64)
    #expect(text.output == "")
    #expect(text.error.hasPrefix("error: the value 'many' is invalid for '--len <L>'\nUsage: "))
    let json = try folder.data("show", "--json")
    #expect(json.exit == 64)
    #expect(json.error == "")
    #expect(json.output.hasPrefix("{\"error\":{\"code\":\"usage\",\"exit\":64,\"message\":"))
    let both = try folder.data("gen", "listops", "--len", "64", "--min-length", "3")
    #expect(both.exit == 64)
  }

  @Test("a reader that goes away is no error")
  func brokenPipe() throws {
    let folder = try TemporaryFolder()
    let outcome = try Program(path: "/bin/sh").run(
      ["-c", "'\(Program.lraData.path)' gen listops --help | head -1"], in: folder.path)
    #expect(outcome.exit == 0)
    #expect(outcome.error == "")
  }
}
