import Foundation
import GRDB

/// What the removal of a dataset takes away.
public struct RemovalPlan: Sendable, Equatable {
  /// The dataset's name.
  public let dataset: String
  /// Its examples.
  public let examples: Int
  /// The files, relative to the database's folder: shards, side tables, leftovers and quarantine.
  public let files: [String]
  /// Their size together.
  public let bytes: Int
}

extension DatasetStore {
  /// What `remove` would take away.
  ///
  /// - Throws: `usage` when there is no such dataset.
  public func removalPlan(of name: String) throws -> RemovalPlan {
    let index = try Index(at: path, .read)
    let splits = try index.splits(of: try index.dataset(named: name))
    let folder = file("data/\(name)")
    let found = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
    var files: [String] = []
    var bytes = 0
    for file in found.sorted() {
      let attributes = try? FileManager.default.attributesOfItem(atPath: "\(folder)/\(file)")
      guard attributes?[.type] as? FileAttributeType == .typeRegular else { continue }
      files.append("data/\(name)/\(file)")
      bytes += attributes?[.size] as? Int ?? 0
    }
    return RemovalPlan(
      dataset: name, examples: splits.reduce(0) { $0 + $1.count }, files: files, bytes: bytes)
  }

  /// Removes a dataset: first its rows in one transaction, then its files.
  ///
  /// A process that dies in between leaves files that the index does not name; `verify` lists them.
  /// - Throws: `usage`, `locked`, `failure`.
  public func remove(_ name: String) throws -> RemovalPlan {
    let lock = try WriterLock(database: path)
    defer { withExtendedLifetime(lock) {} }
    let plan = try removalPlan(of: name)
    let index = try Index(at: path, .write)
    let dataset = try index.dataset(named: name)
    try index.write { database in
      // Examples first: their reference to shards has no cascade.
      try database.execute(
        sql: "DELETE FROM example WHERE split_id IN (SELECT id FROM split WHERE dataset_id=?)",
        arguments: [dataset.id])
      try database.execute(sql: "DELETE FROM dataset WHERE id=?", arguments: [dataset.id])
    }
    let folder = file("data/\(name)")
    do {
      if FileManager.default.fileExists(atPath: folder) {
        try FileManager.default.removeItem(atPath: folder)
      }
    } catch {
      throw DatasetError.cannotRemove(folder)
    }
    return plan
  }
}
