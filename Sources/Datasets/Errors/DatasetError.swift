import Foundation

/// What went wrong with a dataset, in words a user can act on.
///
/// Every wording of this module is a static function in this folder, so that tests compare exact text.
public struct DatasetError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The kind of failure; it decides the exit code of a command.
  public enum Code: String, Sendable, CaseIterable {
    /// Anything without a code of its own.
    case failure
    /// `verify` found damage.
    case damaged
    /// Data or index do not give the checksum that they should.
    case checksumMismatch = "checksum_mismatch"
    /// The disk or a quota is full.
    case diskFull = "disk_full"
    /// Another process writes to the same database.
    case locked
    /// The dataset exists already with another configuration.
    case configurationDiffers = "configuration_differs"
    /// The request itself is wrong.
    case usage
    /// A file is not what it should be.
    case malformedInput = "malformed_input"
    /// Stopped by a signal; finished work is safe.
    case interrupted

    /// The exit code of a command that ends with this error.
    public var exitCode: Int32 {
      switch self {
      case .failure: 1
      case .damaged: 3
      case .checksumMismatch: 4
      case .diskFull: 5
      case .locked: 6
      case .configurationDiffers: 7
      case .usage: 64
      case .malformedInput: 65
      case .interrupted: 130
      }
    }
  }

  /// The kind of failure.
  public let code: Code
  /// One line: what is wrong, and where.
  public let message: String
  /// The file concerned.
  public let path: String?
  /// The place concerned: an example's position, or a line.
  public let position: Int?
  /// One line: what to do, usually a command.
  public let next: String?

  /// Makes an error; inside this module only the functions below do.
  public init(
    _ code: Code, _ message: String, path: String? = nil, position: Int? = nil,
    next: String? = nil
  ) {
    self.code = code
    self.message = message
    self.path = path
    self.position = position
    self.next = next
  }

  /// The message, and below it what to do.
  public var description: String { next.map { "\(message)\n\($0)" } ?? message }
}

// MARK: Damage

extension DatasetError {
  private static func repair(_ database: String) -> String {
    "verify and repair with: lra-data verify --repair --db \(database)"
  }

  /// An example's bytes, label or place do not give the checksum that the index holds.
  static func damaged(
    _ dataset: String, _ split: String, _ position: Int, shard: String, offset: Int,
    database: String
  ) -> DatasetError {
    let name = shard.split(separator: "/").last.map(String.init) ?? shard
    return DatasetError(
      .checksumMismatch,
      "\(dataset) \(split)/\(position) does not match its checksum "
        + "(shard \(name), offset \(offset.grouped))",
      path: shard, position: position, next: repair(database))
  }

  /// A shard that the index names is not there.
  static func shardMissing(_ dataset: String, shard: String, database: String) -> DatasetError {
    DatasetError(
      .checksumMismatch, "\(dataset): shard \(shard) is missing", path: shard,
      next: repair(database))
  }

  /// A shard has another size than the index says.
  static func shardSize(
    _ dataset: String, shard: String, found: Int, expected: Int, database: String
  ) -> DatasetError {
    DatasetError(
      .checksumMismatch,
      "\(dataset): shard \(shard) has \(found.grouped) bytes, \(expected.grouped) expected",
      path: shard, next: repair(database))
  }

  /// A shard's bytes do not give the SHA-256 that the index holds.
  static func shardDigest(_ dataset: String, shard: String, database: String) -> DatasetError {
    DatasetError(
      .checksumMismatch, "\(dataset): shard \(shard) does not match its SHA-256", path: shard,
      next: repair(database))
  }

  /// The index lacks rows or holds values of the wrong kind.
  static func indexDamaged(_ path: String, _ what: String, position: Int? = nil) -> DatasetError {
    DatasetError(
      .checksumMismatch, "\(path) is damaged: \(what)", path: path, position: position,
      next: repair(path))
  }
}

// MARK: Databases

extension DatasetError {
  static func databaseMissing(_ path: String) -> DatasetError {
    DatasetError(
      .failure, "\(path) does not exist", path: path,
      next: "make it with: lra-data gen listops --db \(path)")
  }

  static func databaseEmpty(_ path: String) -> DatasetError {
    DatasetError(
      .malformedInput, "\(path) is empty: it holds no datasets", path: path,
      next: "fill it with: lra-data gen listops --db \(path)")
  }

  static func notADatabase(_ path: String) -> DatasetError {
    DatasetError(
      .malformedInput, "\(path) is not an SQLite database", path: path,
      next: "name another file with --db")
  }

  static func foreignDatabase(_ path: String) -> DatasetError {
    DatasetError(
      .malformedInput, "\(path) is an SQLite database of another program", path: path,
      next: "name another file with --db")
  }

  static func newerDatabase(_ path: String, version: Int) -> DatasetError {
    DatasetError(
      .malformedInput,
      "\(path) has format \(version); this version of lra-data reads format 1", path: path,
      next: "use the newer version that made it")
  }

  static func locked(_ path: String, holder: String) -> DatasetError {
    DatasetError(
      .locked, "\(path) is being written by \(holder)", path: path,
      next: "wait until it has finished, or use another database")
  }

