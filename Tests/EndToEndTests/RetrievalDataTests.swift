import Foundation
import Testing
import ToolRunner

/// Times differ from run to run.
private func withoutTimes(_ text: String) -> String {
  text.replacing(/[0-9]+\.[0-9] s/, with: "T s")
    .replacing(/"seconds":[0-9.e-]+/, with: "\"seconds\":T")
}

@Suite("lra-data on pairs of documents")
struct RetrievalDataTests {
  private func converted() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    try RetrievalFiles.write(to: folder.path)
    let made = try Program.lraData.run(RetrievalFiles.convert + ["--quiet"], in: folder.path)
    try #require(made.exit == 0, "\(made.error)")
    return folder
  }

  @Test("convert aan prints pairs and documents, and nothing to do the second time")
  func convert() throws {
    let folder = try TemporaryFolder()
    try RetrievalFiles.write(to: folder.path)
    let first = try Program.lraData.run(RetrievalFiles.convert, in: folder.path)
    #expect(first.exit == 0)
    let output = withoutTimes(first.output)
    #expect(
      output.hasPrefix(
        "95 pairs of 20 documents · 2.1 k tokens · 3 shards, 2.4 kB in data/retrieval · T s\n"),
      "\(output)")
    #expect(
      first.error == """
        retrieval · from new_aan_pairs.train.tsv, new_aan_pairs.eval.tsv, new_aan_pairs.test.tsv
        Next: lra-train --db data.sqlite

        """)
    let second = try Program.lraData.run(RetrievalFiles.convert, in: folder.path)
    #expect(second.exit == 0)
    #expect(second.output.hasPrefix("retrieval is complete (content digest "))
    let json = try Program.lraData.run(RetrievalFiles.convert + ["--json"], in: folder.path)
    #expect(json.error == "")
    let object = try #require(
      JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
    #expect(
      object.keys.sorted() == [
        "bytes", "command", "content_digest", "dataset", "files", "manifest_match", "notes",
        "schema", "seconds", "shards", "skipped", "sources", "splits", "state", "task", "tokens",
      ])
    #expect(object["command"] as? String == "convert aan")
    #expect(object["state"] as? String == "complete" && object["task"] as? String == "retrieval")
    let splits = try #require(object["splits"] as? [[String: Any]])
    #expect(
      splits.compactMap { $0["name"] as? String } == ["train", "validation", "test", "documents"])
    #expect(splits.compactMap { $0["count"] as? Int } == [60, 20, 15, 20])
    let sources = try #require(object["sources"] as? [[String: Any]])
    #expect(sources.compactMap { $0["name"] as? String } == RetrievalFiles.names.sorted())
  }

  @Test("a line with too few fields is exit 65 with file and line, and nothing is written")
  func malformed() throws {
    let folder = try TemporaryFolder()
    let good = RetrievalFiles.content(RetrievalFiles.names[0], pairs: 417, papers: 20)
    try Data((good + "1.0\tP1000\tP1001\n" + good).utf8)
      .write(to: URL(fileURLWithPath: folder.file("new_aan_pairs.train.tsv")))
    let outcome = try folder.data("convert", "aan", "--from", "new_aan_pairs.train.tsv", "--quiet")
    #expect(outcome.exit == 65)
    #expect(outcome.output == "")
    #expect(
      outcome.error == """
        error: new_aan_pairs.train.tsv:418: expected 5 tab-separated fields, found 3
        nothing was written; check the download: the released file has 147 086 lines of label, id1, \
        id2, text1, text2

        """)
    let json = try folder.data("convert", "aan", "--from", "new_aan_pairs.train.tsv", "--json")
    #expect(json.exit == 65)
    #expect(json.output.contains(#""code":"malformed_input","exit":65"#), "\(json.output)")
    #expect(json.output.contains(#""position":418"#))
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder.path) == [
        "new_aan_pairs.train.tsv"
      ])
  }

  @Test("a dry run says what would be made; missing files are exit 65")
  func dryRun() throws {
    let folder = try TemporaryFolder()
    try RetrievalFiles.write(to: folder.path)
    let outcome = try Program.lraData.run(
      ["convert", "aan", "--from", ".", "--dry-run", "--quiet"], in: folder.path)
    #expect(outcome.exit == 0)
    #expect(
      outcome.output.hasPrefix(
        "retrieval · from . · train 60, validation 20, test 15, documents 20\n"),
      "\(outcome.output)")
    #expect(!FileManager.default.fileExists(atPath: folder.file("data.sqlite")))
    let one = try folder.data("convert", "aan", "--from", "new_aan_pairs.eval.tsv", "--quiet")
    #expect(one.exit == 65)
    #expect(
      one.error == """
        error: new_aan_pairs.eval.tsv holds no new_aan_pairs.train.tsv
        nothing was written; expected new_aan_pairs.train.tsv, new_aan_pairs.eval.tsv and \
        new_aan_pairs.test.tsv, their folder, or lra_release.gz

        """)
  }

  @Test("show prints both documents of a pair")
  func show() throws {
    let folder = try converted()
    let shown = try folder.data("show", "retrieval", "1", "--split", "train")
    #expect(
      shown.output == """
        retrieval train/1 · \(RetrievalFiles.text(12).utf8.count) tokens · label 0
        documents/2 · \(RetrievalFiles.text(7).utf8.count) tokens · {"id":"P1007"}
        \(RetrievalFiles.text(7))
        documents/3 · \(RetrievalFiles.text(12).utf8.count) tokens · {"id":"P1012"}
        \(RetrievalFiles.text(12))

        """, "\(shown.output)")
    let json = try folder.data("show", "retrieval", "1", "--json")
    let object = try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any]
    let example = try #require((object?["examples"] as? [[String: Any]])?.first)
    #expect(example["label"] as? Int == 0)
    #expect(example["text"] as? String == RetrievalFiles.text(7))
    let documents = try #require(example["documents"] as? [[String: Any]])
    #expect(
      documents.compactMap { $0["text"] as? String } == [7, 12].map(RetrievalFiles.text))
    #expect(
      documents.compactMap { $0["tokens"] as? [Int] }
        == [7, 12].map { RetrievalFiles.text($0).utf8.map { Int($0) + 1 } })
    let one = try folder.data("show", "retrieval", "3", "--split", "documents", "--json")
    #expect(one.output.contains(#""label":null"#) && !one.output.contains("\"documents\":["))
  }

  @Test("ls, stats, manifest, diff, verify and rm know pairs")
  func services() throws {
    let folder = try converted()
    let ls = try folder.data("ls").output
    #expect(ls.contains(#/\nretrieval  retrieval +60 +20 +15 /#), "\(ls)")
    let stats = try folder.data("stats", "retrieval", "--bins", "3")
    #expect(stats.exit == 0)
    #expect(stats.output.contains("retrieval train · 60 examples"))
    #expect(stats.output.contains("retrieval documents · 20 examples"))
    #expect(try folder.data("manifest", "retrieval", "--out", "m.json").exit == 0)
    let same = try folder.data("diff", "m.json", "retrieval")
    #expect(same.exit == 0 && same.output == "m.json and retrieval are the same\n")
    let verified = try folder.data("verify")
    #expect(withoutTimes(verified.output) == "retrieval   115 examples   ok  T s\n")
    #expect(try folder.data("verify", "--quick", "--json").output.contains("\"checked\":115"))
    #expect(try folder.data("rm", "retrieval", "--yes").exit == 0)
    #expect(try folder.data("ls").output == "data.sqlite holds no dataset\n")
  }
}
