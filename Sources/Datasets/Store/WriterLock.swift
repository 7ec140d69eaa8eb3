import Foundation

/// The right to write datasets of one database: `flock` on `DB.lock`, held until it is let go.
///
/// The file names its holder, for the message to others. The lock dies with the process, so a file that
/// is left over holds nobody up.
public final class WriterLock: Sendable {
  private let file: Int32

  /// Takes the lock.
  ///
  /// - Parameters:
  ///   - location: the path of the database, links resolved.
  ///   - shown: as the user gave it; nil for the same.
  /// - Throws: `locked`, naming the holder's process and host.
  public init(database location: String, shown: String? = nil) throws {
    let database = shown ?? location
    let path = location + ".lock"
    let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    guard file >= 0 else {
      throw errno == ENOENT
        ? DatasetError.noFolder(of: location) : DatasetError.system("lock", path, errno)
    }
    while flock(file, LOCK_EX | LOCK_NB) != 0 {
      if errno == EINTR { continue }
      let reason = errno
      defer { close(file) }
      guard reason == EWOULDBLOCK else { throw DatasetError.system("lock", path, reason) }
      throw DatasetError.locked(database, holder: WriterLock.holder(file))
    }
    self.file = file
    var name = [CChar](repeating: 0, count: 256)
    gethostname(&name, 255)
    let host = String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    let text = Array("process \(getpid()) on \(host)\n".utf8)
    // Only for people: a full disk must not keep anybody from working.
    if ftruncate(file, 0) == 0 { _ = pwrite(file, text, text.count, 0) }
  }

  deinit {
    // The file stays: removing it would let two writers lock two files of one name.
    _ = ftruncate(file, 0)
    close(file)
  }

  private static func holder(_ file: Int32) -> String {
    var bytes = [UInt8](repeating: 0, count: 400)
    let count = pread(file, &bytes, bytes.count, 0)
    guard count > 0 else { return "another process" }
    return String(decoding: bytes.prefix(count).prefix { $0 != 10 }, as: UTF8.self)
  }
}
