import Datasets
import Foundation
import Testing
import ToolRunner

/// A server on this machine with the faults of real ones, and a folder to fetch into.
private final class Server {
  let folder: TemporaryFolder
  private let port: String
  private let process: Int32

  init() throws {
    folder = try TemporaryFolder()
    let script = Program.package + "/Tests/FaultTests/serve.py"
    let started = try Program.python.run([script], in: folder.path)
    let words = started.output.split(whereSeparator: \.isWhitespace)
    try #require(started.exit == 0 && words.count == 2, "\(started.error)")
    port = String(words[0])
    process = try #require(Int32(words[1]))
  }

  deinit { kill(process, SIGKILL) }

  func url(_ mode: String, _ size: Int) -> String { "http://127.0.0.1:\(port)/\(mode)/\(size)" }

  static func pattern(_ size: Int) -> Data {
    Data((0..<size).map { UInt8(truncatingIfNeeded: $0 * 131 + $0 / 251) })
  }

  /// An archive as its publisher describes it, at a place with faults.
  func archive(_ mode: String, _ size: Int, sha256: String? = nil) -> PublishedArchive {
    PublishedArchive(
      kind: "test", name: "archive.bin", url: url(mode, size), bytes: size,
      sha256: sha256 ?? Digest.hex(Digest.sha256(Server.pattern(size))))
  }

  func fetch(_ archive: PublishedArchive, attempts: Int = 10) throws -> FetchResult {
    var options = FetchOptions()
    options.attempts = attempts
    options.pause = 0
    return try Fetch(archive, to: folder.file("to"), options: options).run()
  }

  /// The names in the target folder.
  var files: [String] {
    (try? FileManager.default.contentsOfDirectory(atPath: folder.file("to")).sorted()) ?? []
  }

  func error(_ archive: PublishedArchive, attempts: Int = 10) -> DatasetError? {
    do {
      _ = try fetch(archive, attempts: attempts)
      return nil
    } catch { return error as? DatasetError }
  }

  /// Leaves what an interrupted fetch leaves.
  func leave(_ bytes: Data) throws {
    try FileManager.default.createDirectory(
      atPath: folder.file("to"), withIntermediateDirectories: true)
    try bytes.write(to: URL(fileURLWithPath: folder.file("to/archive.bin.partial")))
  }
}

@Suite struct FetchTests {
  @Test("a good server: the file has its name, and the second time there is nothing to fetch")
  func good() throws {
    let server = try Server()
    let archive = server.archive("good", 100_000)
    let first = try server.fetch(archive)
    #expect(first.verified && first.resumedFrom == 0 && first.bytes == 100_000)
    #expect(FileManager.default.contents(atPath: first.path) == Server.pattern(100_000))
    #expect(server.files == ["archive.bin"])
    #expect(try server.fetch(archive).resumedFrom == nil)
  }

  @Test("a connection that drops every 40,000 bytes is taken up until the file is whole")
  func drops() throws {
    let server = try Server()
    let result = try server.fetch(server.archive("drop", 150_000))
    #expect(FileManager.default.contents(atPath: result.path) == Server.pattern(150_000))
    let given = server.error(server.archive("drop", 900_000), attempts: 2)
    #expect(given?.code == .checksumMismatch)  // another file of this name is there
  }

  @Test("attempts end: what arrived is kept, and the same command goes on from there")
  func givesUp() throws {
    let server = try Server()
    let archive = server.archive("drop", 150_000)
    let error = server.error(archive, attempts: 2)
    #expect(error?.code == .failure)
    #expect(error?.message.contains("80 000 bytes are kept") == true)
    #expect(server.files == ["archive.bin.partial"])
    let result = try server.fetch(archive)
    #expect(result.resumedFrom == 80_000)
    #expect(server.files == ["archive.bin"])
  }

  @Test("a server that ignores Range is asked for the whole file")
  func ignoredRange() throws {
    let server = try Server()
    try server.leave(Server.pattern(100_000).prefix(30_000))
    let result = try server.fetch(server.archive("plain", 100_000))
    #expect(result.resumedFrom == 0)
    #expect(FileManager.default.contents(atPath: result.path) == Server.pattern(100_000))
  }

