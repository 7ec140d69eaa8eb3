/// Members of a tar archive in the ustar form, without anything that differs between runs.
enum TarHeader {
  /// The unit of an archive.
  static let blockBytes = 512

  /// What fills a member of some bytes up to whole blocks.
  static func padding(after bytes: Int) -> Int { (blockBytes - bytes % blockBytes) % blockBytes }

  /// A number with leading zeros, as in the names of members and shards.
  static func number(_ value: Int, digits: Int = 6) -> String {
    let text = String(value)
    return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
  }

  /// The header of a regular file: mode 644, owner 0, `mtime` 0.
  ///
  /// - Parameter name: at most 99 bytes of ASCII.
  static func header(_ name: String, bytes: Int) -> [UInt8] {
    var block = [UInt8](repeating: 0, count: blockBytes)
    func put(_ text: String, at offset: Int) {
      for (index, byte) in text.utf8.enumerated() { block[offset + index] = byte }
    }
    func octal(_ value: Int, digits: Int) -> String {
      let text = String(value, radix: 8)
      return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
    }
    put(name, at: 0)
    put("0000644", at: 100)
    put("0000000", at: 108)
    put("0000000", at: 116)
    put(octal(bytes, digits: 11), at: 124)
    put(octal(0, digits: 11), at: 136)
    put("        ", at: 148)
    put("0", at: 156)
    put("ustar", at: 257)
    put("00", at: 263)
    put("0000000", at: 329)
    put("0000000", at: 337)
    let sum = block.reduce(0) { $0 + Int($1) }
    put(octal(sum, digits: 6), at: 148)
    block[154] = 0
    return block
  }
}
