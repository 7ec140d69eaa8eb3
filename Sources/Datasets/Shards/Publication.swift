import Crypto
import Foundation

/// What was published: enough for a row in the index.
public struct PublishedFile: Sendable, Equatable {
  /// The file.
  public let path: String
  /// Its size.
  public let bytes: Int
  /// SHA-256 of the file, 32 bytes.
  public let sha256: [UInt8]
}

/// The one way in which a file comes to be: complete and durable under its name, or not at all.
///
/// Temporary name in the same folder, hash while writing, length check, fsync, rename, fsync of the
/// folder. The index rows follow in one transaction, by the caller. A process that dies leaves at most a
/// `.NAME.PID-RANDOM.partial`, which `sweep` removes.
public enum Publication {
  /// What a new file may take the place of.
  public enum Replacement: Sendable {
    /// Any file of its name.
    case any
    /// None; one of the same content is the same file.
    case nothing
  }

  /// Writes a file.
  ///
  /// - Parameters:
  ///   - replacing: what may be there already.
  ///   - write: gives the content piece by piece to the sink.
  /// - Throws: `diskFull`, `failure`, `configurationDiffers` for a file that may not be replaced; nothing
  ///   of the new file is left then.
  @discardableResult
  public static func publish(
    _ path: String, replacing: Replacement = .any, _ write: (inout Sink) throws -> Void
  ) throws -> PublishedFile {
    let (folder, name) = split(path)
    let random = UInt64.random(in: 0...UInt64.max)
    let partial = "\(folder)/.\(name).\(getpid())-\(String(random, radix: 36)).partial"
    let file = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard file >= 0 else { throw DatasetError.system("write", path, errno) }
    var sink = Sink(file: file, path: path)
    do {
      defer { close(file) }
      try write(&sink)
      var status = stat()
      guard fstat(file, &status) == 0 else { throw DatasetError.system("write", path, errno) }
      guard Int(status.st_size) == sink.bytes else {
        throw DatasetError.shortFile(path, found: Int(status.st_size), expected: sink.bytes)
      }
      try synchronize(file, path)
      switch replacing {
      case .any: try rename(partial, to: path)
      case .nothing: try place(partial, at: path)
      }
    } catch {
      unlink(partial)
      throw error
    }
    try synchronizeFolder(folder)
    return PublishedFile(path: path, bytes: sink.bytes, sha256: Array(sink.hash.finalize()))
  }

  private static func rename(_ partial: String, to path: String) throws {
    guard Foundation.rename(partial, path) == 0 else {
      throw DatasetError.system("write", path, errno)
    }
  }

  /// Gives a finished file its name when nobody has it, in one step.
  private static func place(_ partial: String, at path: String) throws {
    if link(partial, path) == 0 {
      // A second name that stayed would look like the rest of a killed writer.
      guard unlink(partial) == 0 || unlink(partial) == 0 else {
        throw DatasetError.system("write", path, errno)
      }
      return
    }
    let reason = errno
    var status = stat()
    if lstat(path, &status) == 0 {
      guard WrittenFile.haveSameContent(partial, path) else {
        throw DatasetError.fileInTheWay(path, dataset: nil)
      }
      unlink(partial)
      return
    }
    // File systems without second names: exFAT, some network folders.
    guard [EPERM, ENOTSUP, EOPNOTSUPP, ENOSYS, EMLINK, EACCES].contains(reason) else {
      throw DatasetError.system("write", path, reason)
    }
    try rename(partial, to: path)
  }

  /// Takes the content of a file that is being published.
  public struct Sink {
    fileprivate let file: Int32
    fileprivate let path: String
    fileprivate var hash = SHA256()
    /// Bytes written so far.
    public private(set) var bytes = 0

    fileprivate init(file: Int32, path: String) {
      self.file = file
      self.path = path
    }

    /// Writes and hashes the next bytes.
    public mutating func write(_ content: UnsafeRawBufferPointer) throws {
      hash.update(bufferPointer: content)
      try writeAll(content, to: file, path)
      bytes += content.count
    }

    /// Writes and hashes the next bytes.
    public mutating func write(_ content: UnsafeBufferPointer<UInt8>) throws {
      try write(UnsafeRawBufferPointer(content))
    }

    /// Writes and hashes the next bytes.
    public mutating func write(_ content: [UInt8]) throws {
      try content.withUnsafeBytes { try write($0) }
    }
  }

