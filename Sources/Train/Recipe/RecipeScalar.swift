import Foundation

/// A value in a recipe: a YAML scalar, or a list of them.
public enum RecipeScalar: Sendable, Equatable {
  /// `null`.
  case null
  /// `true` or `false`.
  case bool(Bool)
  /// A whole number.
  case int(Int)
  /// Any other number.
  case number(Double)
  /// A text.
  case text(String)
  /// A list of scalars.
  case list([RecipeScalar])

  /// The whole number, nil for anything else.
  public var int: Int? { if case .int(let value) = self { value } else { nil } }
  /// The whole number, also one written as 1e3; nil for anything else.
  var whole: Int? { int ?? number.flatMap(Int.init(exactly:)) }
  /// The number, whole or not, nil for anything else.
  public var number: Double? {
    switch self {
    case .int(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }
  /// The truth value, nil for anything else.
  public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
  /// The text, nil for anything else.
  public var text: String? { if case .text(let value) = self { value } else { nil } }

  /// The value that a plain YAML scalar stands for; `1e-4` is a number, which YAML 1.1 would deny.
  init(plain text: String) {
    switch text {
    case "", "~", "null": self = .null
    case "true": self = .bool(true)
    case "false": self = .bool(false)
    case ".nan", "nan", "NaN", ".NaN", ".inf", "inf", "-inf", "-.inf":
      self = .number(text.lowercased().contains("nan") ? .nan : .infinity)
    default:
      let numeric = text.allSatisfy { "0123456789+-.eE".contains($0) }
      if numeric, let value = Int(text) {
        self = .int(value)
      } else if numeric, let value = Double(text) {
        self = .number(value)
      } else {
        self = .text(text)
      }
    }
  }

  /// The canonical YAML of the value.
  public var yaml: String {
    switch self {
    case .null: "null"
    case .bool(let value): String(value)
    case .int(let value): String(value)
    case .number(let value): RecipeScalar.yaml(value)
    case .text(let value): RecipeScalar.yaml(value)
    case .list(let values): "[" + values.map(\.yaml).joined(separator: ", ") + "]"
    }
  }

  /// A number with all its digits, in a form that YAML 1.1 readers take for a number: `1.0e-4`,
  /// `0.05`.
  private static func yaml(_ value: Double) -> String {
    if let whole = Int(exactly: value), abs(whole) < 1 << 53 { return String(whole) }
    let small = abs(value) < 1e-3
    var text = value.description
    if small, !text.contains("e") {
      let digits = text.drop { "-0.".contains($0) }
      let leading = text.drop { $0 == "-" }.dropFirst(2).prefix { $0 == "0" }.count
      text = (value < 0 ? "-" : "") + "\(digits.prefix(1)).\(digits.dropFirst())e-\(leading + 1)"
      return text.replacingOccurrences(of: ".e", with: ".0e")
    }
    guard let mark = text.firstIndex(of: "e") else { return text }
    let mantissa = text[..<mark]
    let exponent = Int(text[text.index(after: mark)...]) ?? 0
    return (mantissa.contains(".") ? "\(mantissa)" : "\(mantissa).0")
      + "e\(exponent < 0 ? "-" : "+")\(abs(exponent))"
  }

  /// A text, quoted only where it would be read as something else.
  private static func yaml(_ text: String) -> String {
    let safe = text.unicodeScalars.allSatisfy {
      $0.properties.isAlphabetic || ("0"..."9").contains($0)
        || "_-./ *+".unicodeScalars.contains($0)
    }
    let plain =
      safe && text.first.map { $0.isLetter || $0 == "/" || $0 == "_" } == true
      && text.last != " " && RecipeScalar(plain: text) == .text(text)
      && !["yes", "no", "on", "off", "y", "n", "true", "false", "null"].contains(text.lowercased())
    if plain { return text }
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\": quoted += "\\\(scalar)"
      case _ where scalar.value < 32 || scalar.value == 127:
        quoted += "\\x" + String(format: "%02x", scalar.value)
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }
}

extension RecipeScalar: Encodable {
  /// Writes the value.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .null: try container.encodeNil()
    case .bool(let value): try container.encode(value)
    case .int(let value): try container.encode(value)
    case .number(let value): try container.encode(value)
    case .text(let value): try container.encode(value)
    case .list(let values): try container.encode(values)
    }
  }
}
