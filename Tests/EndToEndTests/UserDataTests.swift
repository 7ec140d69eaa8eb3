import Foundation
import Testing
import ToolRunner

/// What a user sees when files of theirs lie where the tool writes, or look unlike what it reads.
@Suite("the user's files and lra-data")
struct UserDataTests {
  private static let lines = (0..<20).map { "\($0 % 2)\ttext \($0)\n" }.joined()

  @Test("rm deletes its shards, keeps and names what else lies there")
  func rm() throws {
    let folder = try TemporaryFolder(["mine.tsv": Self.lines])
    #expect(try folder.data("convert", "tsv", "--from", "mine.tsv", "--task", "mine").exit == 0)
    try Data("note".utf8).write(to: URL(fileURLWithPath: folder.file("data/mine/notes.txt")))
    let planned = try folder.data("rm", "mine", "--dry-run", "--json")
    #expect(planned.output.contains(#""kept":["data/mine/notes.txt"]"#))
    let done = try folder.data("rm", "mine", "--yes")
    #expect(done.exit == 0)
    #expect(
      done.error.hasPrefix("not of this dataset, stays: 1 file\n  data/mine/notes.txt\n"))
    #expect(
      try String(contentsOfFile: folder.file("data/mine/notes.txt"), encoding: .utf8) == "note")
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder.file("data/mine")) == ["notes.txt"]
    )
  }

  @Test("a source in a shard's place exits 7, is named and stays")
  func source() throws {
    let name = "data/reviews/train-00000.tsv"
    let folder = try TemporaryFolder([name: Self.lines])
    let outcome = try folder.data("convert", "tsv", "--from", name, "--task", "reviews")
    #expect(outcome.exit == 7)
    #expect(
      outcome.error.hasSuffix(
        """
        error: \(name) is in the way: it was not written by this tool
        nothing of it was changed; move it away, or use another name (--name reviews-2)

        """))
    #expect(try String(contentsOfFile: folder.file(name), encoding: .utf8) == Self.lines)
    #expect(!FileManager.default.fileExists(atPath: folder.file("data.sqlite")))
  }

  @Test("files and their splits are told before what is next, what is left out is named")
  func mapping() throws {
    let folder = try TemporaryFolder([
      "in/train.tsv": Self.lines, "in/test.tsv": Self.lines, "in/README.md": "hello",
    ])
    let made = try folder.data("convert", "tsv", "--from", "in", "--task", "mine")
    #expect(
      made.error.hasSuffix(
        """
        test.tsv: test
        train.tsv: train
        left out: 1 file
          README.md: its name does not end in .tsv
        Next: lra-train --db data.sqlite

        """))
    let json = try folder.data("convert", "tsv", "--from", "in", "--task", "other", "--json")
    #expect(
      json.output.contains(
        #""files":[{"path":"test.tsv","split":"test"},{"path":"train.tsv","split":"train"}]"#))
  }

  @Test("after a dataset that cannot be trained on, Next says what to do")
  func next() throws {
    let folder = try TemporaryFolder(["mine.tsv": Self.lines, "few.tsv": "0\tone\n1\ttwo\n"])
    let none = try folder.data(
      "convert", "tsv", "--from", "mine.tsv", "--task", "mine", "--validation", "0")
    #expect(
      none.error.hasSuffix(
        "Next: lra-train needs examples for validation, which mine lacks: make it again under another "
          + "--name with --validation N\n"))
    let few = try folder.data("convert", "tsv", "--from", "few.tsv", "--task", "few")
    #expect(
      few.error.contains("Next: lra-train needs examples for validation and test, which few lacks"))
    let made = try folder.data(
      "gen", "listops", "--len", "64", "--train", "20", "--validation", "0", "--test", "0")
    #expect(made.error.contains("Next: lra-train needs examples for validation and test"))
    let whole = try folder.data("convert", "tsv", "--from", "mine.tsv", "--task", "whole")
    #expect(whole.error.hasSuffix("Next: lra-train --db data.sqlite\n"))
  }

  @Test(
    "workers count from 1, and the message shows what was typed",
    arguments: [
      ("0/2", "workers count from 1: 1/2 to 2/2"), ("3/2", "workers count from 1: 1/2 to 2/2"),
      ("-1/2", "workers count from 1: 1/2 to 2/2"),
      ("1/0", "there is at least 1 worker, as in 1/1"),
      ("two", "two numbers expected, as in 1/4"), ("1/2/3", "two numbers expected, as in 1/4"),
    ])
  func workers(typed: String, expected: String) throws {
    let outcome = try TemporaryFolder().data("gen", "listops", "--worker=\(typed)")
    #expect(outcome.exit == 64)
    #expect(
      outcome.error.hasPrefix(
        "error: the value '\(typed)' is invalid for '--worker <i/n>': \(expected)"))
  }

  @Test("what --len stands for is said as it was typed")
  func typedLength() throws {
    let outcome = try TemporaryFolder().data("gen", "listops", "--len", "1")
    #expect(outcome.exit == 64)
    #expect(outcome.error.contains("(--len 1 stands for these)"))
    let thousand = try TemporaryFolder().data("gen", "listops", "--len", "64k", "--max-depth", "1")
    #expect(thousand.error.contains("(--len 64k stands for these)"))
    #expect(
      try TemporaryFolder().data("gen", "listops", "--max-length", "1").error.contains("--len")
        == false)
  }

  @Test("show --png and manifest --out replace what they wrote, and nothing else")
  func outputs() throws {
    let folder = try TemporaryFolder(["mine.txt": "my notes", "photo.png": "not a sheet"])
    let small = ["--train", "20", "--validation", "4", "--test", "4", "--quiet"]
    #expect(
      try Program.lraData.run(
        ["gen", "pathfinder", "--len", "1k", "--difficulty", "easy", "--name", "p"] + small,
        in: folder.path
      ).exit == 0)
    for (command, foreign, own) in [
      (["manifest", "p", "--out"], "mine.txt", "own.json"),
      (["show", "p", "--png"], "photo.png", "own.png"),
      (["show", "p", "--png"], "mine.txt", "own2.png"),
    ] {
      let before = FileManager.default.contents(atPath: folder.file(foreign))
      let refused = try Program.lraData.run(command + [foreign], in: folder.path)
      #expect(refused.exit == 7)
      #expect(
        refused.error.hasPrefix("error: \(foreign) is in the way: it was not written by this tool"))
      #expect(FileManager.default.contents(atPath: folder.file(foreign)) == before)
      #expect(try Program.lraData.run(command + [own], in: folder.path).exit == 0)
      #expect(try Program.lraData.run(command + [own], in: folder.path).exit == 0)
    }
  }

  @Test("class names are shown wherever labels are")
  func classes() throws {
    let lines = (0..<20).map {
      "{\"label\":\"\($0 % 2 == 0 ? "neg" : "pos")\",\"text\":\"a\\nb \($0)\"}\n"
    }
    let folder = try TemporaryFolder(["mine.jsonl": lines.joined()])
    #expect(try folder.data("convert", "jsonl", "--from", "mine.jsonl", "--task", "mine").exit == 0)
    let shown = try folder.data("show", "mine", "--count", "2")
    #expect(shown.output.contains("label 0 (neg)"))
    #expect(shown.output.contains("label 1 (pos)"))
    let json = try folder.data("show", "mine", "--json")
    #expect(json.output.contains(#""label_name":""#))
    #expect(try folder.data("stats", "mine").output.contains("1 pos"))
    #expect(
      try folder.data("stats", "mine", "--json").output.contains(#""class_names":["neg","pos"]"#))
    #expect(
      try folder.data("manifest", "mine").output.contains(#""class_names" : "[\"neg\",\"pos\"]""#))
  }
}
