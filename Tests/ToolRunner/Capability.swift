import Foundation

/// What a test needs and not every machine allows; each is tried once.
public enum Capability {
  /// A file system of its own can be mounted.
  public static let mounts: Bool = (try? SmallDisk(megabytes: 1)) != nil
  /// System calls of a program can be changed.
  public static let traces: Bool = {
    let probe = try? Program(path: "/usr/bin/strace").run(
      ["-qq", "-e", "trace=none", "/bin/true"], in: "/")
    return probe?.exit == 0
  }()
  /// There is a second file system to write to.
  public static let hasSharedMemory = FileManager.default.isWritableFile(atPath: "/dev/shm")
}

/// A file system in memory that is full soon; unmounted when it is let go.
public final class SmallDisk {
  private let folder: TemporaryFolder

  /// Where it is mounted.
  public var path: String { folder.file("disk") }

  /// - Throws: when mounting is not permitted.
  public init(megabytes: Int) throws {
    folder = try TemporaryFolder()
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    try mount("-t", "tmpfs", "-o", "size=\(megabytes)m", "lra-test")
  }

  /// Gives it another size.
  public func resize(megabytes: Int) throws { try mount("-o", "remount,size=\(megabytes)m") }

  private func mount(_ arguments: String...) throws {
    let outcome = try Program(path: "/bin/mount").run(arguments + [path], in: "/")
    guard outcome.exit == 0 else { throw NotPermitted(words: outcome.error) }
  }

  private struct NotPermitted: Error {
    let words: String
  }

  deinit { _ = try? Program(path: "/bin/umount").run(["-l", path], in: "/") }
}
