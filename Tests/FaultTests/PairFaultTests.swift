import Foundation
import Testing
import ToolRunner

/// Files that take a moment to convert.
private func files() throws -> TemporaryFolder {
  let folder = try TemporaryFolder()
  try RetrievalFiles.write(to: folder.path, pairs: 3000, papers: 400)
  return folder
}

/// The rows of all pairs as text.
private func pairs(_ folder: TemporaryFolder) throws -> String {
  let code = """
    import sqlite3
    for row in sqlite3.connect("data.sqlite").execute("SELECT * FROM pair ORDER BY 1, 2"): print(*row)
    """
  let outcome = try Program.python(code, in: folder.path)
  try #require(outcome.exit == 0, "\(outcome.error)")
  return outcome.output
}

@Suite("faults in pairs of documents", .serialized)
struct PairFaultTests {
  private let command = RetrievalFiles.convert + ["--threads", "2", "--quiet"]

  @Test("resume after kill -9 during convert gives identical shards, rows and digests")
  func killed() throws {
    let reference = try files()
    #expect(try Program.lraData.run(command, in: reference.path).exit == 0)
    let expected = try contents(reference, "retrieval")
    let rows = try pairs(reference)
    let folder = try files()
    var killed = 0
    for number in 0..<4 {
      let running = try Program.lraData.start(command, in: folder.path)
      // The last one comes when all documents are there: it hits the rows of the pairs.
      let shard = number < 3 ? "000\(number + 1)\(Int.random(in: 0...9))" : "00049"
      let file = folder.file("data/retrieval/documents-\(shard).npy")
      running.wait(for: file)
      running.send(SIGKILL, afterMilliseconds: Int.random(in: 0...3))
      if try running.wait().exit == -SIGKILL { killed += 1 }
      #expect(try folder.data("verify", "--quiet").exit == 0)
    }
    #expect(killed > 0)
    let last = try Program.lraData.run(command, in: folder.path)
    #expect(last.exit == 0, "\(last.error)")
    #expect(try contents(folder, "retrieval") == expected)
    #expect(try pairs(folder) == rows)
    #expect(try folder.data("verify", "--quiet").exit == 0)
    print("killed \(killed) of 4 times before the end")
  }

  @Test("a damaged pair is named, and repair with the same convert puts it right")
  func damaged() throws {
    let folder = try TemporaryFolder()
    try RetrievalFiles.write(to: folder.path)
    #expect(try Program.lraData.run(command, in: folder.path).exit == 0)
    let expected = try contents(folder, "retrieval")
    let rows = try pairs(folder)
    try sql(folder, "UPDATE pair SET document2=document2+1 WHERE split_id=1 AND position=41")
    let stats = try folder.data("stats", "retrieval")
    #expect(stats.exit == 4)
    #expect(
      stats.error == """
        error: retrieval train/41 does not match its checksum (a pair in data.sqlite)
        verify and repair with: lra-data verify --repair --db data.sqlite

        """)
    let found = try folder.data("verify")
    #expect(found.exit == 3)
    #expect(found.output.contains("1 damaged: train/41 (a row of the index)"), "\(found.output)")
    let json = try folder.data("verify", "--json")
    #expect(
      json.output.contains(
        #""damaged":[{"offset":null,"position":41,"reason":"its row does not match its checksum","#
          + #""shard":null,"split":"train"}]"#), "\(json.output)")
    #expect(try folder.data("verify", "--repair").exit == 3)
    let again = try Program.lraData.run(command, in: folder.path)
    #expect(again.exit == 0, "\(again.error)")
    #expect(try folder.data("verify").exit == 0)
    #expect(try contents(folder, "retrieval") == expected)
    #expect(try pairs(folder) == rows)
  }
}
