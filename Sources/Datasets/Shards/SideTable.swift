/// The table beside a shard: one line per example, so that the index can be made again from the files.
public enum SideTable {
  /// The first line.
  public static let header = "position\toffset\tlength\tlabel\tcheck64\tmeta"

  /// The line of an example, without line end; a missing label or meta is an empty field.
  static func line(
    position: Int, offset: Int, length: Int, label: Int?, check64: Int64, meta: String?
  ) -> String {
    let label = label.map(String.init) ?? ""
    return "\(position)\t\(offset)\t\(length)\t\(label)\t\(check64)\t\(escaped(meta ?? ""))"
  }

  /// Tabs and line ends would end a field.
  private static func escaped(_ text: String) -> String {
    guard text.utf8.contains(where: { $0 < 0x20 || $0 == UInt8(ascii: "\\") }) else { return text }
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": result += "\\\\"
      case "\t": result += "\\t"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// The text of a field; nil for what `escaped` never writes.
  private static func unescaped(_ text: Substring) -> String? {
    guard text.contains("\\") else { return String(text) }
    var result = ""
    var escape = false
    for scalar in text.unicodeScalars {
      if escape {
        switch scalar {
        case "\\": result += "\\"
        case "t": result += "\t"
        case "n": result += "\n"
        case "r": result += "\r"
        default: return nil
        }
        escape = false
      } else if scalar == "\\" {
        escape = true
      } else {
        result.unicodeScalars.append(scalar)
      }
    }
    return escape ? nil : result
  }

  /// Reads a side table.
  ///
  /// - Parameters:
  ///   - path: the file, for the message.
  ///   - shardID: the id that the rows get.
  /// - Throws: `checksumMismatch`, with the line, when it is not a side table.
  public static func rows(
    of text: String, path: String, shardID: Int64
  ) throws -> [ExampleRow] {
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard lines.first.map(String.init) == header, lines.popLast() == "" else {
      throw DatasetError.sideTableMalformed(path, line: 1, "not a side table, or cut")
    }
    return try lines.dropFirst().enumerated().map { index, line in
      let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
      guard fields.count == 6, let position = Int(fields[0]), let offset = Int(fields[1]),
        let length = Int(fields[2]), let check64 = Int64(fields[4]),
        fields[3].isEmpty || Int(fields[3]) != nil
      else {
        throw DatasetError.sideTableMalformed(
          path, line: index + 2, "expected 6 tab-separated fields, found \(fields.count)")
      }
      guard let meta = unescaped(fields[5]) else {
        throw DatasetError.sideTableMalformed(
          path, line: index + 2, "the meta text has a backslash that stands for nothing")
      }
      return ExampleRow(
        position: position, shardID: shardID, offset: offset, length: length,
        label: Int(fields[3]), check64: check64,
        meta: meta.isEmpty ? nil : meta)
    }
  }
}
