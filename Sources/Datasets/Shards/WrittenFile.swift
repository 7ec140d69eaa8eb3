import Foundation

/// Tells what this tool wrote by its content.
enum WrittenFile {
  /// Whether a file may be a shard or a side table of ours: it begins as they do.
  ///
  /// A user's file of the same name, a table of labels and texts or an array of another program, does not.
  static func isOurs(_ path: String) -> Bool {
    guard let (head, size) = head(of: path) else { return false }
    switch (path as NSString).pathExtension {
    case "tsv": return head.starts(with: Array((SideTable.header + "\n").utf8))
    case "npy":
      return size >= NpyHeader.bytes
        && head.starts(with: NpyHeader.header(count: size - NpyHeader.bytes))
    case "tar": return TarHeader.isOurs(head)
    default: return false
    }
  }

  /// Whether a file is what a killed writer of ours left: `.train-00000.npy.PID-RANDOM.partial` with the
  /// beginning of such a file, or with nothing.
  static func isPartial(_ folder: String, _ name: String) -> Bool {
    guard let match = name.wholeMatch(of: /\.(.+)\.[0-9]+-[0-9a-z]+\.partial/),
      let (head, _) = head(of: "\(folder)/\(name)")
    else { return false }
    let target = String(match.1)
    if target == DatasetFolder.marker {
      return head.isEmpty || DatasetFolder.path(in: Data(head)) != nil
    }
    guard let shard = target.wholeMatch(of: /.+-[0-9]{5,}\.(npy|tar|tsv)/) else { return false }
    if head.isEmpty { return true }
    switch shard.1 {
    case "tsv": return begins(head, as: Array((SideTable.header + "\n").utf8))
    case "npy":
      let header = NpyHeader.header(count: 0)
      let count = header.firstRange(of: Array("(0,)".utf8))?.lowerBound ?? header.count
      return begins(head, as: Array(header[..<count]))
    default: return TarHeader.isOurs(head)
    }
  }

  /// Whether a file is a PNG as our encoder writes them: grey, 8 bits, nothing but pixels.
  ///
  /// Cameras and programs add chunks before those of the pixels, or colours.
  static func isSheet(_ path: String) -> Bool {
    guard let (head, _) = head(of: path), head.count > 41 else { return false }
    return head.starts(with: [0x89, 0x50, 0x4E, 0x47, 13, 10, 26, 10])
      && head[24..<26].elementsEqual([8, 0]) && head[37..<41].elementsEqual("IDAT".utf8)
  }

  private static func begins(_ head: [UInt8], as expected: [UInt8]) -> Bool {
    let count = min(head.count, expected.count)
    return head[..<count] == expected[..<count]
  }

  /// The first block of a file, and its size; nil for what is no file.
  private static func head(of path: String) -> (bytes: [UInt8], size: Int)? {
    var status = stat()
    guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
      let file = try? PlainFile(path)
    else { return nil }
    var head = [UInt8](repeating: 0, count: TarHeader.blockBytes)
    guard let count = try? head.withUnsafeMutableBytes({ try file.read(into: $0) }) else {
      return nil
    }
    return (Array(head[..<count]), file.bytes)
  }

  /// Whether two files hold the same bytes; false when one of them cannot be read.
  static func haveSameContent(_ one: String, _ other: String) -> Bool {
    guard let first = try? PlainFile(one), let second = try? PlainFile(other),
      first.bytes == second.bytes
    else { return false }
    var (left, right) = (
      [UInt8](repeating: 0, count: 1 << 18), [UInt8](repeating: 0, count: 1 << 18)
    )
    while true {
      guard let count = try? left.withUnsafeMutableBytes({ try first.read(into: $0) }),
        let same = try? right.withUnsafeMutableBytes({ try second.read(into: $0) }), count == same
      else { return false }
      if count == 0 { return true }
      guard left[..<count] == right[..<count] else { return false }
    }
  }
}

extension TarHeader {
  /// Whether a block is the header of the first member of a shard of images.
  static func isOurs(_ block: [UInt8]) -> Bool {
    guard block.count == blockBytes else { return false }
    let name = String(decoding: block.prefix { $0 != 0 }, as: UTF8.self)
    let size = String(decoding: block[124..<135], as: UTF8.self)
    guard name.wholeMatch(of: /[0-9]{6,}\.png/) != nil, let bytes = Int(size, radix: 8) else {
      return false
    }
    return block == header(name, bytes: bytes)
  }
}
