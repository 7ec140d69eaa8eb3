import Foundation
import Testing
import ToolRunner

@Suite("lra-data convert")
struct ConvertTests {
  private static let lines = (0..<20).map { "\($0 % 2)\ttext \($0)\n" }.joined()

  @Test("convert tsv makes a task of one's own, once, and show prints its text")
  func tsv() throws {
    let folder = try TemporaryFolder(["films.tsv": ConvertTests.lines])
    let made = try folder.data("convert", "tsv", "--from", "films.tsv", "--task", "films")
    #expect(made.exit == 0)
    #expect(
      made.output.hasPrefix("20 examples · 130 tokens · 3 shards, 514 bytes in data/films · "))
    let json = try folder.data(
      "convert", "tsv", "--from", "films.tsv", "--task", "films", "--json")
    #expect(json.output.contains(#""dataset":"films""#))
    #expect(json.output.contains(#""state":"complete","task":"films","tokens":130"#))
    #expect(json.output.contains(#""skipped":[],"sources":[{"bytes":190,"name":"films.tsv""#))
    let shown = try folder.data("show", "films", "--split", "test")
    #expect(shown.output.hasPrefix("films test/0 · "))
    #expect(shown.output.contains("\ntext "))
    #expect(try folder.data("verify").exit == 0)
    #expect(try folder.data("stats", "films").exit == 0)
    #expect(try folder.data("manifest", "films").output.contains(#""num_classes" : 2"#))
  }

  @Test("malformed lines exit 65 with line and column, LRA's task names exit 64")
  func wrong() throws {
    let folder = try TemporaryFolder(["films.tsv": "0\tone\none\ttwo\n"])
    let text = try folder.data("convert", "tsv", "--from", "films.tsv")
    #expect(text.exit == 65)
    #expect(
      text.error == """
        custom · from films.tsv
        error: films.tsv:2:1: the label is "one"; an integer from 0 to 65535 expected
        nothing was written; correct the file and run the same command again

        """)
    let json = try folder.data("convert", "tsv", "--from", "films.tsv", "--json")
    #expect(json.output.contains(#""code":"malformed_input","exit":65"#))
    #expect(json.output.contains(#""position":2"#))
    #expect(try folder.data("convert", "tsv", "--from", "films.tsv", "--task", "image").exit == 64)
    #expect(try folder.data("convert", "npy", "--from", "films.tsv").exit == 65)
    #expect(try folder.data("convert", "cifar10", "--from", "films.tsv").exit == 65)
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["films.tsv"])
  }

  @Test("convert lra-release of one dataset prints it as convert does; --dry-run makes nothing")
  func release() throws {
    let table = "Source\tTarget\r\n( ( ( [MAX 4 ) 2 ) ] )\t4\r\n"
    let names = ["train", "val", "test"].map { "lra_release/listops-1000/basic_\($0).tsv" }
    let folder = try TemporaryFolder(Dictionary(uniqueKeysWithValues: names.map { ($0, table) }))
    let arguments = ["convert", "lra-release", "--from", "lra_release"]
    let planned = try Program.lraData.run(arguments + ["--dry-run"], in: folder.path)
    #expect(
      planned.output.hasPrefix("listops-2k · train 1, validation 1, test 1\nwould make about"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["lra_release"])
    let made = try Program.lraData.run(arguments + ["--json"], in: folder.path)
    #expect(made.output.contains(#""command":"convert lra-release","content_digest":""#))
    #expect(made.output.contains(#""dataset":"listops-2k""#))
    let unknown = try Program.lraData.run(arguments + ["--only", "text"], in: folder.path)
    #expect(unknown.exit == 64)
  }
}
