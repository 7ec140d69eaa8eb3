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

  static func archiveInFolder(_ path: String) -> DatasetError {
    sourceMalformed(
      path, member: nil, "it is an archive in a folder",
      next: "nothing was written; unpack it, or name it with --from by itself")
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

  /// Two places give one example two labels.
  static func twoLabels(
    _ source: String, _ example: String, _ one: (label: Int, place: String),
    _ other: (label: Int, place: String)
  ) -> DatasetError {
    sourceMalformed(
      source, member: nil,
      "\(example) has label \(one.label) (\(one.place)) and label \(other.label) (\(other.place))",
      next: "nothing was written; remove the wrong label or its file")
  }

  /// Two files look like splits and are called by no word that says one.
  static func splitsUnclear(
    _ sources: String, _ one: String, _ other: String, as split: String, _ second: String
  ) -> DatasetError {
    sourceMalformed(
      sources, member: nil,
      "\(one) and \(other) look like the splits \(split) and \(second), but their names do not say so",
      next:
        "nothing was written; rename them to \(split)… and \(second)… with a sign behind the word "
        + "(\(split).tsv, \(second)_1.tsv), or give a column split")
  }

  static func readInterrupted() -> DatasetError {
    DatasetError(.interrupted, "interrupted: nothing was written yet")
  }
}

// MARK: Manifests of converted data

extension DatasetError {
  static func manifestNeedsSources(_ path: String, sources: [String]) -> DatasetError {
    DatasetError(
      .usage, "\(path) describes converted data: it needs \(sources.joined(separator: ", "))",
      path: path, next: "name what it is made from with --from, once per file")
  }

  static func manifestNeedsNothing(_ path: String) -> DatasetError {
    DatasetError(
      .usage, "\(path) describes generated data: --from has no meaning for it", path: path,
      next: "leave --from out")
  }
}

// MARK: Exports

extension DatasetError {
  static func folderExists(_ path: String) -> DatasetError {
    DatasetError(
      .usage, "\(path) is there already and holds files", path: path,
      next: "name another folder with --to")
  }

  static func noLayout(_ dataset: String, task: String) -> DatasetError {
    DatasetError(
      .usage, "LRA's release has no layout for \(dataset), a dataset of task \(task)",
      next: "export it as webdataset or croissant")
  }

  static func exportInterrupted() -> DatasetError {
    DatasetError(.interrupted, "interrupted: nothing was written")
  }
}

// MARK: Downloads

extension DatasetError {
  static func fetchFailed(_ url: String, _ reason: String, path: String) -> DatasetError {
    DatasetError(
      .failure, "\(url): \(reason)", path: path,
      next: "try again, or name another place that has the file with --url")
  }

  static func fetchBroken(
    _ url: String, _ reason: String, path: String, bytes: Int
  ) -> DatasetError {
    DatasetError(
      .failure, "\(url): \(reason); \(bytes.grouped) bytes are kept", path: path,
      next: "the same command goes on from there")
  }

  static func fetchInterrupted(_ path: String, bytes: Int) -> DatasetError {
    DatasetError(
      .interrupted, "interrupted: \(bytes.grouped) bytes are kept in \(path)", path: path)
  }

  static func fetchLocked(_ path: String) -> DatasetError {
    DatasetError(
      .locked, "\(path) is being fetched by another process", path: path,
      next: "wait until it has finished, or fetch into another folder with --to")
  }

  static func fetchedSize(
    _ url: String, path: String, found: Int, expected: Int, published: Bool
  ) -> DatasetError {
    DatasetError(
      .checksumMismatch,
      "\(url) gave \(found.grouped) bytes; the \(published ? "published file" : "server's file") has "
        + expected.grouped, path: path,
      next: "kept as \(path).wrong; try again, or name another place with --url")
  }

  static func fetchedDigest(
    _ url: String, path: String, found: String, expected: String
  ) -> DatasetError {
    DatasetError(
      .checksumMismatch,
      "\(url) gave a file of SHA-256 \(found.prefix(12))…, \(expected.prefix(12))… expected",
      path: path, next: "kept as \(path).wrong; try again, or name another place with --url")
  }

  static func otherFileThere(_ path: String, found: String, expected: String) -> DatasetError {
    DatasetError(
      .checksumMismatch,
      "\(path) has SHA-256 \(found.prefix(12))…, \(expected.prefix(12))… expected", path: path,
      next: "move it away and run the same command again")
  }

  static func noSpaceFor(
    _ name: String, in folder: String, needed: Int, free: Int
  ) -> DatasetError {
    DatasetError(
      .diskFull,
      "\(name) needs \(needed.grouped) bytes more in \(folder), which has \(free.grouped) free",
      path: folder, next: "free some space, or choose another folder with --to")
  }

  static func curlMissing() -> DatasetError {
    DatasetError(
      .failure, "the program curl is not installed", next: "install it: apt-get install curl")
  }
}
