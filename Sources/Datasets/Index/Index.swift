import Foundation
import GRDB

/// The SQLite file that says which datasets there are and where every example lies.
///
/// Rollback journal, `synchronous=FULL`, busy timeout 10 s unless another is given. Readers load what they need in one `read` and
/// let the index go, which closes the file.
public final class Index: Sendable {
  /// How to open an index.
  public enum Mode: Sendable {
    /// Read only; the file must be there.
    case read
    /// Read and write; the file must be there.
    case write
    /// Read and write; the file and its tables are made when they are not there.
    case create
  }

  /// The path of the file as the user gave it.
  public let path: String
  private let queue: DatabaseQueue

  /// Opens an index.
  ///
  /// - Parameter patience: seconds to wait for another process that has it locked.
  /// - Throws: `failure` when the file is missing; `malformedInput` when it is empty, no SQLite
  ///   database, of another program, or of a newer version; `locked`; `checksumMismatch` when SQLite
  ///   calls it corrupt.
  public init(at path: String, _ mode: Mode, patience: Double = 10) throws {
    self.path = path
    let fresh = try Index.isFresh(path)
    switch (fresh, mode) {
    case (.missing, .read), (.missing, .write): throw DatasetError.databaseMissing(path)
    case (.empty, .read), (.empty, .write): throw DatasetError.databaseEmpty(path)
    default: break
    }
    queue = try Index.translating(path) {
      do {
        return try Index.connect(path, readOnly: mode == .read, patience)
      } catch let error as DatabaseError where mode == .read && error.needsRollback {
        // A killed writer left a hot journal; only a writing connection may roll it back.
        return try Index.connect(path, readOnly: false, patience)
      }
    }
    try check(mode)
  }

  /// Opens an index for reading when there is one; nil when the file is missing or empty.
  ///
  /// An empty file is what a writer leaves that died before or in its first transaction.
  static func ifAny(at path: String) throws -> Index? {
    func isEmpty() -> Bool {
      var status = stat()
      return stat(path, &status) != 0 ? errno == ENOENT : status.st_size == 0
    }
    if isEmpty() { return nil }
    do {
      return try Index(at: path, .read)
    } catch {
      if isEmpty() { return nil }  // opening it rolled the first transaction back
      throw error
    }
  }

  /// Reads; everything in the body sees one state of the index.
  public func read<Result>(_ body: (Database) throws -> Result) throws -> Result {
    try Index.translating(path) {
      try queue.read { database in try Index.noticing(path) { try body(database) } }
    }
  }

  /// Changes the index in one IMMEDIATE transaction, rolled back when the body throws.
  public func write<Result>(_ body: (Database) throws -> Result) throws -> Result {
    try Index.translating(path) {
      try queue.writeWithoutTransaction { database in
        var result: Result?
        try Index.noticing(path) {
          try database.inTransaction(.immediate) {
            result = try body(database)
            return .commit
          }
        }
        guard let result else { throw DatasetError.sqlite(path, "the transaction gave no result") }
        return result
      }
    }
  }

  // MARK: Opening

  private enum Freshness { case missing, empty, filled }

  private static func isFresh(_ path: String) throws -> Freshness {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    if file < 0 {
      if errno == ENOENT { return .missing }
      throw DatasetError.system("open", path, errno)
    }
    defer { close(file) }
    var head = [UInt8](repeating: 0, count: 16)
    let count = Foundation.read(file, &head, 16)
    if count < 0 { throw DatasetError.system("read", path, errno) }
    if count == 0 { return .empty }
    guard count == 16, head == Array("SQLite format 3\0".utf8) else {
      // A first page that was half written when its writer died; SQLite rolls it back.
      if access(DatasetStore.resolved(path) + "-journal", F_OK) == 0 { return .filled }
      throw DatasetError.notADatabase(path)
    }
    return .filled
  }

  private static func connect(_ path: String, readOnly: Bool, _ patience: Double) throws
    -> DatabaseQueue
  {
    var configuration = Configuration()
    configuration.readonly = readOnly
    configuration.busyMode = .timeout(patience)
    configuration.prepareDatabase { database in
      try noticing(path) {
        if !readOnly {
          try database.execute(sql: "PRAGMA journal_mode=DELETE; PRAGMA synchronous=FULL")
        }
        // The first page is read, so that a hot journal or damage shows here.
        _ = try Int.fetchOne(database, sql: "PRAGMA schema_version")
      }
    }
    return try DatabaseQueue(path: path, configuration: configuration)
  }

  private func check(_ mode: Mode) throws {
    let (application, version, pages) = try read { database in
      (
        try Int.fetchOne(database, sql: "PRAGMA application_id") ?? 0,
        try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0,
        try Int.fetchOne(database, sql: "PRAGMA page_count") ?? 0
      )
    }
    if pages == 0 {
      guard mode == .create else { throw DatasetError.databaseEmpty(path) }
      return try write { try $0.execute(sql: Schema.statements) }
    }
    guard application == Schema.applicationID else { throw DatasetError.foreignDatabase(path) }
    guard version <= Schema.version else {
      throw DatasetError.newerDatabase(path, version: version)
    }
  }

  // MARK: Errors

  /// Runs the body; a quota that is full becomes our error, which SQLite calls one of input or output.
  ///
  /// The system's number is in this thread's errno only: SQLite's own copy misses failures of a commit.
  private static func noticing<Result>(_ path: String, _ body: () throws -> Result) throws -> Result
  {
    errno = 0
    do {
      return try body()
    } catch let error as DatabaseError {
      let number = errno
      let isRefused = [.SQLITE_IOERR, .SQLITE_CANTOPEN].contains(error.resultCode.primaryResultCode)
      guard isRefused, number == ENOSPC || number == EDQUOT else { throw error }
      throw DatasetError.diskFull(path)
    }
  }

  /// Runs the body; what SQLite says becomes an error with our codes and words.
  private static func translating<Result>(
    _ path: String, _ body: () throws -> Result
  ) throws -> Result {
    do {
      return try body()
    } catch let error as DatabaseError {
      switch error.resultCode.primaryResultCode {
      case .SQLITE_FULL: throw DatasetError.diskFull(path)
      case .SQLITE_BUSY, .SQLITE_LOCKED: throw DatasetError.busy(path)
      case .SQLITE_NOTADB: throw DatasetError.notADatabase(path)
      case .SQLITE_CORRUPT:
        throw DatasetError.indexDamaged(path, error.message ?? "SQLite calls it malformed")
      default: throw DatasetError.sqlite(path, error.message ?? "SQLite error \(error.resultCode)")
      }
    }
  }
}

extension DatabaseError {
  fileprivate var needsRollback: Bool {
    extendedResultCode == .SQLITE_READONLY_ROLLBACK || resultCode == .SQLITE_READONLY
      || extendedResultCode == .SQLITE_CANTOPEN
  }
}