  static func noFolder(of path: String) -> DatasetError {
    let folder = path.split(separator: "/", omittingEmptySubsequences: false).dropLast()
      .joined(separator: "/")
    return DatasetError(
      .failure, "\(path): there is no folder \(folder)", path: path,
      next: "make it with: mkdir -p \(folder)")
  }

  static func busy(_ path: String) -> DatasetError {
    DatasetError(
      .locked, "\(path) is busy: another process has written to it for more than 10 s",
      path: path, next: "wait until it has finished, or use another database")
  }

  static func diskFull(_ path: String) -> DatasetError {
    DatasetError(
      .diskFull, "no space left for \(path)", path: path,
      next: "free some space and run the same command again; finished shards are kept")
  }

  static func system(_ action: String, _ path: String, _ errno: Int32) -> DatasetError {
    if errno == ENOSPC || errno == EDQUOT { return diskFull(path) }
    return DatasetError(
      .failure, "cannot \(action) \(path): \(String(cString: strerror(errno)))", path: path)
  }

  static func shortFile(_ path: String, found: Int, expected: Int) -> DatasetError {
    DatasetError(
      .failure,
      "\(path) has \(found.grouped) bytes after writing, \(expected.grouped) expected",
      path: path)
  }

  static func sqlite(_ path: String, _ message: String) -> DatasetError {
    DatasetError(.failure, "\(path): \(message)", path: path)
  }
}

// MARK: Names and configurations

extension DatasetError {
  static func unknownDataset(_ name: String, known: [String], path: String) -> DatasetError {
    let held = known.isEmpty ? "no dataset" : known.joined(separator: ", ")
    return DatasetError(
      .usage, "\(path) holds no dataset \(name); it holds: \(held)", path: path,
      next: "see them with: lra-data ls --db \(path)")
  }

  static func unknownSplit(_ name: String, dataset: String, known: [String]) -> DatasetError {
    DatasetError(
      .usage, "\(dataset) has no split \(name); it has: \(known.joined(separator: ", "))")
  }

  static func incomplete(_ dataset: String, path: String, next: String?) -> DatasetError {
    DatasetError(
      .failure, "\(dataset) in \(path) is incomplete", path: path,
      next: next ?? "finish it with the command that began it")
  }

  /// - Parameters:
  ///   - has: what the database holds, e.g. `seed 0`.
  ///   - asks: what is asked for, e.g. `seed 1`.
  ///   - name: a dataset name that is free.
  static func configurationDiffers(
    _ path: String, dataset: String, has: String, asks: String, name: String
  ) -> DatasetError {
    DatasetError(
      .configurationDiffers, "\(path) holds \(dataset) with \(has); this asks for \(asks)",
      path: path, next: "use another name (--name \(name)) or another database")
  }

  static func foreignShard(
    _ shard: String, dataset: String, database: String
  ) -> DatasetError {
    DatasetError(
      .configurationDiffers, "\(shard) holds other examples and is not in \(database)",
      path: shard,
      next: "use another name (--name \(dataset)-2) or a database in another folder")
  }

  static func invalidParameter(_ what: String) -> DatasetError { DatasetError(.usage, what) }

  static func attemptsExhausted(
    _ split: String, _ position: Int, attempts: UInt64, rule: String
  ) -> DatasetError {
    DatasetError(
      .usage,
      "\(split)/\(position): none of \(Int(attempts).grouped) random expressions has \(rule)",
      position: position, next: "widen the lengths, or change --max-depth or --max-args")
  }

  static func placementsExhausted(
    _ split: String, _ position: Int, attempts: UInt64
  ) -> DatasetError {
    DatasetError(
      .usage,
      "\(split)/\(position): none of \(Int(clamping: attempts).grouped) attempts places two paths",
      position: position, next: "allow more with --max-attempts")
  }

  static func noEncoder() -> DatasetError {
    DatasetError(.failure, "no memory for writing images")
  }

  static func interrupted(safe: Int, of total: Int, unit: String, path: String) -> DatasetError {
    DatasetError(
      .interrupted,
      "interrupted: \(safe.grouped) of \(total.grouped) \(unit) are safe in \(path)", path: path)
  }

  static func verifyInterrupted(_ path: String) -> DatasetError {
    DatasetError(
      .interrupted, "interrupted: \(path) was not checked to the end; repaired shards are safe",
      path: path)
  }

  static func manifestNotBuildable(_ path: String, task: String) -> DatasetError {
    DatasetError(
      .usage, "\(path): no generator makes task \(task) with these parameters", path: path,
      next: "see what can be made with: lra-data gen --help")
  }

  static func manifestMalformed(_ path: String, _ what: String) -> DatasetError {
    DatasetError(.malformedInput, "\(path) is not a dataset manifest: \(what)", path: path)
  }

  static func sideTableMalformed(_ path: String, line: Int, _ what: String) -> DatasetError {
    DatasetError(
      .checksumMismatch, "\(path):\(line): \(what)", path: path, position: line)
  }
}

extension Int {
  /// Digits in groups of three, as everywhere in the output: `1 493 020`.
  var grouped: String {
    var digits: [Character] = []
    for (index, digit) in String(magnitude).reversed().enumerated() {
      if index > 0 && index % 3 == 0 { digits.append(" ") }
      digits.append(digit)
    }
    return (self < 0 ? "-" : "") + String(digits.reversed())
  }
}
