import Foundation

/// One download: resumable, checked against size and SHA-256 before the file gets its name.
///
/// Bytes arrive in `NAME.partial` through the program `curl`. A broken connection is taken up where it
/// broke; a server that cannot do that is asked for the whole file again. What has the wrong digest is kept
/// as `NAME.wrong` and never used.
public struct Fetch: Sendable {
  private let archive: PublishedArchive
  private let url: String
  private let path: String
  private let folder: String
  private let options: FetchOptions

  private var partial: String { path + ".partial" }
  private var record: String { path + ".sha256" }

  /// - Parameters:
  ///   - folder: where the file shall lie; made when it is not there.
  ///   - mirror: another place that has the file; nil for its publisher's.
  public init(
    _ archive: PublishedArchive, to folder: String, mirror: String? = nil,
    options: FetchOptions = .init()
  ) {
    self.archive = archive
    url = mirror ?? archive.url
    self.folder = folder
    path = folder.hasSuffix("/") ? folder + archive.name : "\(folder)/\(archive.name)"
    self.options = options
  }

  /// How many bytes of an interrupted fetch are there.
  public var waiting: Int { Fetch.size(of: partial) ?? 0 }

  /// Gets the file.
  ///
  /// - Throws: `checksumMismatch` for other bytes than the published ones, `diskFull` before a byte is
  ///   fetched when it would not fit, `locked` when another process fetches it, `interrupted`, `failure`
  ///   for what the network or the server says.
  public func run() throws -> FetchResult {
    try Publication.makeFolder(folder)
    if Fetch.size(of: path) != nil {
      options.progress(0, nil)
      return try finished(try HashedFile.record(of: path), resumedFrom: nil)
    }
    let lock = try PartialFile(partial)
    defer { withExtendedLifetime(lock) {} }
    let expected = try archive.bytes ?? Curl.contentLength(url)
    var start = waiting
    if let expected, start > expected {
      try lock.empty()
      start = 0
    }
    if let expected { try checkSpace(expected - start) }
    if expected == nil || start < expected ?? 0 {
      if try download(lock, expected) { start = 0 }
    }
    let arrived = try HashedFile.record(of: partial)
    if let expected, arrived.bytes != expected {
      try lock.setAside(as: path + ".wrong")
      throw DatasetError.fetchedSize(
        url, path: path, found: arrived.bytes, expected: expected, published: archive.bytes != nil)
    }
    if let known = try known, Digest.hex(arrived.sha256) != known {
      try lock.setAside(as: path + ".wrong")
      throw DatasetError.fetchedDigest(
        url, path: path, found: Digest.hex(arrived.sha256), expected: known)
    }
    try lock.publish(as: path)
    return try finished(arrived, resumedFrom: start)
  }

  /// The digest that the file should have: the published one, or that of an earlier fetch.
  private var known: String? {
    get throws {
      if let published = archive.sha256 { return published }
      guard let data = FileManager.default.contents(atPath: record) else { return nil }
      let digest = String(decoding: data.prefix(64), as: UTF8.self)
      return digest.count == 64 ? digest : nil
    }
  }

  private func finished(
    _ file: HashedFile.Record, resumedFrom start: Int?
  ) throws -> FetchResult {
    let digest = Digest.hex(file.sha256)
    let known = try known
    if let known, known != digest {
      throw DatasetError.otherFileThere(path, found: digest, expected: known)
    }
    if known == nil {
      try Publication.publish(record, replacing: .nothing) { sink in
        try sink.write(Array("\(digest)  \(archive.name)\n".utf8))
      }
    }
    return FetchResult(
      url: url, path: path, bytes: file.bytes, sha256: digest, verified: known != nil,
      resumedFrom: start)
  }

  // MARK: Downloading

  /// Fetches what is missing.
  ///
  /// - Returns: whether the server made it start anew.
  private func download(_ file: PartialFile, _ expected: Int?) throws -> Bool {
    var startedAnew = false
    for attempt in 1...max(1, options.attempts) {
      let before = waiting
      let outcome = try Curl.fetch(
        url, to: partial, isCancelled: { options.cancellation.isCancelled }
      ) { options.progress(waiting, expected) }
      switch outcome {
      case .done:
        if let expected, waiting < expected { break }  // cut without a word
        return startedAnew
      case .cancelled:
        throw DatasetError.fetchInterrupted(partial, bytes: waiting)
      case .cannotResume:
        // Only bytes that are of no use without the rest are given up.
        guard before > 0 else {
          throw DatasetError.fetchFailed(url, "the server refuses the request", path: path)
        }
        try file.empty()
        startedAnew = true
        continue
      case .diskFull: throw DatasetError.diskFull(partial)
      case .failed(let reason): throw DatasetError.fetchFailed(url, reason, path: path)
      case .broken(let reason):
        if attempt == max(1, options.attempts) {
          throw DatasetError.fetchBroken(url, reason, path: path, bytes: waiting)
        }
      }
      if waiting == before, options.pause > 0 { Thread.sleep(forTimeInterval: options.pause) }
    }
    throw DatasetError.fetchBroken(
      url, "the connection ended early", path: path, bytes: waiting)
  }

  private func checkSpace(_ bytes: Int) throws {
    var status = statvfs()
    guard statvfs(folder, &status) == 0 else { return }
    let free = Int(status.f_bavail) * Int(status.f_frsize)
    guard free >= bytes else {
      throw DatasetError.noSpaceFor(archive.name, in: folder, needed: bytes, free: free)
    }
  }

  private static func size(of path: String) -> Int? {
    var status = stat()
    return stat(path, &status) == 0 ? Int(status.st_size) : nil
  }
}

/// The file that bytes arrive in, locked against a second fetch.
private final class PartialFile {
  private let path: String
  private let file: Int32

  init(_ path: String) throws {
    self.path = path
    file = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0o666)
    guard file >= 0 else { throw DatasetError.system("write", path, errno) }
    guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
      close(file)
      throw DatasetError.fetchLocked(path)
    }
  }

  deinit { close(file) }

  func empty() throws {
    guard truncate(path, 0) == 0 else { throw DatasetError.system("write", path, errno) }
  }

  func publish(as target: String) throws {
    try synchronize(file, path)
    try Publication.move(path, to: target)
  }

  func setAside(as target: String) throws { try Publication.move(path, to: target) }
}
