import Foundation

/// Values of a generator's parameters: integers and strings only, so that a digest never depends on how
/// a fraction is printed.
public enum ParameterValue: Sendable, Hashable {
  /// A whole number.
  case integer(Int)
  /// A text; fractions are written as text, `"1.8"`.
  case string(String)
}

extension ParameterValue: Codable {
  /// Reads an integer or a string.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let integer = try? container.decode(Int.self) {
      self = .integer(integer)
    } else {
      self = .string(try container.decode(String.self))
    }
  }

  /// Writes an integer or a string.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .integer(let integer): try container.encode(integer)
    case .string(let string): try container.encode(string)
    }
  }
}

/// The one text of a set of parameters: keys sorted by UTF-8 bytes, no spaces, integers and strings only.
public enum CanonicalJSON {
  /// The canonical text, as `{"max_args":10,"max_depth":10}`.
  public static func encode(_ parameters: [String: ParameterValue]) -> String {
    let members = parameters.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map {
      key, value in
      switch value {
      case .integer(let integer): "\(quoted(key)):\(integer)"
      case .string(let string): "\(quoted(key)):\(quoted(string))"
      }
    }
    return "{\(members.joined(separator: ","))}"
  }

  /// The parameters of a text, nil when it is not an object of integers and strings.
  public static func decode(_ text: String) -> [String: ParameterValue]? {
    try? JSONDecoder().decode([String: ParameterValue].self, from: Data(text.utf8))
  }

  /// A JSON string; only what JSON demands is escaped.
  static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case _ where scalar.value < 0x20:
        let hex = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
