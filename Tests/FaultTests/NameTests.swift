import Foundation
import Testing
import ToolRunner

@Suite("names and surroundings")
struct NameTests {
  /// Names that would do harm in SQL, in a shell or on a terminal.
  static let hostile = [
    "'; DROP TABLE example; --", "100%", "a_b", "\u{1F4A5}", "\u{202E}txt", "two words",
    "line\nend",
    "quote\"quote", "$(touch x)",
  ]

  private func schema(_ folder: TemporaryFolder) throws -> String {
    let code = """
      import sqlite3
      print(sqlite3.connect("data.sqlite").execute("SELECT sql FROM sqlite_master").fetchall())
      """
    return try Program.python(code, in: folder.path).output
  }

  @Test("a folder and a database of any name work, and no other file appears", arguments: hostile)
  func paths(name: String) throws {
    let outer = try TemporaryFolder()
    let folder = outer.file(name)
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
    let database = "\(name)/\(name).sqlite"
    for command in [small, ["verify"], ["show", "listops-64"]] {
      let outcome = try Program.lraData.run(command + ["--db", database], in: outer.path)
      #expect(outcome.exit == 0, "\(outcome.error)")
    }
    let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    #expect(names == ["\(name).sqlite", "\(name).sqlite.lock", "data"].sorted())
    #expect(try FileManager.default.contentsOfDirectory(atPath: outer.path) == [name])
  }

  @Test("a dataset or split of such a name is unknown, and the schema stays")
  func datasets() throws {
    let folder = try smallFolder()
    let before = try (schema(folder), digest(folder))
    for name in NameTests.hostile { try refuses(name, folder) }
    #expect(try (schema(folder), digest(folder)) == before)
    #expect(try folder.data("verify", "--quiet").exit == 0)
  }

  private func refuses(_ name: String, _ folder: TemporaryFolder) throws {
    for command in [["stats", name], ["verify", name], ["rm", name, "--yes"]] {
      let outcome = try Program.lraData.run(command, in: folder.path)
      #expect(outcome.exit == 64)
      #expect(outcome.error.contains("data.sqlite holds no dataset \(name); it holds: listops-64"))
    }
    #expect(try folder.data("show", "listops-64", "--split", name).exit == 64)
    if name != "a_b" {
      #expect(try Program.lraData.run(small + ["--name", name], in: folder.path).exit == 64)
    }
  }

  @Test("a name with _ is no pattern")
  func pattern() throws {
    let folder = try TemporaryFolder()
    for name in ["a_b", "aXb"] {
      #expect(try Program.lraData.run(small + ["--name", name], in: folder.path).exit == 0)
    }
    #expect(try folder.data("rm", "a_b", "--yes").exit == 0)
    #expect(try folder.data("verify", "aXb", "--quiet").exit == 0)
  }

  @Test(
    "locale, time zone and umask change no byte",
    arguments: [
      "LC_ALL=tr_TR.UTF-8 LANG=tr_TR.UTF-8", "LC_ALL=C", "TZ=Pacific/Kiritimati", "TZ=:bad",
    ])
  func surroundings(setting: String) throws {
    let (one, two) = (try smallFolder(), try TemporaryFolder())
    let made = try Program(path: "/bin/sh").run(
      ["-c", "umask 077; exec env \(setting) \"$0\" \"$@\"", Program.lraData.path] + small,
      in: two.path)
    #expect(made.exit == 0, "\(made.error)")
    #expect(try contents(one, "listops-64") == contents(two, "listops-64"))
    let mode =
      try FileManager.default.attributesOfItem(
        atPath: two.file("data/listops-64/train-00000.npy"))[.posixPermissions] as? Int
    #expect(mode == 0o600)
    #expect(
      try one.data("manifest", "listops-64").output == two.data("manifest", "listops-64").output)
  }

  @Test(
    "shards on another file system",
    .enabled(if: Capability.hasSharedMemory, "there is no /dev/shm here"))
  func otherFileSystem() throws {
    let reference = try smallFolder()
    let folder = try TemporaryFolder()
    let other = "/dev/shm/lra-test-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: other) }
    try FileManager.default.createDirectory(atPath: other, withIntermediateDirectories: false)
    try FileManager.default.createSymbolicLink(
      atPath: folder.file("data"), withDestinationPath: other)
    #expect(try Program.lraData.run(small, in: folder.path).exit == 0)
    #expect(try contents(folder, "listops-64") == contents(reference, "listops-64"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: other) == ["listops-64"])
  }

  @Test("a path that is too long is an error with a message")
  func longPath() throws {
    let folder = try TemporaryFolder()
    let outcome = try Program.lraData.run(
      small + ["--db", String(repeating: "long/", count: 1000) + "data.sqlite"], in: folder.path)
    #expect(outcome.exit == 1)
    #expect(outcome.error.contains("File name too long"), "\(outcome.error)")
  }
}

@Suite("other versions")
struct VersionTests {
  @Test("a dataset of another generator version is neither continued nor repaired")
  func generator() throws {
    let folder = try smallFolder()
    try sql(folder, "UPDATE dataset SET generator_version=2")
    let before = try contents(folder, "listops-64")
    let again = try Program.lraData.run(small, in: folder.path)
    #expect(again.exit == 7)
    #expect(
      again.error.contains(
        "data.sqlite holds listops-64 with generator version 2; this asks for generator version 1"
      ), "\(again.error)")
    #expect(try folder.data("verify", "--quiet").exit == 0)
    try flip(folder.file("data/listops-64/train-00001.npy"), byte: 200)
    let damaged = try folder.data("verify", "--repair")
    #expect(damaged.exit == 3)
    #expect(damaged.error.contains("The index does not say how the data was made"))
    try flip(folder.file("data/listops-64/train-00001.npy"), byte: 200)
    #expect(try contents(folder, "listops-64") == before)
  }

  @Test("a manifest of a newer form or generator is refused")
  func manifest() throws {
    let folder = try smallFolder()
    let manifest = try folder.data("manifest", "listops-64").output
    for (key, code) in [("schema", Int32(65)), ("generator_version", Int32(64))] {
      let newer = manifest.replacing("\"\(key)\" : 1,", with: "\"\(key)\" : 2,")
      #expect(newer != manifest)
      #expect(
        FileManager.default.createFile(
          atPath: folder.file("newer.json"), contents: Data(newer.utf8)))
      let outcome = try folder.data("build", "newer.json", "--name", "newer")
      #expect(outcome.exit == code, "\(outcome.error)")
      #expect(outcome.error.hasPrefix("error: newer.json"))
    }
  }

  @Test(
    "another seed, size, shard size or length under the same name exits 7 and says what differs")
  func configuration() throws {
    let folder = try smallFolder()
    let before = try contents(folder, "listops-64")
    for (change, difference) in [
      (["--seed", "1"], "with seed 0; this asks for seed 1"),
      (["--train", "301"], "with train 300; this asks for train 301"),
      (["--shard-examples", "64"], "128 examples per shard; this asks for 64 examples per shard"),
      (["--max-args", "5"], "max_args 10; this asks for max_args 5"),
    ] {
      let arguments = small.filter { $0 != "--quiet" } + change + ["--name", "listops-64"]
      let outcome = try Program.lraData.run(arguments, in: folder.path)
      #expect(outcome.exit == 7)
      #expect(outcome.error.contains(difference), "\(outcome.error)")
    }
    #expect(try contents(folder, "listops-64") == before)
  }
}