  /// Makes a folder and those above it, durably.
  public static func makeFolder(_ path: String) throws {
    if mkdir(path, 0o777) == 0 {
      return try synchronizeFolder(split(path).folder)
    }
    switch errno {
    case EEXIST:
      var status = stat()
      guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
        throw DatasetError.fileInTheWay(path, dataset: nil)
      }
    case ENOTDIR: throw DatasetError.fileInTheWay(split(path).folder, dataset: nil)
    case ENOENT:
      let parent = split(path).folder
      guard parent != path else { throw DatasetError.system("make", path, ENOENT) }
      try makeFolder(parent)
      guard mkdir(path, 0o777) == 0 || errno == EEXIST else {
        throw DatasetError.system("make", path, errno)
      }
      try synchronizeFolder(parent)
    default: throw DatasetError.system("make", path, errno)
    }
  }

  /// Gives a finished folder its name, durably.
  ///
  /// Nothing may have that name yet.
  public static func move(_ partial: String, to path: String) throws {
    try rename(partial, to: path)
    try synchronizeFolder(split(path).folder)
  }

  /// Removes what dead writers of shards left in a folder; see `WrittenFile.isPartial`.
  ///
  /// Call it only with the writer's lock held.
  public static func sweep(_ folder: String) {
    for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    where name.hasSuffix(".partial") && WrittenFile.isPartial(folder, name) {
      unlink("\(folder)/\(name)")
    }
  }

  fileprivate static func split(_ path: String) -> (folder: String, name: String) {
    guard let slash = path.lastIndex(of: "/") else { return (".", path) }
    let folder = slash == path.startIndex ? "/" : String(path[..<slash])
    return (folder, String(path[path.index(after: slash)...]))
  }

  private static func synchronizeFolder(_ folder: String) throws {
    let file = open(folder, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw DatasetError.system("open", folder, errno) }
    defer { close(file) }
    try synchronize(file, folder)
  }
}

/// A folder of many files that comes to be at once: complete under its name, or not at all.
///
/// Files are written into a folder with a temporary name beside it; `finish` puts them all on the disk and
/// gives the folder its name. Without `finish` nothing is left. For one thread at a time.
final class PublishedFolder {
  /// The folder.
  let path: String
  private let partial: String
  private var made: Set<String> = []
  private var isFinished = false

  /// - Throws: `usage` when the folder is there already and holds something.
  init(_ path: String) throws {
    let path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    self.path = path
    let (parent, name) = Publication.split(path)
    if let there = try? FileManager.default.contentsOfDirectory(atPath: path), !there.isEmpty {
      throw DatasetError.folderExists(path)
    }
    try Publication.makeFolder(parent)
    let random = UInt64.random(in: 0...UInt64.max)
    partial = "\(parent)/.\(name).\(getpid())-\(String(random, radix: 36)).partial"
    guard mkdir(partial, 0o777) == 0 else { throw DatasetError.system("make", partial, errno) }
  }

  deinit {
    if !isFinished { try? FileManager.default.removeItem(atPath: partial) }
  }

  /// Writes a file; folders on its way are made.
  ///
  /// - Parameter name: its place in the folder.
  func write(
    _ name: String, _ body: (inout Publication.Sink) throws -> Void
  ) throws -> PublishedFile {
    let parts = name.split(separator: "/").dropLast()
    for end in parts.indices {
      let folder = parts[...end].joined(separator: "/")
      guard made.insert(folder).inserted else { continue }
      guard mkdir("\(partial)/\(folder)", 0o777) == 0 || errno == EEXIST else {
        throw DatasetError.system("make", "\(path)/\(folder)", errno)
      }
    }
    let target = "\(path)/\(name)"
    let file = open("\(partial)/\(name)", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard file >= 0 else { throw DatasetError.system("write", target, errno) }
    defer { close(file) }
    var sink = Publication.Sink(file: file, path: target)
    try body(&sink)
    return PublishedFile(path: target, bytes: sink.bytes, sha256: Array(sink.hash.finalize()))
  }

  /// Gives the folder its name.
  func finish() throws {
    let folder = open(partial, O_RDONLY | O_CLOEXEC)
    guard folder >= 0 else { throw DatasetError.system("open", path, errno) }
    defer { close(folder) }
    // One call for all files: an export may have 200,000.
    sync()
    try synchronize(folder, path)
    rmdir(path)  // an empty folder may stand there
    try Publication.move(partial, to: path)
    isFinished = true
  }
}

/// Puts a file's bytes on the disk itself.
func synchronize(_ file: Int32, _ path: String) throws {
  #if os(macOS)
    if fcntl(file, F_FULLFSYNC) == 0 { return }
  #endif
  while fsync(file) != 0 {
    if errno == EINVAL { return }  // a file system without fsync for folders
    guard errno == EINTR else { throw DatasetError.system("write", path, errno) }
  }
}

/// Writes everything, in as many calls as it takes.
func writeAll(_ content: UnsafeRawBufferPointer, to file: Int32, _ path: String) throws {
  var rest = content
  while let base = rest.baseAddress, rest.count > 0 {
    let count = Foundation.write(file, base, rest.count)
    if count < 0 {
      if errno == EINTR { continue }
      throw DatasetError.system("write", path, errno)
    }
    rest = UnsafeRawBufferPointer(rebasing: rest[count...])
  }
}
