import Crypto
import Foundation

/// How much a source may hold; what is beyond is refused as no data of ours.
struct SourceLimits: Sendable {
  /// Bytes of all files together, after decompression.
  var bytes = 1 << 36
  /// How much larger the content may be than the archive, once it is larger than 256 MiB.
  ///
  /// Text gives 3 to 10, a bomb of zeros 1,000.
  var ratio = 200
  /// Files.
  var files = 20_000_000
}

/// Reads all files of some sources in order, once, and hashes the sources on the way.
///
/// A source is an archive (tar or zip; gzip, bzip2, xz or zstd), a folder, or a single file. Archives are
/// streamed: nothing is unpacked to disk. Names that leave the archive, links, devices and members that
/// appear twice are refused.
public final class SourceReader {
  private let paths: [String]
  private let plain: Bool
  private let limits: SourceLimits
  private let isCancelled: () -> Bool
  private let progress: (_ done: Int, _ total: Int) -> Void
  private var done = 0
  private var total = 0
  /// The sources that were read to their end: name, size and SHA-256.
  ///
  /// Those of a folder are over the files that were read: path, 00, u64 bytes and content of each, in
  /// order of their paths.
  private(set) var records: [SourceRecord] = []
  /// What was left out because it belongs to no data set, see `Belonging`.
  private(set) var skipped: [SkippedFile] = []

  /// - Parameters:
  ///   - plain: compressed files that are no archives are read, `mine.tsv.gz` as `mine.tsv`.
  ///   - progress: hears bytes read of bytes in all.
  init(
    _ paths: [String], plain: Bool = false, limits: SourceLimits = .init(),
    isCancelled: @escaping () -> Bool, progress: @escaping (Int, Int) -> Void
  ) {
    self.paths = paths
    self.plain = plain
    self.limits = limits
    self.isCancelled = isCancelled
    self.progress = progress
  }

  /// Gives every file to a body, source by source: those of an archive in its order, those of a folder by
  /// the bytes of their paths.
  ///
  /// - Throws: `malformedInput`, `interrupted`, `failure`, and what the body throws.
  func forEachFile(_ body: (SourceFile) throws -> Void) throws {
    let kinds = try paths.map(SourceKind.init)
    total = kinds.reduce(0) { $0 + $1.bytes }
    var names: Set<String> = []
    for (number, (path, kind)) in zip(paths, kinds).enumerated() {
      let name = SourceReader.name(of: path)
      guard names.insert(name).inserted else { throw DatasetError.sourceTwice(name) }
      let record =
        switch kind {
        case .folder: try walk(path, number, body)
        case .archive: try unpack(path, number, body)
        case .file(let bytes): try single(path, number, bytes, body)
        }
      records.append(SourceRecord(name: name, bytes: record.bytes, sha256: record.sha256))
    }
  }

  /// The sources as the user named them, for messages.
  var names: String { paths.joined(separator: ", ") }

  static func name(of path: String) -> String {
    let trimmed = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    return (trimmed as NSString).lastPathComponent
  }

  private func advance(_ bytes: Int) throws {
    if isCancelled() { throw DatasetError.readInterrupted() }
    done += bytes
    progress(min(done, total), total)
  }

  // MARK: Archives

  private func unpack(
    _ path: String, _ number: Int, _ body: (SourceFile) throws -> Void
  ) throws -> HashedFile.Record {
    let file = try HashedFile(path) { [self] in try advance($0.count) }
    let archive = try ArchiveStream(file, plain: plain)
    var seen: Set<Int> = []
    var produced = 0
    var member = 0
    while let next = try archive.next() {
      member += 1
      let path =
        next.isPlain
        ? CompressedName(SourceReader.name(of: file.path)).plain
        : try archive.checked(next, member: member)
      guard next.kind != .folder else { continue }
      guard seen.insert(path.hashValue).inserted else {
        throw DatasetError.memberTwice(file.path, member: member, path)
      }
      guard seen.count <= limits.files, next.size <= limits.bytes - produced else {
        throw DatasetError.archiveTooLarge(file.path, member: member, path, limit: limits.bytes)
      }
      let read = { [limits] (buffer: UnsafeMutableRawBufferPointer) throws -> Int in
        let count = try archive.read(into: buffer, member: member, path)
        produced += count
        guard produced <= limits.bytes else {
          throw DatasetError.archiveTooLarge(file.path, member: member, path, limit: limits.bytes)
        }
        guard produced <= 1 << 28 || produced / limits.ratio <= file.bytes else {
          throw DatasetError.archiveBomb(file.path, member: member, path, ratio: limits.ratio)
        }
        return count
      }
      let source = SourceFile(
        source: file.path, sourceNumber: number, path: path, bytes: next.size, location: nil,
        isAlone: next.isPlain, read: read)
      if !next.isPlain, let reason = Belonging.objection(path: path) {
        skipped.append(SkippedFile(path: path, reason: reason))
      } else {
        try body(source)
      }
      try source.forEachChunk { _ in }  // what the body left
    }
    return try file.finish()
  }

