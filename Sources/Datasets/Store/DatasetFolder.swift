import Foundation

/// The folder of a dataset's shards, and the database that it belongs to.
///
/// It is `data/NAME`; where that belongs to another database, `data/NAME@FILE` with the name of this
/// database's file. Whose a folder is stands in its file `.database`: the path of the database from the
/// folder, so that both can be moved together. A folder without it, or one whose database is gone, belongs
/// to the database that writes there next. No database writes into the folder of another or deletes there.
enum DatasetFolder {
  /// The file that names the owner.
  static let marker = ".database"

  enum Owner: Equatable {
    case nobody
    case this
    /// Another database: its name when it lies beside this one, else its real path.
    case other(String)
  }

  /// The database that a folder's marker names, there or not; nil without one.
  static func database(of folder: String) -> String? {
    guard let data = FileManager.default.contents(atPath: "\(folder)/\(marker)"),
      let path = path(in: data)
    else { return nil }
    return path.hasPrefix("/") ? path : "\(folder)/\(path)"
  }

  /// The path in a marker's content; nil when no marker looks like that.
  static func path(in content: Data) -> String? {
    guard content.count <= 4096, content.last == 10,
      !content.dropLast().contains(where: { $0 < 32 }),
      let path = String(data: content.dropLast(), encoding: .utf8),
      path.hasPrefix("../") || path.hasPrefix("/")
    else { return nil }
    return path
  }

  /// The one folder that all of some shards lie in, as those of a dataset do.
  ///
  /// A damaged row may hold any path: what most of them agree on, and only what a dataset of the name has.
  static func common(_ shards: [String], of name: String) -> String? {
    var votes: [String: Int] = [:]
    for shard in shards {
      let folder = (shard as NSString).deletingLastPathComponent
      let rest = folder.dropFirst("data/".count)
      guard folder.hasPrefix("data/"), rest == name || rest.hasPrefix("\(name)@"),
        !rest.contains("/")
      else { continue }
      votes[folder, default: 0] += 1
    }
    return votes.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key
  }

  /// Whether a file is a database of ours, or one that is just being made.
  static func isDatabase(_ path: String) -> Bool {
    guard let file = try? PlainFile(path) else { return false }
    var head = [UInt8](repeating: 0, count: 72)
    guard let count = try? head.withUnsafeMutableBytes({ try file.read(into: $0) }) else {
      return false
    }
    if count < head.count || access(path + "-journal", F_OK) == 0 {
      return access(path + ".lock", F_OK) == 0
    }
    let application = head[68..<72].reduce(0) { $0 << 8 | Int($1) }
    return head.starts(with: Array("SQLite format 3\0".utf8)) && application == Schema.applicationID
  }

  /// The names on the real path of something that is there.
  fileprivate static func components(_ path: String) -> [String] {
    guard let real = realpath(path, nil) else { return [] }
    defer { free(real) }
    return String(cString: real).split(separator: "/").map(String.init)
  }

  /// The path of a file from a folder, both as they really lie.
  static func path(from folder: String, to file: String) -> String {
    let parent = (file as NSString).deletingLastPathComponent
    let from = components(folder)
    let to = components(parent.isEmpty ? "." : parent)
    let shared = zip(from, to).prefix { $0 == $1 }.count
    let up = Array(repeating: "..", count: from.count - shared)
    return (up + to.dropFirst(shared) + [(file as NSString).lastPathComponent])
      .joined(separator: "/")
  }
}

extension DatasetStore {
  /// Whose a folder is.
  ///
  /// - Parameter relative: from the database's folder.
  func owner(of relative: String) -> DatasetFolder.Owner {
    guard let database = DatasetFolder.database(of: file(relative)) else { return .nobody }
    var (named, mine) = (stat(), stat())
    guard stat(database, &named) == 0 else { return .nobody }
    if stat(location, &mine) == 0, mine.st_dev == named.st_dev, mine.st_ino == named.st_ino {
      return .this
    }
    guard DatasetFolder.isDatabase(database) else { return .nobody }
    let real = "/" + DatasetFolder.components(database).joined(separator: "/")
    let parent = (real as NSString).deletingLastPathComponent
    let own = "/" + DatasetFolder.components(folder).joined(separator: "/")
    return .other(parent == own ? (real as NSString).lastPathComponent : real)
  }

  /// Where a dataset's shards lie, or would lie.
  ///
  /// - Parameter shards: their paths in the index.
  func dataFolder(of name: String, holding shards: [String]) -> String {
    if let folder = DatasetFolder.common(shards, of: name) { return folder }
    return candidates(name).first { isFree($0) } ?? "data/\(name)"
  }

  /// Where a new dataset's shards would lie, relative to the database's folder.
  public func dataFolder(of name: String) -> String {
    guard let index = try? Index.ifAny(at: path), let dataset = try? index.dataset(named: name),
      let shards = try? index.shards(of: dataset)
    else { return dataFolder(of: name, holding: []) }
    return dataFolder(of: name, holding: shards.map(\.path))
  }

  private func candidates(_ name: String) -> [String] {
    ["data/\(name)", "data/\(name)@\((location as NSString).lastPathComponent)"]
  }

  private func isFree(_ folder: String) -> Bool {
    if case .other = owner(of: folder) { return false }
    return true
  }

  /// The folder that a dataset's missing shards are to be written to.
  ///
  /// - Throws: `configurationDiffers` when it belongs to another database.
  func writableFolder(of name: String, holding shards: [String]) throws -> String {
    let folder = dataFolder(of: name, holding: shards)
    guard case .other(let database) = owner(of: folder) else { return folder }
    throw DatasetError.folderOfAnother(folder, owner: database, dataset: name)
  }

  /// - Throws: `configurationDiffers` when somebody's file has the name of a folder or its marker.
  func checkRoom(for folder: String, of name: String) throws {
    for path in [(folder as NSString).deletingLastPathComponent, folder] {
      var status = stat()
      guard lstat(file(path), &status) == 0 else { return }
      guard stat(file(path), &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
        throw DatasetError.fileInTheWay(path, dataset: path == folder ? name : nil)
      }
    }
    let marker = "\(folder)/\(DatasetFolder.marker)"
    // One whose database is gone gives way; what is no marker is somebody's file.
    guard let there = FileManager.default.contents(atPath: file(marker)),
      DatasetFolder.path(in: there) == nil
    else { return }
    throw DatasetError.fileInTheWay(marker, dataset: name)
  }

  /// Makes a folder and notes that it is this database's, which is there already.
  ///
  /// - Throws: `configurationDiffers` when another database was faster, or a file is in the way.
  func take(_ folder: String, for name: String) throws {
    try Publication.makeFolder(file(folder))
    if owner(of: folder) == .this { return }
    let marker = "\(file(folder))/\(DatasetFolder.marker)"
    let path = DatasetFolder.path(from: file(folder), to: location)
    try checkRoom(for: folder, of: name)
    let isThere = access(marker, F_OK) == 0
    _ = try writableFolder(of: name, holding: ["\(folder)/."])
    do {
      try Publication.publish(marker, replacing: isThere ? .any : .nothing) {
        try $0.write(Array("\(path)\n".utf8))
      }
    } catch let error as DatasetError where error.code == .configurationDiffers {
      _ = try writableFolder(of: name, holding: ["\(folder)/."])
      throw error
    }
  }
}
