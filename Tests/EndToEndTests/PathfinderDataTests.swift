import Foundation
import Testing
import ToolRunner

private let arguments = [
  "gen", "pathfinder", "--train", "60", "--validation", "10", "--test", "10", "--shard-examples",
  "32",
]

/// A few images of the standard task in a folder of its own.
private func small() throws -> TemporaryFolder {
  let folder = try TemporaryFolder()
  let made = try Program.lraData.run(arguments + ["--quiet"], in: folder.path)
  try #require(made.exit == 0, "\(made.error)")
  return folder
}

private func digest(_ output: String) throws -> String {
  let match = try #require(output.firstMatch(of: /"content_digest":"([0-9a-f]{64})"/))
  return String(match.1)
}

@Suite("lra-data with images")
struct PathfinderDataTests {
  @Test("gen says size, length and digest, and nothing to do the second time")
  func gen() throws {
    let folder = try TemporaryFolder()
    let first = try Program.lraData.run(arguments, in: folder.path)
    #expect(first.exit == 0)
    #expect(first.output.hasPrefix("80 examples · 81.9 k tokens · 4 shards, "))
    #expect(
      first.error == """
        pathfinder32-hard · images 32x32, 1 024 tokens · seed 0 · train 60, validation 10, test 10
        Next: lra-train --db data.sqlite

        """)
    let json = try Program.lraData.run(arguments + ["--json"], in: folder.path)
    #expect(json.output.contains("\"state\":\"complete\",\"task\":\"pathfinder\",\"tokens\":81920"))
    #expect(
      try digest(json.output)
        == "03cce748731f844709ba5071f01425d61f805ec98d5f3416e53a83a5f2d19177")
    #expect(try folder.data("verify").output.contains("pathfinder32-hard   80 examples   ok"))
    #expect(try folder.data("ls").output.contains("  1 024  "))
    #expect(try folder.data("show", "pathfinder32-hard", "3").output.contains("32x32 pixels"))
    #expect(try folder.data("stats", "pathfinder32-hard").exit == 0)
  }

  @Test("the CPU's features change no byte, nor do threads", arguments: ["1k", "16k"])
  func features(length: String) throws {
    let options = [
      "gen", "pathfinder", "--len", length, "--train", "40", "--validation", "0", "--test", "0",
      "--json",
    ]
    let (one, two) = (try TemporaryFolder(), try TemporaryFolder())
    let plain = try Program.lraData.run(options, in: one.path)
    let limited = try Program(path: "/usr/bin/env").run(
      ["GLIBC_TUNABLES=glibc.cpu.hwcaps=-FMA,-AVX2", Program.lraData.path] + options
        + ["--threads", "1"], in: two.path)
    #expect(plain.exit == 0)
    #expect(try digest(plain.output) == digest(limited.output))
    if length == "16k" {
      #expect(
        try digest(plain.output)
          == "223dcc6892790c7707bf15d4eaf0195f2977e0b62a1a40831655cd85874ee58d")
    }
  }

  @Test("Python's tarfile and zlib read the images that show prints")
  func python() throws {
    let folder = try small()
    let code = """
      import json, struct, tarfile, zlib
      def pixels(png):
          place, data = 8, b""
          assert png[:8] == b"\\x89PNG\\r\\n\\x1a\\n"
          while place < len(png):
              length, = struct.unpack(">I", png[place:place + 4])
              kind, body = png[place + 4:place + 8], png[place + 8:place + 8 + length]
              check, = struct.unpack(">I", png[place + 8 + length:place + 12 + length])
              assert zlib.crc32(kind + body) == check
              if kind == b"IHDR": width, height = struct.unpack(">II", body[:8])
              if kind == b"IDAT": data += body
              place += 12 + length
          rows = zlib.decompress(data)
          assert all(rows[y * (width + 1)] == 0 for y in range(height))
          return [value + 1 for y in range(height) for value in rows[y * (width + 1) + 1:(y + 1) * (width + 1)]]
      archive = tarfile.open("data/pathfinder32-hard/train-00001.tar")
      names = archive.getnames()
      assert names[:2] == ["000032.png", "000032.cls"] and len(names) == 56, names
      assert all(member.mtime == 0 for member in archive)
      print(json.dumps([
          [int(archive.extractfile(name[:6] + ".cls").read()), pixels(archive.extractfile(name).read())]
          for name in names if name.endswith("png")]))
      """
    let outcome = try Program.python(code, in: folder.path)
    try #require(outcome.exit == 0, "\(outcome.error)")
    let read = try #require(
      JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [[Any]])
    struct Shown: Decodable {
      struct Example: Decodable {
        let label: Int
        let tokens: [Int]
      }
      let examples: [Example]
    }
    let shown = try folder.data(
      "show", "pathfinder32-hard", "32", "--count", "28", "--json"
    ).output
    let examples = try JSONDecoder().decode(Shown.self, from: Data(shown.utf8)).examples
    #expect(examples.map(\.label) == read.compactMap { $0.first as? Int })
    #expect(examples.map(\.tokens) == read.compactMap { $0.last as? [Int] })
  }

  @Test("a contact sheet is a PNG, sequences have none")
  func sheet() throws {
    let folder = try small()
    let outcome = try folder.data(
      "show", "pathfinder32-hard", "--png", "sheet.png", "--count", "40")
    #expect(
      outcome.output
        == "40 images of pathfinder32-hard train in sheet.png, label above each\n")
    let file = FileManager.default.contents(atPath: folder.file("sheet.png"))
    #expect(file?.prefix(4) == Data([0x89, 0x50, 0x4E, 0x47]))
    #expect(
      try folder.data(
        "gen", "listops", "--len", "64", "--train", "3", "--validation", "0", "--test", "0"
      )
      .exit == 0)
    let none = try folder.data("show", "listops-64", "--png", "x.png")
    #expect(none.exit == 64)
    #expect(none.error.contains("listops-64 has no images"))
  }

  @Test("a manifest builds the same images")
  func manifest() throws {
    let folder = try small()
    #expect(try folder.data("manifest", "pathfinder32-hard", "--out", "m.json").exit == 0)
    let built = try folder.data("build", "m.json", "--name", "again", "--json")
    #expect(built.exit == 0, "\(built.error)")
    #expect(built.output.contains("\"match\":true"))
  }

  @Test("an image that cannot be placed exits 64 and says what to do")
  func attempts() throws {
    let folder = try TemporaryFolder()
    let outcome = try Program.lraData.run(
      arguments + ["--max-attempts", "1", "--quiet"], in: folder.path)
    #expect(outcome.exit == 64)
    #expect(outcome.error.hasSuffix("allow more with --max-attempts\n"))
  }
}
