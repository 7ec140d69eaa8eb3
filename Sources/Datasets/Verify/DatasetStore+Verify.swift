import Foundation

extension DatasetStore {
  /// Checks datasets against the index, and the index against itself; repairs what can be made again.
  ///
  /// - Parameter names: the datasets; all when empty.
  /// - Throws: `usage` for an unknown name; `locked` when it shall repair; `interrupted`.
  public func verify(_ names: [String] = [], _ options: VerifyOptions = .init()) throws
    -> VerifyReport
  {
    let lock = options.repair ? try writerLock() : nil
    defer { withExtendedLifetime(lock) {} }
    var report = VerifyReport()
    let index: Index
    do {
      index = try Index(at: path, options.repair ? .write : .read)
      report.indexProblems = try index.problems()
      if options.repair, !report.indexProblems.isEmpty {
        try index.write { try $0.execute(sql: "REINDEX") }
        report.indexProblems = try index.problems()
      }
    } catch let error as DatasetError where error.code == .checksumMismatch {
      report.indexOK = false
      report.indexProblems = [error.message]
      return report
    }
    for dataset in try chosen(names, index) {
      var check: DatasetCheck
      do {
        check = try DatasetCheck.run(dataset, index: index, store: self, options)
      } catch let error as DatasetError where error.code == .checksumMismatch {
        report.datasets.append(.unreadable(dataset, error.message))
        continue
      }
      let repair = options.repair ? try repair(&check, index, options) : Repair()
      var entry = check.report
      entry.missing = check.shards.flatMap(\.missing)
      entry.repaired = repair.repaired
      entry.quarantined = repair.quarantined
      entry.orphans = try orphans(of: dataset, index)
      if options.repair {
        for orphan in entry.orphans { entry.quarantined += try quarantine(orphan) }
        entry.orphans = []
      }
      report.datasets.append(entry)
    }
    if options.repair { report.indexProblems = try index.problems() }
    report.indexOK = report.indexProblems.isEmpty
    return report
  }

  private func chosen(_ names: [String], _ index: Index) throws -> [DatasetRecord] {
    try names.isEmpty ? index.datasets() : names.map { try index.dataset(named: $0) }
  }

  /// Files in a dataset's folder that the index does not name, relative to the database's folder.
  private func orphans(of dataset: DatasetRecord, _ index: Index) throws -> [String] {
    let shards = try index.shards(of: dataset)
    let known = Set(shards.flatMap { [$0.path, $0.sideTablePath] })
    let folder = dataFolder(of: dataset.name, holding: shards.map(\.path))
    if case .other = owner(of: folder) { return [] }
    let files = (try? FileManager.default.contentsOfDirectory(atPath: file(folder))) ?? []
    return files.sorted().filter { $0 != Quarantine.folder && $0 != DatasetFolder.marker }.map {
      "\(folder)/\($0)"
    }
    .filter { !known.contains($0) }
  }
}
