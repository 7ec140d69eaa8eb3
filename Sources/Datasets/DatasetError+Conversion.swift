// The wordings of conversion: what is wrong with a source, and where.

extension DatasetError {
  /// A source or one of its files is not what it should be.
  ///
  /// - Parameters:
  ///   - line: from 1, with the column in bytes, from 1.
  ///   - byte: in files without lines, from 0.
  static func sourceMalformed(
    _ source: String, member: String?, line: Int? = nil, column: Int? = nil, byte: Int? = nil,
    _ what: String, next: String? = nil
  ) -> DatasetError {
    let file = [source, member].compactMap { $0 }.joined(separator: ": ")
    let place = [line, column].compactMap { $0.map { ":\($0)" } }.joined()
    let offset = byte.map { "byte \($0.grouped): " } ?? ""
    return DatasetError(
      .malformedInput, "\(file)\(place): \(offset)\(what)", path: source,
      position: line ?? byte, next: next ?? "nothing was written; check the download")
  }

  private static func member(
    _ source: String, _ number: Int, _ path: String, _ what: String
  ) -> DatasetError {
    DatasetError(
      .malformedInput,
      "\(source): member \(number.grouped) (\(CanonicalJSON.quoted(path))) \(what)", path: source,
      position: number, next: "nothing was written; get the archive anew from its source")
  }

  static func notAnArchive(_ source: String, _ reason: String) -> DatasetError {
    sourceMalformed(source, member: nil, "it is not an archive that can be read: \(reason)")
  }

  static func archiveDamaged(
    _ source: String, after member: (Int, String)?, _ reason: String
  ) -> DatasetError {
    guard let (number, path) = member else {
      return sourceMalformed(source, member: nil, "the archive is damaged: \(reason)")
    }
    return self.member(source, number, path, "is damaged: \(reason)")
  }

  static func memberPath(_ source: String, member number: Int, _ path: String) -> DatasetError {
    member(
      source, number, path, "has a name that no data set has: outside of the archive or unreadable")
  }

  static func memberKind(_ source: String, member number: Int, _ path: String) -> DatasetError {
    member(source, number, path, "is a link or a device; only files are read")
  }

  static func memberTwice(_ source: String, member number: Int, _ path: String) -> DatasetError {
    member(source, number, path, "is there twice")
  }

  static func archiveTooLarge(
    _ source: String, member number: Int, _ path: String, limit: Int
  ) -> DatasetError {
    member(source, number, path, "goes beyond \(limit.grouped) bytes in all")
  }

  static func archiveBomb(
    _ source: String, member number: Int, _ path: String, ratio: Int
  ) -> DatasetError {
    member(source, number, path, "is more than \(ratio) times larger than the archive")
  }

  static func folderTooLarge(_ path: String) -> DatasetError {
    DatasetError(
      .malformedInput, "\(path) holds more files or deeper folders than any data set", path: path,
      next: "name the folder of the data set itself")
  }

  static func sourceKind(_ path: String) -> DatasetError {
    DatasetError(
      .usage, "\(path) is neither a file nor a folder", path: path,
      next: "name an archive, a folder or a file with --from")
  }

  static func sourceTwice(_ name: String) -> DatasetError {
    DatasetError(
      .usage, "two sources are called \(name)", path: name, next: "give every --from another name")
  }

  /// - Parameter expected: what the files of such a data set look like.
  static func nothingFound(_ source: String, _ what: String, expected: String) -> DatasetError {
    DatasetError(
      .malformedInput, "\(source) holds no \(what)", path: source,
      next: "nothing was written; expected \(expected)")
  }

  static func readInterrupted() -> DatasetError {
    DatasetError(.interrupted, "interrupted: nothing was written yet")
  }
}
