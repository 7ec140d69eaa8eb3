import Foundation
import Testing
import ToolRunner

/// The reference of `several`: made once for all tests of this file.
private let reference = Result {
  let folder = try TemporaryFolder()
  let made = try Program.lraData.run(several, in: folder.path)
  try #require(made.exit == 0, "\(made.error)")
  return try contents(folder, "listops-2k")
}

@Suite("limits, signals and several processes", .serialized)
struct LimitTests {
  /// Runs the tool under a shell with some limits.
  private func limited(
    _ limits: String, _ arguments: [String], _ folder: TemporaryFolder
  ) throws -> Outcome {
    try Program(path: "/bin/bash").run(
      ["-c", "\(limits); exec \"$0\" \"$@\"", Program.lraData.path] + arguments, in: folder.path)
  }

  @Test("a file size limit is an error with a message; without it the same command goes on")
  func fileSize() throws {
    let folder = try TemporaryFolder()
    let outcome = try limited("ulimit -f 100", several, folder)
    #expect(outcome.exit == 1)
    #expect(outcome.error.contains(": File too large"), "\(outcome.error)")
    #expect(try Program.lraData.run(several, in: folder.path).exit == 0)
    #expect(try contents(folder, "listops-2k") == reference.get())
  }

  @Test("sixteen open files are enough, or an error with a message", arguments: [16, 8, 5])
  func openFiles(limit: Int) throws {
    let folder = try TemporaryFolder()
    let outcome = try limited("ulimit -n \(limit)", several, folder)
    if limit == 16 {
      #expect(outcome.exit == 0, "\(outcome.error)")
    } else {
      #expect(outcome.exit == 0 || outcome.exit == 1, "\(outcome.error)")
      #expect(outcome.exit == 0 || outcome.error.contains("error: "))
    }
    #expect(try Program.lraData.run(several, in: folder.path).exit == 0)
    #expect(try contents(folder, "listops-2k") == reference.get())
  }

  @Test("300 MB of address space are enough")
  func memory() throws {
    let folder = try TemporaryFolder()
    let outcome = try limited("ulimit -v 300000", several, folder)
    #expect(outcome.exit == 0, "\(outcome.error)")
    #expect(try contents(folder, "listops-2k") == reference.get())
    #expect(try limited("ulimit -v 300000", ["verify", "--quiet"], folder).exit == 0)
  }

  private func started(_ folder: TemporaryFolder) throws -> Program.Running {
    let running = try Program.lraData.start(several, in: folder.path)
    // The first shard says that the tool listens.
    let first = folder.file("data/listops-2k/train-00000.npy")
    running.wait(for: first)
    return running
  }

  @Test("SIGHUP exits 129; the same command goes on")
  func hangup() throws {
    let folder = try TemporaryFolder()
    let running = try started(folder)
    running.send(SIGHUP)
    let outcome = try running.wait()
    #expect(outcome.exit == 129, "\(outcome.error)")
    #expect(outcome.error.contains("Resume with the same command: lra-data gen listops"))
    #expect(try Program.lraData.run(several, in: folder.path).exit == 0)
    #expect(try contents(folder, "listops-2k") == reference.get())
  }

  @Test("a second SIGINT ends the process at once; the same command goes on")
  func twice() throws {
    let folder = try TemporaryFolder()
    let running = try started(folder)
    running.send(SIGINT)
    running.send(SIGINT)
    #expect(try running.wait().exit == 130)
    #expect(try Program.lraData.run(several, in: folder.path).exit == 0)
    #expect(try contents(folder, "listops-2k") == reference.get())
  }

  @Test("a process that was stopped goes on")
  func stopped() throws {
    let folder = try TemporaryFolder()
    let running = try started(folder)
    for _ in 0..<3 {
      running.send(SIGSTOP)
      running.send(SIGCONT)
    }
    #expect(try running.wait().exit == 0)
    #expect(try contents(folder, "listops-2k") == reference.get())
  }

  @Test(
    "a reader of the output that goes away is no error", arguments: ["show", "verify", "stats"])
  func brokenPipe(command: String) throws {
    let folder = try smallFolder()
    let rest = ["show": "listops-64 --count 300", "verify": "", "stats": "listops-64 --bins 500"]
    let outcome = try Program(path: "/bin/bash").run(
      [
        "-c", "\"$0\" \(command) \(rest[command] ?? "") --quiet | head -1; echo ${PIPESTATUS[0]}",
        Program.lraData.path,
      ], in: folder.path)
    #expect(outcome.error == "")
    #expect(outcome.output.hasSuffix("\n0\n"), "\(outcome.output)")
  }

  @Test("eight readers during a generation see whole shards only")
  func readers() throws {
    let folder = try TemporaryFolder()
    let running = try started(folder)
    var readers: [Program.Running] = []
    for number in 0..<8 {
      let command = number % 2 == 0 ? ["ls", "--json"] : ["verify", "--quiet"]
      readers.append(try Program.lraData.start(command, in: folder.path))
    }
    for reader in readers {
      let outcome = try reader.wait()
      #expect(outcome.exit == 0, "\(outcome.error)\(outcome.output)")
    }
    #expect(try running.wait().exit == 0)
    #expect(try contents(folder, "listops-2k") == reference.get())
  }

  @Test("the lock of a process that is dead holds nobody up")
  func staleLock() throws {
    let folder = try TemporaryFolder()
    let text = Data("process 999999 on elsewhere\n".utf8)
    #expect(
      FileManager.default.createFile(atPath: folder.file("data.sqlite.lock"), contents: text))
    #expect(try Program.lraData.run(several, in: folder.path).exit == 0)
  }

  @Test(
    "two writers where every flock succeeds, as on some network file systems, mix nothing",
    .enabled(if: Capability.traces, "strace is not installed or not permitted here"))
  func locksThatLie() throws {
    let strace = Program(path: "/usr/bin/strace")
    let folder = try TemporaryFolder()
    let lie = ["-f", "-qq", "-o", "/dev/null", "-e", "trace=flock", "-e", "inject=flock:retval=0"]
    let writers = try (0..<2).map { _ in
      try strace.start(lie + [Program.lraData.path] + several, in: folder.path)
    }
    for writer in writers {
      let outcome = try writer.wait()
      #expect([0, 1, 6].contains(outcome.exit), "\(outcome.exit) \(outcome.error)")
      #expect(outcome.exit == 0 || outcome.error.contains("error: "))
    }
    #expect(try Program.lraData.run(several, in: folder.path).exit == 0)
    #expect(try folder.data("verify", "--quiet").exit == 0)
    #expect(try contents(folder, "listops-2k") == reference.get())
  }
}
