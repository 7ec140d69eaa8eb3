import Foundation

extension DatasetStore {
  /// Checks datasets against the index, and the index against itself; repairs what can be made again.
  ///
  /// - Parameter names: the datasets; all when empty.
  /// - Throws: `usage` for an unknown name; `locked` when it shall repair; `interrupted`.
  public func verify(_ names: [String] = [], _ options: VerifyOptions = .init()) throws
    -> VerifyReport
  {
    let lock = options.repair ? try WriterLock(database: path) : nil
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
      var check = try DatasetCheck.run(dataset, index: index, store: self, options)
      if options.repair { try repair(&check, index, options, &report) }
      report.missing += check.shards.flatMap(\.missing)
      report.datasets.append(check.report)
    }
    if options.repair { report.indexProblems = try index.problems() }
    report.indexOK = report.indexProblems.isEmpty
    report.orphans = try orphans(index, names)
    if options.repair {
      for orphan in report.orphans { report.quarantined += try quarantine(orphan) }
      report.orphans = []
    }
    return report
  }

  private func chosen(_ names: [String], _ index: Index) throws -> [DatasetRecord] {
    try names.isEmpty ? index.datasets() : names.map { try index.dataset(named: $0) }
  }

  /// Files in the folders of the datasets that the index does not name, relative to the database's folder.
  private func orphans(_ index: Index, _ names: [String]) throws -> [String] {
    var known: Set<String> = []
    let datasets = try index.datasets()
    for dataset in datasets {
      for split in try index.splits(of: dataset) {
        for shard in try index.shards(of: split) {
          known.insert(shard.path)
          known.insert(shard.sideTablePath)
        }
      }
    }
    let folders = names.isEmpty ? datasets.map(\.name) : names
    return folders.flatMap { name in
      let files = (try? FileManager.default.contentsOfDirectory(atPath: file("data/\(name)"))) ?? []
      return files.sorted().filter { $0 != Quarantine.folder }.map { "data/\(name)/\($0)" }
        .filter { !known.contains($0) }
    }
  }
}
