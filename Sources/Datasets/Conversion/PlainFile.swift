import Crypto
import Foundation

/// A file that is read from its beginning to its end.
final class PlainFile {
  let path: String
  /// Its size when it was opened.
  let bytes: Int
  private let file: Int32

  /// - Throws: `failure`.
  init(_ path: String) throws {
    self.path = path
    file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else { throw DatasetError.system("read", path, errno) }
    var status = stat()
    guard fstat(file, &status) == 0 else {
      let code = errno
      close(file)
      throw DatasetError.system("read", path, code)
    }
    bytes = Int(status.st_size)
  }

  deinit { close(file) }

  /// The next bytes; 0 at the end.
  func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    while true {
      let count = Foundation.read(file, buffer.baseAddress, buffer.count)
      if count >= 0 { return count }
      if errno != EINTR { throw DatasetError.system("read", path, errno) }
    }
  }
}

/// A file that is hashed while it is read.
final class HashedFile {
  /// Size and SHA-256.
  typealias Record = (bytes: Int, sha256: [UInt8])

  private let file: PlainFile
  private let advanced: (UnsafeRawBufferPointer) throws -> Void
  private var hash = SHA256()
  private let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 16)
  /// Bytes read so far.
  private(set) var bytes = 0
  /// What stopped the reading of blocks.
  private(set) var failure: (any Error)?

  var path: String { file.path }

  /// - Parameter advanced: hears which bytes were read; may throw to stop.
  init(_ path: String, advanced: @escaping (UnsafeRawBufferPointer) throws -> Void) throws {
    file = try PlainFile(path)
    self.advanced = advanced
  }

  deinit { block.deallocate() }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    let count = try file.read(into: buffer)
    let read = UnsafeRawBufferPointer(rebasing: buffer[..<count])
    hash.update(bufferPointer: read)
    bytes += count
    try advanced(read)
    return count
  }

  /// For libarchive: the next block, 0 at the end, -1 when it cannot be read; `failure` says why.
  func nextBlock(_ target: UnsafeMutablePointer<UnsafeRawPointer?>) -> Int {
    do {
      let count = try read(into: block)
      target.pointee = UnsafeRawPointer(block.baseAddress)
      return count
    } catch {
      failure = error
      return -1
    }
  }

  /// Reads what is left, for the hash.
  func finish() throws -> Record {
    while try read(into: block) > 0 {}
    return (bytes, Array(hash.finalize()))
  }

  /// Size and SHA-256 of a whole file.
  static func record(of path: String) throws -> Record {
    try HashedFile(path) { _ in }.finish()
  }
}
