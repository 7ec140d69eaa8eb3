import Foundation

/// A shard's file, mapped into memory when it is first read.
final class MappedShard: Sendable {
  let record: ShardRecord
  private let path: String
  private let dataset: String
  private let database: String
  private let mapping = Guarded<Mapping?>(nil)

  init(_ record: ShardRecord, at path: String, dataset: String, database: String) {
    self.record = record
    self.path = path
    self.dataset = dataset
    self.database = database
  }

  /// Gives the file's bytes to a body.
  ///
  /// - Throws: `checksumMismatch` when the file is missing or has another size than the index says.
  func withBytes<Result>(_ body: (UnsafeBufferPointer<UInt8>) throws -> Result) throws -> Result {
    let mapped = try mapping.withLock { mapping in
      if let mapping { return mapping }
      let made = try map()
      mapping = made
      return made
    }
    return try withExtendedLifetime(mapped) { try body(mapped.bytes) }
  }

  private func map() throws -> Mapping {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    if file < 0 {
      guard errno == ENOENT else { throw DatasetError.system("open", path, errno) }
      throw DatasetError.shardMissing(dataset, shard: record.path, database: database)
    }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0 else { throw DatasetError.system("open", path, errno) }
    guard Int(status.st_size) == record.bytes else {
      throw DatasetError.shardSize(
        dataset, shard: record.path, found: Int(status.st_size), expected: record.bytes,
        database: database)
    }
    return try Mapping(file, bytes: record.bytes, path)
  }
}

/// Owns a file's bytes, mapped into memory.
///
/// They never change, so any thread may read them.
final class Mapping: @unchecked Sendable {
  let bytes: UnsafeBufferPointer<UInt8>

  /// - Parameters:
  ///   - file: an open file; it may be closed afterwards.
  ///   - bytes: its size.
  ///   - path: for messages.
  init(_ file: Int32, bytes count: Int, _ path: String) throws {
    guard count > 0 else {
      bytes = UnsafeBufferPointer(start: nil, count: 0)
      return
    }
    let address = mmap(nil, count, PROT_READ, MAP_PRIVATE, file, 0)
    guard let address, address != MAP_FAILED else {
      throw DatasetError.system("map", path, errno)
    }
    bytes = UnsafeBufferPointer(start: address.assumingMemoryBound(to: UInt8.self), count: count)
  }

  /// - Throws: `failure`.
  convenience init(contentsOf path: String) throws {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw DatasetError.system("read", path, errno) }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0 else { throw DatasetError.system("read", path, errno) }
    try self.init(file, bytes: Int(status.st_size), path)
  }

  deinit {
    if let base = bytes.baseAddress {
      munmap(UnsafeMutableRawPointer(mutating: base), bytes.count)
    }
  }
}
