import Foundation
import Testing
import ToolRunner

/// How often the tests kill a generation; `Tests/long-faults.sh` does it 20 times on the full dataset.
private let kills = 4

@Suite("interrupted generation of ListOps", .serialized)
struct InterruptionTests {
  @Test("resume after kill -9 gives identical shards, rows and digests")
  func killed() throws {
    let reference = try TemporaryFolder()
    #expect(try Program.lraData.run(several, in: reference.path).exit == 0)
    let expected = try contents(reference, "listops-2k")
    let folder = try TemporaryFolder()
    var killed = 0
    for number in 0..<kills {
      let running = try Program.lraData.start(several, in: folder.path)
      // A random shard of the next few: the kill hits work on the ones after it.
      let shard = "0000\(number * 2 + Int.random(in: 0...1))"
      let file = folder.file("data/listops-2k/train-\(shard).npy")
      running.wait(for: file)
      running.send(SIGKILL, afterMilliseconds: Int.random(in: 0...3))
      if try running.wait().exit == -SIGKILL { killed += 1 }
    }
    #expect(killed > 0)
    let last = try Program.lraData.run(several, in: folder.path)
    #expect(last.exit == 0, "\(last.error)")
    #expect(try contents(folder, "listops-2k") == expected)
    #expect(try folder.data("verify", "--quiet").exit == 0)
    print("killed \(killed) of \(kills) times before the end")
  }

  @Test(
    "SIGINT exits 130 and SIGTERM 143, finished shards are safe, the same command goes on",
    arguments: [(SIGINT, Int32(130)), (SIGTERM, Int32(143))])
  func signals(signal: Int32, code: Int32) throws {
    let folder = try TemporaryFolder()
    let long = [
      "gen", "listops", "--train", "60000", "--validation", "0", "--test", "0",
      "--shard-examples", "500", "--threads", "1", "--quiet",
    ]
    let running = try Program.lraData.start(long, in: folder.path)
    // The first shard says that the tool listens.
    let first = folder.file("data/listops-2k/train-00000.npy")
    running.wait(for: first)
    running.send(signal)
    let outcome = try running.wait()
    #expect(outcome.exit == code)
    #expect(outcome.output == "")
    #expect(outcome.error.hasPrefix("interrupted: "))
    #expect(outcome.error.contains(" of 60 000 examples are safe in data.sqlite\n"))
    let command = "Resume with the same command: lra-data \(long.joined(separator: " "))\n"
    #expect(outcome.error.hasSuffix(command))
    #expect(try folder.data("verify", "--quiet").exit == 0)
    #expect(try folder.data("show", "listops-2k").exit == 1)
  }

  @Test("threads and shard size change no content digest, split sizes no example")
  func independence() throws {
    let folder = try TemporaryFolder()
    var digests: Set<String> = []
    for (number, options) in [
      ["--threads", "1"], ["--threads", "8"], ["--threads", "2", "--shard-examples", "37"],
    ].enumerated() {
      let made = try Program.lraData.run(
        ["gen", "listops", "--train", "200", "--validation", "50", "--test", "50", "--json"]
          + ["--name", "d\(number)"] + options, in: folder.path)
      let match = try #require(made.output.firstMatch(of: /"content_digest":"([0-9a-f]{64})"/))
      digests.insert(String(match.1))
    }
    #expect(digests.count == 1)
    #expect(
      try folder.data(
        "gen", "listops", "--train", "1", "--validation", "0", "--test", "200", "--name", "more"
      ).exit == 0)
    let one = try folder.data("show", "d0", "0", "--split", "test", "--count", "50", "--json")
    let two = try folder.data("show", "more", "0", "--split", "test", "--count", "50", "--json")
    #expect(one.output == two.output)
  }

  @Test(
    "a writer that died in its first transaction leaves a journal; the same command goes on",
    arguments: [true, false])
  func firstTransaction(isHeaderWritten: Bool) throws {
    let folder = try TemporaryFolder()
    // The journal of an empty database beside pages that it takes back.
    let code = """
      import os, shutil, sqlite3
      database = sqlite3.connect("work.sqlite", isolation_level=None)
      database.execute("PRAGMA cache_size=1")
      database.execute("BEGIN")
      database.execute("CREATE TABLE t(x)")
      database.execute("INSERT INTO t SELECT zeroblob(200000)")
      shutil.move(shutil.copy("work.sqlite-journal", "copy"), "data.sqlite-journal")
      if \(isHeaderWritten ? "True" : "False"):
          database.execute("COMMIT")
      shutil.copy("work.sqlite", "data.sqlite")
      assert os.path.getsize("data.sqlite") > 0
      assert os.path.getsize("data.sqlite-journal") > 0
      os._exit(0)
      """
    let prepared = try Program.python(code, in: folder.path)
    #expect(prepared.exit == 0, "\(prepared.error)")
    for name in ["work.sqlite", "work.sqlite-journal"] {
      try? FileManager.default.removeItem(atPath: folder.file(name))
    }
    let outcome = try Program.lraData.run(small, in: folder.path)
    #expect(outcome.exit == 0, "\(outcome.error)")
    #expect(try folder.data("verify", "--quiet").exit == 0)
  }

  @Test("a second writer exits 6 and names the first")
  func secondWriter() throws {
    let folder = try TemporaryFolder()
    let running = try Program.lraData.start(several, in: folder.path)
    let data = folder.file("data/listops-2k")
    running.wait(for: data)
    running.send(SIGSTOP)
    let second = try Program.lraData.run(several, in: folder.path)
    running.send(SIGCONT)
    #expect(try running.wait().exit == 0)
    #expect(second.exit == 6)
    #expect(
      second.error.contains(
        #/^error: data.sqlite is being written by process [0-9]+ on .+/#))
    #expect(try Program.lraData.run(several, in: folder.path).exit == 0)
  }

  @Test(
    "a full disk exits 5, and the same command goes on when there is space",
    .enabled(if: Capability.mounts, "mounting is not permitted here"))
  func fullDisk() throws {
    let small = try SmallDisk(megabytes: 4)
    let disk = small.path
    let command = [
      "gen", "listops", "--train", "5000", "--validation", "10", "--test", "10",
      "--shard-examples", "500", "--quiet",
    ]
    let full = try Program.lraData.run(command, in: disk)
    #expect(full.exit == 5)
    #expect(full.error.hasPrefix("error: no space left for "))
    #expect(full.error.hasSuffix("run the same command again; finished shards are kept\n"))
    let names = try FileManager.default.contentsOfDirectory(atPath: disk + "/data/listops-2k")
    #expect(!names.contains { $0.hasSuffix(".partial") })
    try small.resize(megabytes: 40)
    #expect(try Program.lraData.run(command, in: disk).exit == 0)
    #expect(try Program.lraData.run(["verify", "--quiet"], in: disk).exit == 0)
  }
}
