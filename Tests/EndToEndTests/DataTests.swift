import Foundation
import Testing
import ToolRunner

/// Makes a small dataset in a folder of its own.
private func small() throws -> TemporaryFolder {
  let folder = try TemporaryFolder()
  let made = try folder.data(
    "gen", "listops", "--len", "64", "--train", "300", "--validation", "20", "--test", "20",
    "--shard-examples", "128", "--quiet")
  #expect(made.exit == 0)
  return folder
}

private let digest = "e6af7a5f7a89264a605057ffbcfd6a9b49773faee52b10206cc3ff6c3397701c"

/// Times differ from run to run.
private func withoutTimes(_ text: String) -> String {
  text.replacing(/[0-9]+\.[0-9] s/, with: "T s")
    .replacing(/"seconds":[0-9.e-]+/, with: "\"seconds\":T")
}

@Suite("lra-data")
struct DataTests {
  @Test("gen prints what it made, and nothing to do the second time")
  func gen() throws {
    let folder = try TemporaryFolder()
    let arguments = [
      "gen", "listops", "--len", "64", "--train", "300", "--validation", "20", "--test", "20",
      "--shard-examples", "128",
    ]
    let first = try Program.lraData.run(arguments, in: folder.path)
    #expect(first.exit == 0)
    #expect(
      withoutTimes(first.output) == """
        340 examples · 10 k tokens · 5 shards, 10.6 kB in data/listops-64 · T s
        content digest e6af7a…1c

        """)
    #expect(
      first.error == """
        listops-64 · seed 0 · train 300, validation 20, test 20
        Next: lra-train --db data.sqlite

        """)
    let second = try Program.lraData.run(arguments, in: folder.path)
    #expect(second.exit == 0)
    #expect(
      second.output == "listops-64 is complete (content digest e6af7a…1c): nothing to do\n")
    let json = try Program.lraData.run(arguments + ["--json"], in: folder.path)
    #expect(json.error == "")
    #expect(
      withoutTimes(json.output) == """
        {"bytes":10639,"command":"gen listops","content_digest":"\(digest)",\
        "dataset":"listops-64","manifest_match":null,"schema":1,"seconds":T,"shards":5,\
        "splits":[{"count":300,"name":"train"},{"count":20,"name":"validation"},\
        {"count":20,"name":"test"}],"state":"complete","task":"listops","tokens":9999}

        """)
  }

  @Test("a dry run says what would be made and makes nothing")
  func dryRun() throws {
    let folder = try TemporaryFolder()
    let outcome = try folder.data("gen", "listops", "--dry-run")
    #expect(outcome.exit == 0)
    #expect(outcome.output.contains("in 26 shards"))
    #expect(outcome.output.hasSuffix("nothing was written\n"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [])
  }

  @Test("ls lists datasets with sizes, lengths and digests")
  func ls() throws {
    let folder = try small()
    let outcome = try folder.data("ls")
    #expect(
      outcome.output == """
        dataset     task     train  valid  test  length     size  digest   made by
        listops-64  listops    300     20    20   17–63  10.6 kB  e6af7a…  lra-data 1.0.0

        """)
    #expect(outcome.error == "Next: lra-data stats listops-64 --db data.sqlite\n")
    #expect(
      try folder.data("ls", "--json").output == """
        {"command":"ls","datasets":[{"bytes":10639,"complete":true,"content_digest":"\(digest)",\
        "max_length":63,"min_length":17,"name":"listops-64","splits":[{"count":300,"name":"train"},\
        {"count":20,"name":"validation"},{"count":20,"name":"test"}],"task":"listops",\
        "tool_version":"1.0.0"}],"schema":1}

        """)
  }

  @Test("show prints an expression with length, label, depth and arguments")
  func show() throws {
    let folder = try small()
    #expect(
      try folder.data("show", "listops-64", "3").output == """
        listops-64 train/3 · 35 tokens · label 2 · depth 4 · max 8 arguments
        [SM 8 [MED 0 8 9 9 1 8 2 3 ] 6 [MIN 7 2 5 1 [MAX 9 6 ] [MIN 6 4 4 8 ] 0 2 ] 3 8 2 ]

        """)
    let json = try folder.data("show", "listops-64", "3", "--json").output
    #expect(json.contains("\"tokens\":[14,9,13,1,9,10,10,2,9,3,4,15,7,11,"))
    #expect(json.contains("\"label\":2,\"length\":35,\"meta\":null,\"position\":3"))
    let outside = try folder.data("show", "listops-64", "300")
    #expect(outside.exit == 64)
    #expect(
      outside.error == "error: listops-64 train has 300 examples; 300 is not among 0…299\n")
  }

  @Test("stats shows histograms, baselines and duplicates")
  func stats() throws {
    let folder = try small()
    let outcome = try folder.data("stats", "listops-64", "--split", "test", "--bins", "3")
    #expect(outcome.exit == 0)
    #expect(
      outcome.output.hasPrefix(
        "listops-64 test · 20 examples · duplicates 0 · near-duplicates 0\n"))
    #expect(outcome.output.contains("  majority                15.0 %\n"))
    #expect(outcome.output.hasSuffix("\n\nduplicates across splits  0 · near-duplicates 0\n"))
    let json = try folder.data("stats", "listops-64", "--json").output
    #expect(json.contains("\"baselines\":{\"bag_of_tokens\":"))
    #expect(json.contains("\"duplicates_across_splits\":0"))
  }

  @Test("verify says ok and exits 0")
  func verify() throws {
    let folder = try small()
    let outcome = try folder.data("verify")
    #expect(outcome.exit == 0)
    #expect(withoutTimes(outcome.output) == "listops-64   340 examples   ok  T s\n")
    #expect(
      try folder.data("verify", "--quick", "--json").output == """
        {"command":"verify","datasets":[{"checked":340,"damaged":[],"examples":340,"missing":[],\
        "name":"listops-64","orphans":[],"quarantined":[],"repaired":[]}],"index_ok":true,\
        "schema":1}

        """)
  }

  @Test("a manifest builds the same dataset, and diff finds what is not the same")
  func manifest() throws {
    let folder = try small()
    #expect(try folder.data("manifest", "listops-64", "--out", "m.json").exit == 0)
    let built = try folder.data("build", "m.json", "--db", "b/data.sqlite", "--quiet")
    #expect(built.exit == 1)  // the folder must be there
    try FileManager.default.createDirectory(
      atPath: folder.file("b"), withIntermediateDirectories: false)
    #expect(
      try folder.data("build", "m.json", "--db", "b/data.sqlite", "--json").output == """
        {"command":"build","content_digest":"\(digest)","dataset":"listops-64",\
        "expected_digest":"\(digest)","match":true,"schema":1}

        """)
    let same = try folder.data("diff", "m.json", "listops-64", "--db", "b/data.sqlite")
    #expect(same.exit == 0)
    #expect(same.output == "m.json and listops-64 are the same\n")
    let text = try String(contentsOfFile: folder.file("m.json"), encoding: .utf8)
    try text.replacing("\"max_args\" : 10", with: "\"max_args\" : 9")
      .write(toFile: folder.file("n.json"), atomically: true, encoding: .utf8)
    let other = try folder.data("diff", "m.json", "n.json")
    #expect(other.exit == 1)
    #expect(other.output == "parameters.max_args\n  m.json: 10\n  n.json: 9\n")
    let wrong = try folder.data("build", "n.json", "--name", "other", "--db", "b/data.sqlite")
    #expect(wrong.exit == 4)
    #expect(wrong.error.contains("error: other has content digest "))
  }

  @Test("rm deletes nothing without --yes")
  func rm() throws {
    let folder = try small()
    let asked = try folder.data("rm", "listops-64")
    #expect(asked.exit == 64)
    #expect(
      asked.error == """
        error: this would delete listops-64: 340 examples, 10 files, 22.6 kB in data/listops-64
        delete it with: lra-data rm listops-64 --yes --db data.sqlite

        """)
    #expect(try folder.data("verify").exit == 0)
    #expect(try folder.data("rm", "listops-64", "--yes").exit == 0)
    #expect(try folder.data("ls").output == "data.sqlite holds no dataset\n")
    #expect(!FileManager.default.fileExists(atPath: folder.file("data/listops-64")))
  }

  @Test("another configuration under the same name exits 7; another database has shards of its own")
  func configurationDiffers() throws {
    let folder = try small()
    let arguments = [
      "gen", "listops", "--len", "64", "--train", "300", "--validation", "20", "--test", "20",
      "--shard-examples", "128", "--seed", "1", "--quiet",
    ]
    let seed = try Program.lraData.run(arguments, in: folder.path)
    #expect(seed.exit == 7)
    #expect(
      seed.error == """
        error: data.sqlite holds listops-64 with seed 0; this asks for seed 1
        use another name (--name listops-64-s1) or another database

        """)
    let other = try Program.lraData.run(arguments + ["--db", "other.sqlite"], in: folder.path)
    #expect(other.exit == 0)
    #expect(try folder.data("verify", "--db", "other.sqlite").exit == 0)
    #expect(try folder.data("rm", "listops-64", "--yes", "--db", "other.sqlite").exit == 0)
    #expect(try folder.data("verify").exit == 0)
  }
}