  @Test("a wrong digest: exit 4, the file is kept aside and never gets its name")
  func wrongDigest() throws {
    let server = try Server()
    let error = server.error(server.archive("wrong", 5000))
    #expect(error?.code == .checksumMismatch)
    #expect(server.files == ["archive.bin.wrong"])
    // Damaged bytes of an earlier fetch: found at the end, and the next fetch starts anew.
    try server.leave(Data(repeating: 1, count: 2000))
    #expect(server.error(server.archive("good", 5000))?.code == .checksumMismatch)
    #expect(try server.fetch(server.archive("good", 5000)).resumedFrom == 0)
  }

  @Test("a partial file that is complete, or longer than the file")
  func oddPartials() throws {
    let server = try Server()
    try server.leave(Server.pattern(5000))
    #expect(try server.fetch(server.archive("forbidden", 5000)).resumedFrom == 5000)
    let other = try Server()
    try other.leave(Data(repeating: 7, count: 9000))
    #expect(try other.fetch(other.archive("good", 5000)).resumedFrom == 0)
  }

  @Test("a server that announces more than it sends never makes a file")
  func longer() throws {
    let server = try Server()
    let archive = PublishedArchive(
      kind: "test", name: "archive.bin", url: server.url("longer", 5000), bytes: 6000, sha256: nil)
    #expect(server.error(archive, attempts: 2) != nil)
    #expect(!server.files.contains("archive.bin"))
  }

  @Test("what the server or the network says is told")
  func refused() throws {
    let server = try Server()
    let error = server.error(server.archive("forbidden", 5000))
    #expect(error?.code == .failure)
    #expect(error?.message.contains("403") == true)
    let nobody = PublishedArchive(
      kind: "test", name: "archive.bin", url: "http://127.0.0.1:1/x", bytes: 5, sha256: nil)
    #expect(server.error(nobody, attempts: 2)?.code == .failure)
    let scheme = PublishedArchive(
      kind: "test", name: "archive.bin", url: "file:///etc/passwd", bytes: 5, sha256: nil)
    #expect(server.error(scheme)?.code == .failure)
  }

  @Test("a file that does not fit is not begun")
  func space() throws {
    let server = try Server()
    let archive = PublishedArchive(
      kind: "test", name: "archive.bin", url: server.url("good", 10), bytes: 1 << 60, sha256: nil)
    #expect(server.error(archive)?.code == .diskFull)
  }

  @Test("without a published digest the first one is recorded, and another is refused later")
  func recorded() throws {
    let server = try Server()
    let tool = Program.lraData
    func run(_ mode: String) throws -> Outcome {
      try tool.run(
        ["fetch", "lra-release", "--url", server.url(mode, 7000), "--to", "there", "--json"],
        in: server.folder.path)
    }
    let first = try run("good")
    #expect(first.exit == 0)
    #expect(first.output.contains(#""verified":false"#))
    #expect(try run("good").output.contains(#""verified":true"#))
    try FileManager.default.removeItem(atPath: server.folder.file("there/lra_release.gz"))
    let other = try run("wrong")
    #expect(other.exit == 4)
    #expect(other.output.contains(#""code":"checksum_mismatch""#))
    #expect(try run("unsized").output.contains(#""verified":true"#))
  }

  @Test("the tool says what is wrong with a mirror's file")
  func tool() throws {
    let server = try Server()
    let outcome = try server.folder.data("fetch", "imdb", "--url", server.url("good", 5000))
    #expect(outcome.exit == 1)
    #expect(outcome.error.contains("the connection ended early"))
    #expect(try server.folder.data("fetch", "mnist").exit == 64)
    let plan = try server.folder.data("fetch", "imdb", "--dry-run", "--to", "x")
    #expect(plan.output.contains("84.1 MB"))
    #expect(!FileManager.default.fileExists(atPath: server.folder.file("x")))
  }
}
