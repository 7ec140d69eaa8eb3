import Foundation
import Testing
import ToolRunner

/// A dataset of several shards that takes a moment to make.
let several = [
  "gen", "listops", "--train", "3000", "--validation", "100", "--test", "100", "--shard-examples",
  "200", "--threads", "2", "--quiet",
]

/// A dataset that is made at once.
let small = [
  "gen", "listops", "--len", "64", "--train", "300", "--validation", "20", "--test", "20",
  "--shard-examples", "128", "--quiet",
]

/// A folder with the small dataset in it.
func smallFolder() throws -> TemporaryFolder {
  let folder = try TemporaryFolder()
  let made = try Program.lraData.run(small, in: folder.path)
  try #require(made.exit == 0, "\(made.error)")
  return folder
}

/// The bytes of every shard and side table by name, and the content digest.
func contents(_ folder: TemporaryFolder, _ dataset: String) throws -> [String: Data] {
  let path = folder.file("data/\(dataset)")
  var contents: [String: Data] = [:]
  for name in try FileManager.default.contentsOfDirectory(atPath: path)
  where name != "quarantine" && name != ".database" {
    contents[name] = FileManager.default.contents(atPath: "\(path)/\(name)")
  }
  contents["digest"] = Data(try digest(folder).utf8)
  return contents
}

/// The content digest as `ls --json` says it.
func digest(_ folder: TemporaryFolder) throws -> String {
  let listing = try folder.data("ls", "--json").output
  let match = try #require(listing.firstMatch(of: /"content_digest":"([0-9a-f]{64})"/))
  return String(match.1)
}

/// Runs SQL on the database of a folder.
func sql(_ folder: TemporaryFolder, _ statement: String) throws {
  let code = """
    import sqlite3
    database = sqlite3.connect("data.sqlite")
    database.execute(\"\"\"\(statement)\"\"\")
    database.commit()
    """
  let outcome = try Program.python(code, in: folder.path)
  try #require(outcome.exit == 0, "\(outcome.error)")
}

/// Flips one bit of a file.
func flip(_ path: String, byte: Int) throws {
  let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
  defer { try? file.close() }
  try file.seek(toOffset: UInt64(byte))
  let old = try #require(try file.read(upToCount: 1)?.first)
  try file.seek(toOffset: UInt64(byte))
  try file.write(contentsOf: Data([old ^ 4]))
}
