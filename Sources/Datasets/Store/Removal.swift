import Foundation
import GRDB

/// What the removal of a dataset takes away.
public struct RemovalPlan: Sendable, Equatable {
  /// The dataset's name.
  public let dataset: String
  /// Its examples.
  public let examples: Int
  /// The folder of its shards, relative to the database's folder.
  public let folder: String
  /// The files, relative to the database's folder: the shards and side tables that the index names.
  public let files: [String]
  /// Their size together.
  public let bytes: Int
  /// What stays in the folder, because the index does not name it or this tool did not write it.
  public let kept: [String]
}

extension DatasetStore {
  /// What `remove` would take away.
  ///
  /// - Throws: `usage` when there is no such dataset.
  public func removalPlan(of name: String) throws -> RemovalPlan {
    let index = try Index(at: path, .read)
    let dataset = try index.dataset(named: name)
    let shards = try index.shards(of: dataset)
    let folder = dataFolder(of: name, holding: shards.map(\.path))
    var sizes: [String: Int] = [:]
    for shard in shards {
      sizes[shard.path] = shard.bytes
      sizes[shard.sideTablePath] = shard.metaBytes
    }
    var isOurs = true
    if case .other = owner(of: folder) { isOurs = false }
    func bytes(of path: String) -> Int? {
      var status = stat()
      guard lstat(file(path), &status) == 0 else { return nil }
      return status.st_mode & S_IFMT == S_IFDIR ? nil : Int(status.st_size)
    }
    // A file of the same name but not as we wrote it is the user's.
    let named = sizes.keys.sorted().filter {
      isOurs && ($0 as NSString).deletingLastPathComponent == folder && bytes(of: $0) == sizes[$0]
        && WrittenFile.isOurs(file($0))
    }
    var leftovers: [String] = []
    if !dataset.complete, owner(of: folder) == .this {
      leftovers = try self.leftovers(in: folder, of: dataset, index).filter { sizes[$0] == nil }
    }
    for path in leftovers { sizes[path] = bytes(of: path) }
    let files = named + leftovers
    let known = Set(files + ["\(folder)/\(DatasetFolder.marker)"])
    let found = FileManager.default.enumerator(atPath: file(folder) + "/.")
    let paths = (found?.compactMap { $0 as? String } ?? []).sorted().map { "\(folder)/\($0)" }
    return RemovalPlan(
      dataset: name, examples: try index.splits(of: dataset).reduce(0) { $0 + $1.count },
      folder: folder, files: files, bytes: files.reduce(0) { $0 + (sizes[$1] ?? 0) },
      kept: paths.filter {
        let (parent, name) = (($0 as NSString).deletingLastPathComponent, $0 as NSString)
        return !known.contains($0) && bytes(of: $0) != nil
          && !WrittenFile.isPartial(file(parent), name.lastPathComponent)
      })
  }

  /// What a killed writer left of an incomplete dataset: side tables, and shards whose every example gives
  /// the checksum that its side table has.
  private func leftovers(
    in folder: String, of dataset: DatasetRecord, _ index: Index
  ) throws -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: file(folder))) ?? []
    let form = StoredForm(of: dataset)
    let tables = Set(
      names.filter { $0.hasSuffix(".tsv") && WrittenFile.isOurs(file("\(folder)/\($0)")) })
    var found: [String] = []
    for split in try index.splits(of: dataset) {
      for table in tables.sorted()
      where table.wholeMatch(of: /(.+)-[0-9]{5,}\.tsv/)?.1 == split.name[...] {
        let shard = "\(table.dropLast(4)).\(form.isArray ? "npy" : "tar")"
        let path = file("\(folder)/\(table)")
        guard let text = try? String(contentsOfFile: path, encoding: .utf8),
          let rows = try? SideTable.rows(of: text, path: path, shardID: 0)
        else { continue }
        if !names.contains(shard) {
          found.append("\(folder)/\(table)")
        } else if let bytes = FileManager.default.contents(atPath: file("\(folder)/\(shard)")) {
          let isWhole = Array(bytes).withUnsafeBufferPointer { bytes in
            rows.allSatisfy { row in row.withParts(in: bytes, form) { _ in true } == true }
          }
          if isWhole, !rows.isEmpty { found += ["\(folder)/\(shard)", "\(folder)/\(table)"] }
        }
      }
    }
    return found
  }

  /// Removes a dataset: the files that the index names, the folder when nothing else is in it, and the rows.
  ///
  /// It is incomplete before the first file goes and its rows go last, so a process that dies in between
  /// leaves a dataset that the same call removes, or that the command that made it completes again.
  /// - Throws: `usage`, `locked`, `failure`.
  public func remove(_ name: String) throws -> RemovalPlan {
    let lock = try writerLock()
    defer { withExtendedLifetime(lock) {} }
    let index = try Index(at: path, .write)
    let plan = try removalPlan(of: name)
    let dataset = try index.dataset(named: name)
    try index.write { database in
      try database.execute(
        sql: "UPDATE dataset SET complete=0, content_digest=NULL WHERE id=?",
        arguments: [dataset.id])
    }
    for path in plan.files {
      guard unlink(file(path)) == 0 || errno == ENOENT else {
        throw DatasetError.cannotRemove(path, errno, dataset: name)
      }
    }
    leave(plan.folder)
    try index.write { database in
      // Examples first: their reference to shards has no cascade.
      try database.execute(
        sql: "DELETE FROM example WHERE split_id IN (SELECT id FROM split WHERE dataset_id=?)",
        arguments: [dataset.id])
      try database.execute(sql: "DELETE FROM dataset WHERE id=?", arguments: [dataset.id])
    }
    return plan
  }

  /// Gives up a folder of this database, and removes it when it is empty.
  private func leave(_ folder: String) {
    if case .other = owner(of: folder) { return }
    Publication.sweep(file(folder))
    let marker = "\(file(folder))/\(DatasetFolder.marker)"
    if DatasetFolder.database(of: file(folder)) != nil { unlink(marker) }
    rmdir(file(folder))
  }
}
