import Foundation
import Testing
import ToolRunner

/// The help of every command is a file in Snapshots; `Tests/EndToEndTests/snapshots.sh` makes them
/// again.
@Suite("help and usage of lra-train")
struct TrainHelpTests {
  @Test(
    "help is the snapshot",
    arguments: [
      "", "train", "resume", "eval", "predict", "score", "sweep", "reproduce", "bench", "span",
      "report", "models", "recipe",
    ])
  func help(command: String) throws {
    let words = command.split(separator: " ").map(String.init)
    let folder = try TemporaryFolder()
    let outcome = try Program.lraTrain.run(words + ["--help"], in: folder.path)
    #expect(outcome.exit == 0)
    #expect(outcome.error == "")
    let name = (["lra-train"] + words).joined(separator: "-")
    let snapshot = Program.package + "/Tests/EndToEndTests/Snapshots/\(name).txt"
    #expect(outcome.output == (try String(contentsOfFile: snapshot, encoding: .utf8)))
  }

  @Test("the version is 1.0.0, a wrong command line exits 64")
  func usage() throws {
    let folder = try TemporaryFolder()
    #expect(try Program.lraTrain.run(["--version"], in: folder.path).output == "1.0.0\n")
    let text = try Program.lraTrain.run(["--seed", "many"], in: folder.path)
    #expect(text.exit == 64 && text.output == "")
    #expect(
      text.error.hasPrefix("error: the value 'many' is invalid for '--seed <seed>'"),
      "\(text.error)")
    let json = try Program.lraTrain.run(["resume", "--json"], in: folder.path)
    #expect(json.exit == 64 && json.error == "")
    #expect(json.output.hasPrefix("{\"error\":{\"code\":\"usage\",\"exit\":64,\"message\":"))
  }
}
