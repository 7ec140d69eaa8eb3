import CArchive

/// Members of an archive, one after the other.
///
/// A thin layer over libarchive: what is safe and what is too much is decided by the caller.
final class ArchiveStream {
  enum Kind { case file, folder, other }

  private let archive: OpaquePointer
  private let file: HashedFile

  /// A member's header.
  struct Member {
    let path: String
    let kind: Kind
    let size: Int
    /// The content of a file that is compressed and no archive; its path says nothing.
    let isPlain: Bool
  }

  /// - Parameter plain: a compressed file may hold one file that is no archive.
  /// - Throws: `malformedInput` when the file is no archive.
  init(_ file: HashedFile, plain: Bool = false) throws {
    self.file = file
    let context = Unmanaged.passUnretained(file).toOpaque()
    let opened = lra_archive_open(
      { context, bytes in
        guard let context, let bytes else { return -1 }
        return Unmanaged<HashedFile>.fromOpaque(context).takeUnretainedValue().nextBlock(bytes)
      }, context, plain ? 1 : 0)
    guard let opened else {
      throw file.failure
        ?? DatasetError.notAnArchive(file.path, String(cString: lra_archive_error(nil)))
    }
    archive = opened
  }

  deinit { lra_archive_close(archive) }

  /// The next member; nil at the end.
  func next() throws -> Member? {
    var member = lra_member()
    switch lra_archive_next(archive, &member) {
    case 0: return nil
    case 1:
      let kind: Kind =
        Int(member.kind) == LRA_MEMBER_FILE
        ? .file : Int(member.kind) == LRA_MEMBER_FOLDER ? .folder : .other
      return Member(
        path: String(cString: member.path), kind: kind, size: Int(member.size),
        isPlain: member.plain != 0)
    default: throw file.failure ?? DatasetError.archiveDamaged(file.path, after: nil, reason)
    }
  }

  /// Reads from the current member.
  func read(
    into buffer: UnsafeMutableRawBufferPointer, member: Int, _ path: String
  ) throws -> Int {
    let count = lra_archive_data(archive, buffer.baseAddress, buffer.count)
    guard count >= 0 else {
      throw file.failure ?? DatasetError.archiveDamaged(file.path, after: (member, path), reason)
    }
    return count
  }

  private var reason: String { String(cString: lra_archive_error(archive)) }

  /// The path of a member without `./` in front.
  ///
  /// - Throws: `malformedInput` when it leaves the archive, is neither file nor folder, or has control
  ///   characters, too many parts or bytes.
  func checked(_ next: Member, member: Int) throws -> String {
    let parts = next.path.split(separator: "/").filter { $0 != "." }
    let isSafe =
      !next.path.hasPrefix("/") && !parts.contains("..") && parts.count <= 64
      && next.path.utf8.count <= 4096 && !next.path.utf8.contains { $0 < 0x20 || $0 == 0x7F }
    guard isSafe else { throw DatasetError.memberPath(file.path, member: member, next.path) }
    guard next.kind != .other else {
      throw DatasetError.memberKind(file.path, member: member, next.path)
    }
    guard !parts.isEmpty || next.kind == .folder else {
      throw DatasetError.memberPath(file.path, member: member, next.path)
    }
    return parts.joined(separator: "/")
  }
}
