import Foundation
import Testing
import ToolRunner

@Suite("datasets read by Python")
struct PythonDataTests {
  /// A dataset with default parameters in a folder of its own.
  private func dataset() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    let made = try folder.data(
      "gen", "listops", "--train", "150", "--validation", "40", "--test", "40", "--shard-examples",
      "64", "--quiet")
    try #require(made.exit == 0, "\(made.error)")
    return folder
  }

  private func python(_ script: String, _ arguments: String...) throws -> Outcome {
    let path = Program.package + "/Tests/InteropTests/" + script
    return try Program.python.run([path] + arguments, in: Program.package)
  }

  private struct Shown: Decodable {
    struct Example: Decodable, Equatable {
      let label: Int
      let tokens: [Int]
    }
    let examples: [Example]
  }

  private func shown(_ folder: TemporaryFolder, _ split: String, _ count: Int) throws
    -> [Shown.Example]
  {
    let outcome = try folder.data(
      "show", "listops-2k", "0", "--split", split, "--count", "\(count)", "--json")
    return try JSONDecoder().decode(Shown.self, from: Data(outcome.output.utf8)).examples
  }

  @Test("the README's five lines of Python read what show prints")
  func fiveLines() throws {
    let folder = try dataset()
    for split in ["train", "validation"] {
      let outcome = try python(
        "read_index.py", Program.package + "/README.md", folder.file("data.sqlite"), "listops-2k",
        split, "40")
      try #require(outcome.exit == 0, "\(outcome.error)")
      let read = try JSONDecoder().decode([Shown.Example].self, from: Data(outcome.output.utf8))
      #expect(try read == shown(folder, split, 40))
    }
  }

  @Test("tarfile and numpy read every example of the webdataset export")
  func webdataset() throws {
    let folder = try dataset()
    let made = try folder.data(
      "export", "webdataset", "listops-2k", "--to", "shards", "--quiet")
    try #require(made.exit == 0, "\(made.error)")
    let outcome = try python(
      "exports.py", folder.file("data.sqlite"), "listops-2k", folder.file("shards"), "plain")
    #expect(outcome.exit == 0, "\(outcome.error)")
    #expect(outcome.output == "train 150 equal\nvalidation 40 equal\ntest 40 equal\n")
  }

  @Test("independent code gives the same check64, leaves, split and dataset digests")
  func digests() throws {
    let folder = try dataset()
    let outcome = try python("digests.py", folder.file("data.sqlite"), "listops-2k")
    #expect(outcome.exit == 0, "\(outcome.error)")
    let digest = outcome.output.trimmingCharacters(in: .whitespacesAndNewlines)
    #expect(digest.count == 64)
    #expect(try folder.data("ls", "--json").output.contains("\"content_digest\":\"\(digest)\""))
  }

  @Test("independent code gives the same check64, leaves and digests of pairs of documents")
  func pairDigests() throws {
    let folder = try pairs()
    let outcome = try python("digests.py", folder.file("data.sqlite"), "retrieval")
    #expect(outcome.exit == 0, "\(outcome.error)")
    let digest = outcome.output.trimmingCharacters(in: .whitespacesAndNewlines)
    #expect(digest.count == 64)
    #expect(try folder.data("ls", "--json").output.contains("\"content_digest\":\"\(digest)\""))
  }

  @Test("the lines of Python in docs/formats.md read both documents of a pair")
  func pairLines() throws {
    let folder = try pairs()
    let outcome = try python(
      "read_pairs.py", Program.package + "/docs/formats.md", folder.file("data.sqlite"),
      "retrieval",
      "validation", "20")
    try #require(outcome.exit == 0, "\(outcome.error)")
    struct Pair: Decodable, Equatable {
      let label: Int
      let documents: [[Int]]
    }
    let read = try JSONDecoder().decode([Pair].self, from: Data(outcome.output.utf8))
    let lines = try String(contentsOfFile: folder.file(RetrievalFiles.names[1]), encoding: .utf8)
      .split(separator: "\n").map { $0.split(separator: "\t") }
    #expect(
      read
        == lines.map { line in
          Pair(
            label: line[0] == "1.0" ? 1 : 0,
            documents: line.suffix(2).map { $0.utf8.map { Int($0) + 1 } })
        })
  }

  /// A dataset of pairs in a folder of its own, with the files that it comes from.
  private func pairs() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    try RetrievalFiles.write(to: folder.path)
    let made = try Program.lraData.run(RetrievalFiles.convert + ["--quiet"], in: folder.path)
    try #require(made.exit == 0, "\(made.error)")
    return folder
  }

  @Test("the documented draw order with NumPy's Philox gives the first examples of each split")
  func generator() throws {
    let folder = try dataset()
    let outcome = try python("listops_generator.py", "500", "2000", "10", "10", "0", "12")
    try #require(outcome.exit == 0, "\(outcome.error)")
    let made = try #require(
      JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [[[Any]]])
    for (split, examples) in zip(["train", "validation", "test"], made) {
      let expected = try shown(folder, split, 12)
      #expect(examples.compactMap { $0.first as? Int } == expected.map(\.label))
      #expect(examples.compactMap { $0.last as? [Int] } == expected.map(\.tokens))
    }
  }
}
