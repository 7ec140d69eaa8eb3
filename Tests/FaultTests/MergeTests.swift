import Foundation
import Testing
import ToolRunner

@Suite("merges that are disturbed", .serialized)
struct MergeTests {
  private let files = FileManager.default

  /// Three shares of a dataset, made by three processes at once, in w1, w2 and w3.
  private func shares(_ command: [String]) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    let workers = try (1...3).map { number in
      try files.createDirectory(
        atPath: folder.file("w\(number)"), withIntermediateDirectories: false)
      return try Program.lraData.start(
        command + ["--worker", "\(number)/3"], in: folder.file("w\(number)"))
    }
    for worker in workers {
      let outcome = try worker.wait()
      try #require(outcome.exit == 0, "\(outcome.error)")
    }
    return folder
  }

  @Test("a share says what was made and what comes next, as text and as JSON")
  func words() throws {
    let folder = try TemporaryFolder()
    let command = small.filter { $0 != "--quiet" } + ["--worker", "2/3"]
    let made = try Program.lraData.run(command, in: folder.path)
    #expect(made.exit == 0)
    #expect(
      made.output.contains(
        #/^share 2\/3 of listops-64 is made: 2 shards, 4.[0-9] kB in data\/listops-64 · [0-9.]+ s\n$/#
      ),
      "\(made.output)")
    #expect(
      made.error == """
        listops-64 · seed 0 · train 300, validation 20, test 20 · worker 2/3
        Next: lra-data merge data.sqlite OTHERS... --db OUT.sqlite     when all workers are done

        """)
    let again = try Program.lraData.run(command + ["--json"], in: folder.path)
    #expect(again.output.contains("\"content_digest\":null,\"dataset\":\"listops-64\""))
    #expect(again.output.contains("\"shards\":2,"))
    #expect(again.output.contains("\"state\":\"complete\""))
    #expect(try folder.data("verify", "--quiet").exit == 0)
    #expect(try folder.data("stats", "listops-64").exit == 1)
    for wrong in ["0/3", "4/3", "2", "a/b", "1/0", "-1/3"] {
      let outcome = try Program.lraData.run(small + ["--worker=\(wrong)"], in: folder.path)
      #expect(outcome.exit == 64, "\(wrong)")
    }
  }

  private let merge = ["merge", "w1/data.sqlite", "w2/data.sqlite", "w3/data.sqlite", "--quiet"]

  @Test("three processes and a merge make the same files as one", arguments: ["listops", "images"])
  func same(task: String) throws {
    let images = [
      "gen", "pathfinder", "--difficulty", "easy", "--train", "90", "--validation", "20", "--test",
      "20", "--shard-examples", "16", "--segmentation", "double", "--quiet",
    ]
    let command = task == "images" ? images : small
    let name = task == "images" ? "pathfinder32-easy-segmentation2" : "listops-64"
    let whole = try TemporaryFolder()
    #expect(try Program.lraData.run(command, in: whole.path).exit == 0)
    let folder = try shares(command)
    let merged = try Program.lraData.run(merge + ["--json"], in: folder.path)
    #expect(merged.exit == 0, "\(merged.error)")
    let expected = try digest(whole)
    #expect(
      merged.output.hasPrefix(
        "{\"command\":\"merge\",\"content_digest\":\"\(expected)\",\"dataset\":\"\(name)\","))
    #expect(try contents(folder, name) == contents(whole, name))
    #expect(try folder.data("verify", "--quiet").exit == 0)
    let again = try Program.lraData.run(merge, in: folder.path)
    #expect(again.output.hasSuffix(": nothing to do\n"))
  }

  @Test("a merge that was killed goes on with the same command")
  func killed() throws {
    let whole = try TemporaryFolder()
    #expect(try Program.lraData.run(several, in: whole.path).exit == 0)
    let expected = try contents(whole, "listops-2k")
    let folder = try shares(several)
    var killed = 0
    for number in 0..<3 {
      let running = try Program.lraData.start(merge, in: folder.path)
      let file = folder.file("data/listops-2k/train-0000\(number * 3).npy")
      running.wait(for: file)
      running.send(SIGKILL)
      if try running.wait().exit == -SIGKILL { killed += 1 }
    }
    #expect(killed > 0)
    #expect(try Program.lraData.run(merge, in: folder.path).exit == 0)
    #expect(try contents(folder, "listops-2k") == expected)
    #expect(try folder.data("verify", "--quiet").exit == 0)
    let left = try files.subpathsOfDirectory(atPath: folder.path)
    #expect(!left.contains { $0.hasSuffix(".partial") })
  }

  @Test("a missing worker exits 1, another seed 7, a damaged shard 4; nothing wrong is written")
  func refused() throws {
    let folder = try shares(small)
    let missing = try folder.data("merge", "w1/data.sqlite", "w3/data.sqlite")
    #expect(missing.exit == 1)
    #expect(
      missing.error == """
        error: listops-64: shard 1 of train, shard 0 of test are in none of the databases
        run worker 2/3 (gen --worker), then merge again with its database

        """)
    #expect(try folder.data("merge", "w1/data.sqlite", "w3/data.sqlite", "--dry-run").exit == 1)
    try flip(folder.file("w2/data/listops-64/train-00001.npy"), byte: 300)
    let damaged = try Program.lraData.run(merge, in: folder.path)
    #expect(damaged.exit == 4)
    #expect(
      damaged.error == """
        error: listops-64: shard data/listops-64/train-00001.npy does not match its SHA-256
        verify and repair with: lra-data verify --repair --db w2/data.sqlite

        """)
    #expect(try Program.lraData.run(merge + ["--dry-run"], in: folder.path).exit == 0)
    #expect(try folder.data("verify", "--repair", "--db", "w2/data.sqlite").exit == 0)
    #expect(try Program.lraData.run(merge, in: folder.path).exit == 0)
    try files.createDirectory(atPath: folder.file("w4"), withIntermediateDirectories: false)
    #expect(
      try Program.lraData.run(
        small + ["--seed", "1", "--worker", "2/3"], in: folder.file("w4")
      ).exit == 0)
    let seeds = try folder.data(
      "merge", "w1/data.sqlite", "w4/data.sqlite", "w3/data.sqlite", "--db", "w5.sqlite")
    #expect(seeds.exit == 7)
    #expect(
      seeds.error.hasPrefix(
        "error: w4/data.sqlite holds listops-64 with seed 1; w1/data.sqlite with seed 0\n"))
    #expect(!files.fileExists(atPath: folder.file("w5.sqlite")))
  }
}
