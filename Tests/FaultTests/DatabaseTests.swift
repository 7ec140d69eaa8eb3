import Foundation
import Testing
import ToolRunner

@Suite("databases that are none")
struct DatabaseTests {
  /// Runs `ls` on a file with some content.
  private func ls(_ content: String?, _ python: String? = nil) throws -> Outcome {
    let folder = try TemporaryFolder()
    if let content {
      #expect(
        FileManager.default.createFile(
          atPath: folder.file("data.sqlite"), contents: Data(content.utf8)))
    }
    if let python { #expect(try Program.python(python, in: folder.path).exit == 0) }
    return try folder.data("ls")
  }

  @Test("a missing database")
  func missing() throws {
    let outcome = try ls(nil)
    #expect(outcome.exit == 1)
    #expect(
      outcome.error == """
        error: data.sqlite does not exist
        make it with: lra-data gen listops --db data.sqlite

        """)
  }

  @Test("a database in a folder that is not there")
  func noFolder() throws {
    let folder = try TemporaryFolder()
    let outcome = try folder.data("gen", "listops", "--train", "4", "--db", "none/data.sqlite")
    #expect(outcome.exit == 1)
    #expect(
      outcome.error.hasSuffix(
        """
        error: none/data.sqlite: there is no folder none
        make it with: mkdir -p none

        """))
  }

  @Test("an empty file")
  func empty() throws {
    let outcome = try ls("")
    #expect(outcome.exit == 65)
    #expect(outcome.error.hasPrefix("error: data.sqlite is empty: it holds no datasets\n"))
  }

  @Test("a text file")
  func text() throws {
    let outcome = try ls("this is a text, and it is long enough to be something\n")
    #expect(outcome.exit == 65)
    #expect(outcome.error.hasPrefix("error: data.sqlite is not an SQLite database\n"))
  }

  @Test("an SQLite database of another program")
  func foreign() throws {
    let outcome = try ls(
      nil, "import sqlite3; sqlite3.connect('data.sqlite').execute('CREATE TABLE t(x)')")
    #expect(outcome.exit == 65)
    #expect(
      outcome.error.hasPrefix("error: data.sqlite is an SQLite database of another program\n"))
  }

  @Test("a database from a newer version, which nothing changes")
  func newer() throws {
    let folder = try smallFolder()
    try sql(folder, "PRAGMA user_version=2")
    let before = FileManager.default.contents(atPath: folder.file("data.sqlite"))
    for command in [["ls"], ["verify", "--repair"], small + ["--name", "more"]] {
      let outcome = try Program.lraData.run(command, in: folder.path)
      #expect(outcome.exit == 65)
      #expect(outcome.error.contains("data.sqlite has format 2; this version"))
    }
    #expect(FileManager.default.contents(atPath: folder.file("data.sqlite")) == before)
  }

  @Test("a flipped bit that renames a column is damage, found without a crash")
  func schema() throws {
    let folder = try smallFolder()
    let code = """
      data = bytearray(open("data.sqlite", "rb").read())
      place = data.index(b"sha256 BLOB NOT NULL,\\n meta_bytes")
      data[place + 5] ^= 128
      open("data.sqlite", "wb").write(data)
      """
    let changed = try Program.python(code, in: folder.path)
    #expect(changed.exit == 0, "\(changed.error)")
    for command in [["verify"], ["stats", "listops-64"], small] {
      let outcome = try Program.lraData.run(command, in: folder.path)
      #expect([3, 4].contains(outcome.exit), "\(command) \(outcome.exit) \(outcome.error)")
    }
  }

  @Test(
    "a folder that cannot be written leaves nothing half-written",
    .enabled(if: Capability.mounts, "mounting is not permitted here"))
  func readOnly() throws {
    let folder = try smallFolder()
    let before = try FileManager.default.subpathsOfDirectory(atPath: folder.path).sorted()
    let mount = try? Program(path: "/bin/mount").run(
      ["--bind", folder.path, folder.path], in: "/")
    try #require(mount?.exit == 0)
    defer { _ = try? Program(path: "/bin/umount").run(["-l", folder.path], in: "/") }
    _ = try Program(path: "/bin/mount").run(
      ["-o", "remount,ro,bind", folder.path], in: "/")
    let outcome = try Program.lraData.run(small + ["--name", "more"], in: folder.path)
    #expect(outcome.exit == 1)
    #expect(outcome.error.hasPrefix("error: cannot "), "\(outcome.error)")
    #expect(try folder.data("verify", "--quiet").exit == 0)
    #expect(try FileManager.default.subpathsOfDirectory(atPath: folder.path).sorted() == before)
  }
}
