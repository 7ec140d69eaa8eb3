import Foundation

/// What belongs to a folder or an archive, one rule for all converters.
///
/// Files whose name or folder begins with a dot, what macOS adds, backups, and what this tool wrote never
/// do; all else is the converter's to judge. What is left out is named.
enum Belonging {
  private static let backups = ["~", ".bak", ".orig", ".swp", ".tmp"]

  /// Why a name on a path is left out; nil for one that may belong.
  static func objection(_ name: some StringProtocol) -> String? {
    if name.hasPrefix(".") { return "its name begins with a dot" }
    if name == "__MACOSX" { return "macOS added it" }
    if backups.contains(where: { name.hasSuffix($0) }) || name.hasPrefix("#") && name.hasSuffix("#")
    {
      return "it is a backup"
    }
    return nil
  }

  /// Why a path is left out; nil for one that may belong.
  static func objection(path: String) -> String? {
    let names = path.split(separator: "/")
    for name in names.dropLast() where name.hasPrefix(".") { return "it lies in \(name)" }
    if names.dropLast().contains("__MACOSX") { return "macOS added it" }
    return names.last.flatMap { objection($0) }
  }
}

/// The files below a folder.
struct FolderWalk {
  /// Paths relative to the folder, by their bytes; links to files count, other things do not.
  private(set) var files: [String] = []
  /// What is there and left out, see `Belonging`.
  private(set) var skipped: [SkippedFile] = []

  /// - Throws: `malformedInput` for more files or deeper folders than allowed.
  init(_ root: String, limit: Int) throws {
    var pending: [(path: String, depth: Int)] = [("", 0)]
    while let (folder, depth) = pending.popLast() {
      guard depth <= 64, files.count <= limit else { throw DatasetError.folderTooLarge(root) }
      let location = folder.isEmpty ? root : "\(root)/\(folder)"
      guard var names = try? FileManager.default.contentsOfDirectory(atPath: location) else {
        throw DatasetError.system("read", location, errno == 0 ? EACCES : errno)
      }
      if let database = DatasetFolder.database(of: location) {
        leaveOut(ownFiles: &names, of: folder, location, database)
      }
      for name in names {
        let path = folder.isEmpty ? name : "\(folder)/\(name)"
        var status = stat()
        guard stat("\(root)/\(path)", &status) == 0 else { continue }
        let isFolder = status.st_mode & S_IFMT == S_IFDIR
        guard isFolder || status.st_mode & S_IFMT == S_IFREG else { continue }
        if let reason = Belonging.objection(name) {
          skipped.append(SkippedFile(path: isFolder ? path + "/" : path, reason: reason))
        } else if isFolder {
          pending.append((path, depth + 1))
        } else {
          files.append(path)
        }
      }
    }
    files.sort { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    skipped.sort { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
  }

  /// Takes the shards of a database out of the names in a dataset's folder, which may hold a user's files too.
  private mutating func leaveOut(
    ownFiles names: inout [String], of folder: String, _ location: String, _ database: String
  ) {
    let before = names.count
    names.removeAll { name in
      name == Quarantine.folder || WrittenFile.isPartial(location, name)
        || name.wholeMatch(of: /.+-[0-9]{5,}\.(npy|tar|tsv)/) != nil
          && WrittenFile.isOurs("\(location)/\(name)")
    }
    names.removeAll { $0 == DatasetFolder.marker }
    guard names.count < before - 1 else { return }
    let owner = (database as NSString).lastPathComponent
    skipped.append(
      SkippedFile(
        path: folder.isEmpty ? "." : folder + "/",
        reason: "\((before - 1 - names.count).grouped) files there are shards of \(owner)"))
  }
}
