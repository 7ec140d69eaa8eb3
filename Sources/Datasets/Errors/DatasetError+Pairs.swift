// The wordings of pairs of documents: damaged rows, and files that do not hold them.

extension DatasetError {
  /// A pair's row does not give its checksum, or refers to a document that is not there.
  static func damagedPair(
    _ dataset: String, _ split: String, _ position: Int, database: String
  ) -> DatasetError {
    DatasetError(
      .checksumMismatch,
      "\(dataset) \(split)/\(position) does not match its checksum (a pair in \(database))",
      path: database, position: position,
      next: "verify and repair with: lra-data verify --repair --db \(database)")
  }

  /// A split has fewer rows than examples.
  static func rowsMissing(
    _ dataset: String, _ split: String, rows: Int, of count: Int, database: String
  ) -> DatasetError {
    indexDamaged(
      database, "\(dataset) \(split) has \(rows.grouped) of \(count.grouped) rows", position: rows)
  }

  /// A line of a file of pairs is not one.
  ///
  /// - Parameters:
  ///   - member: the file's place within an archive or folder; nil for a file alone.
  ///   - released: how many lines the released file has.
  static func pairLine(
    _ source: String, member: String?, line: Int, _ what: String, released: Int
  ) -> DatasetError {
    sourceMalformed(source, member: member, line: line, what, next: checkPairs(released))
  }

  static func pairsEmpty(_ source: String, member: String?, released: Int) -> DatasetError {
    sourceMalformed(source, member: member, "it holds no pairs", next: checkPairs(released))
  }

  private static func checkPairs(_ released: Int) -> String {
    "nothing was written; check the download: the released file has \(released.grouped) lines of "
      + "label, id1, id2, text1, text2"
  }

  static func pairFields(_ found: Int) -> String {
    "expected 5 tab-separated fields, found \(found.grouped)"
  }

  static func pairLabel(_ found: String) -> String {
    "expected label 0.0 or 1.0, found \(CanonicalJSON.quoted(found))"
  }

  static func pairID(_ number: Int) -> String {
    "expected id\(number) of 1 to 256 bytes without control characters"
  }

  static func pairLineLong(_ limit: Int) -> String { "expected at most \(limit.grouped) bytes" }

  static func pairsTwice(_ source: String, _ name: String) -> DatasetError {
    DatasetError(
      .malformedInput, "\(source) holds \(name) twice", path: source,
      next: "nothing was written; name the three files with --from")
  }

  static func sourceChanged(_ path: String) -> DatasetError {
    DatasetError(
      .failure, "\(path) changed while it was read", path: path,
      next: "nothing was written; run the same command again when nothing writes to it")
  }

  static func documentsTooLarge(_ source: String, limit: Int) -> DatasetError {
    DatasetError(
      .malformedInput,
      "\(source) holds more than \(limit.grouped) bytes of different documents, which an archive may "
        + "not", path: source,
      next: "nothing was written; unpack it and name the files with --from")
  }
}
