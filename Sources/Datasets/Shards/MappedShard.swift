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
    guard record.bytes > 0 else { return Mapping(UnsafeBufferPointer(start: nil, count: 0)) }
    let address = mmap(nil, record.bytes, PROT_READ, MAP_PRIVATE, file, 0)
    guard let address, address != MAP_FAILED else {
      throw DatasetError.system("map", path, errno)
    }
    return Mapping(
      UnsafeBufferPointer(
        start: address.assumingMemoryBound(to: UInt8.self), count: record.bytes))
  }
}

/// Owns a mapped range.
///
/// The bytes never change, so any thread may read them.
private final class Mapping: @unchecked Sendable {
  let bytes: UnsafeBufferPointer<UInt8>

  init(_ bytes: UnsafeBufferPointer<UInt8>) {
    self.bytes = bytes
  }

  deinit {
    if let base = bytes.baseAddress {
      munmap(UnsafeMutableRawPointer(mutating: base), bytes.count)
    }
  }
}