  // MARK: Folders and files

  private func walk(
    _ root: String, _ number: Int, _ body: (SourceFile) throws -> Void
  ) throws -> HashedFile.Record {
    var hash = SHA256()
    var bytes = 0
    let walk = try FolderWalk(root, limit: limits.files)
    skipped += walk.skipped
    for path in walk.files {
      let location = "\(root)/\(path)"
      let size = try PlainFile(location).bytes
      var began = false
      let note = { [self] (read: UnsafeRawBufferPointer) throws in
        if !began {
          hash.update(data: Array(path.utf8) + [0])
          withUnsafeBytes(of: UInt64(size).littleEndian) { hash.update(bufferPointer: $0) }
          began = true
        }
        hash.update(bufferPointer: read)
        bytes += read.count
        try advance(0)
      }
      let name = CompressedName(path)
      if plain, name.isCompressed {
        let file = try HashedFile(location, advanced: note)
        try body(compressed(file, root, number, name.plain, size))
      } else {
        let file = try PlainFile(location)
        try body(
          SourceFile(
            source: root, sourceNumber: number, path: path, bytes: size, location: location
          ) { buffer in
            let count = try file.read(into: buffer)
            try note(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            return count
          })
      }
      try advance(0)
    }
    return (bytes, Array(hash.finalize()))
  }

  /// A compressed file of a folder; it is opened when its content is first asked for.
  private func compressed(
    _ file: HashedFile, _ root: String, _ number: Int, _ path: String, _ size: Int
  ) -> SourceFile {
    var archive: ArchiveStream?
    var produced = 0
    return SourceFile(
      source: root, sourceNumber: number, path: path, bytes: -1, location: file.path
    ) { [limits] buffer in
      if archive == nil {
        archive = try ArchiveStream(file, plain: true)
        guard try archive?.next()?.isPlain == true else {
          throw DatasetError.archiveInFolder(file.path)
        }
      }
      let count = try archive?.read(into: buffer, member: 1, path) ?? 0
      produced += count
      guard produced <= limits.bytes, produced <= 1 << 28 || produced / limits.ratio <= size else {
        throw DatasetError.archiveBomb(file.path, member: 1, path, ratio: limits.ratio)
      }
      return count
    }
  }

  private func single(
    _ path: String, _ number: Int, _ bytes: Int, _ body: (SourceFile) throws -> Void
  ) throws -> HashedFile.Record {
    let file = try HashedFile(path) { [self] in try advance($0.count) }
    try body(
      SourceFile(
        source: path, sourceNumber: number, path: SourceReader.name(of: path), bytes: bytes,
        location: path, isAlone: true, read: file.read(into:)))
    return try file.finish()
  }
}

/// A file's name without what says that it is compressed: `mine.tsv` for `mine.tsv.gz`.
struct CompressedName {
  let plain: String
  let isCompressed: Bool

  init(_ path: String) {
    let suffix = [".gz", ".bz2", ".xz", ".zst"].first { path.lowercased().hasSuffix($0) }
    plain = suffix.map { String(path.dropLast($0.count)) } ?? path
    isCompressed = suffix != nil
  }
}

/// What a path names.
enum SourceKind: Equatable {
  case archive(bytes: Int)
  case folder
  case file(bytes: Int)

  /// - Throws: `failure` when there is nothing, or neither file nor folder.
  init(_ path: String) throws {
    var status = stat()
    guard stat(path, &status) == 0 else { throw DatasetError.system("read", path, errno) }
    switch status.st_mode & S_IFMT {
    case S_IFDIR: self = .folder
    case S_IFREG:
      let bytes = Int(status.st_size)
      self = try SourceKind.isArchive(path) ? .archive(bytes: bytes) : .file(bytes: bytes)
    default: throw DatasetError.sourceKind(path)
    }
  }

  var bytes: Int {
    switch self {
    case .archive(let bytes), .file(let bytes): bytes
    case .folder: 0
    }
  }

  /// Whether the first bytes are those of gzip, bzip2, xz, zstd, zip or tar.
  private static func isArchive(_ path: String) throws -> Bool {
    let file = try PlainFile(path)
    var head = [UInt8](repeating: 0, count: 512)
    let count = try head.withUnsafeMutableBytes { try file.read(into: $0) }
    let magics: [[UInt8]] = [
      [0x1F, 0x8B], Array("BZh".utf8), [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0], [0x28, 0xB5, 0x2F, 0xFD],
      Array("PK\u{3}\u{4}".utf8),
    ]
    return magics.contains { head.starts(with: $0) }
      || count == 512 && head[257..<262].elementsEqual(Array("ustar".utf8))
  }
}
