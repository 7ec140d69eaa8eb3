import Foundation

/// A file that only grows, line by line: the one exception to publication.
///
/// A line is written in one call, so a process that dies cuts at most the last one; opening the log again
/// removes such a rest.
public final class AppendLog: Sendable {
  /// The file.
  public let path: String
  private let file: Guarded<Int32>

  /// Opens a log, or makes it; a cut last line is removed.
  ///
  /// - Throws: `diskFull`, `failure`.
  public init(at path: String) throws {
    self.path = path
    let descriptor = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw DatasetError.system("write", path, errno) }
    file = Guarded(descriptor)
    var end = lseek(descriptor, 0, SEEK_END)
    let size = end
    var byte: UInt8 = 0
    while end > 0, pread(descriptor, &byte, 1, end - 1) == 1, byte != UInt8(ascii: "\n") {
      end -= 1
    }
    if end < size, ftruncate(descriptor, end) != 0 {
      throw DatasetError.system("write", path, errno)
    }
  }

  deinit { file.withLock { _ = close($0) } }

  /// Appends a line; the line end is added.
  ///
  /// - Parameter durable: waits until the disk has it.
  public func append(_ line: String, durable: Bool = false) throws {
    try file.withLock { file in
      var text = line
      text.append("\n")
      try text.withUTF8 { try writeAll(UnsafeRawBufferPointer($0), to: file, path) }
      if durable { try synchronize(file, path) }
    }
  }
}
