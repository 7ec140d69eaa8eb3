import Foundation

/// Text of an HTML page: what is written in the program stands as it is, what is put in is escaped.
///
/// `"<b>\(name)</b>" as Markup` is safe for every name; only other markup goes in unchanged.
struct Markup: ExpressibleByStringInterpolation, Sendable, Equatable {
  /// The HTML.
  private(set) var text: String

  init(stringLiteral text: String) { self.text = text }
  init(stringInterpolation parts: StringInterpolation) { text = parts.text }

  static let none: Markup = ""

  static func + (one: Markup, other: Markup) -> Markup {
    var sum = one
    sum.text += other.text
    return sum
  }

  static func += (one: inout Markup, other: Markup) { one.text += other.text }

  /// What stands between the parts of a page.
  struct StringInterpolation: StringInterpolationProtocol {
    fileprivate var text = ""

    init(literalCapacity: Int, interpolationCount: Int) {
      text.reserveCapacity(literalCapacity + 16 * interpolationCount)
    }

    mutating func appendLiteral(_ literal: String) { text += literal }
    mutating func appendInterpolation(_ value: String) { text += Markup.escaped(value) }
    mutating func appendInterpolation(_ value: Int) { text += String(value) }
    mutating func appendInterpolation(_ markup: Markup) { text += markup.text }
    mutating func appendInterpolation(_ list: [Markup]) { for part in list { text += part.text } }

    /// A coordinate of a drawing, with two decimals at most.
    mutating func appendInterpolation(_ value: Double) {
      let rounded = value.isFinite && abs(value) < 1e9 ? (value * 100).rounded() / 100 : 0
      text += rounded == rounded.rounded() ? String(Int(rounded)) : String(rounded)
    }
  }

  /// Text in which no character means anything to HTML; what no page may hold is replaced.
  static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      case "\n", "\t": result.unicodeScalars.append(scalar)
      default:
        let value = scalar.value
        let isAllowed =
          value >= 32 && !(127...159).contains(value) && value & 0xFFFE != 0xFFFE
          && !(0xFDD0...0xFDEF).contains(value)
        result.unicodeScalars.append(isAllowed ? scalar : "\u{FFFD}")
      }
    }
    return result
  }
}

extension Sequence where Element == Markup {
  /// All parts, one after the other.
  func joined() -> Markup { reduce(into: Markup.none) { $0 += $1 } }
}

extension Double {
  /// The number with a fixed count of decimals, with a point in every locale.
  func fixed(_ decimals: Int) -> String {
    String(format: "%.\(decimals)f", locale: Locale(identifier: "en_US_POSIX"), self)
  }

  /// The number in about three digits: `1234`, `12.3`, `0.0123`.
  var short: String {
    guard self != 0, isFinite else { return isFinite ? "0" : "–" }
    let digits = 2 - Int(log10(abs(self)).rounded(.down))
    return fixed(Swift.max(0, Swift.min(6, digits)))
  }

  /// The same without zeros at the end of decimals, for ticks: `8`, `12.5`.
  var tick: String {
    var text = short
    guard text.contains(".") else { return text }
    while text.last == "0" { text.removeLast() }
    if text.last == "." { text.removeLast() }
    return text
  }
}

extension Int {
  /// A size in powers of 1000 with three digits: `103 MB`.
  var byteText: String {
    var rest = Double(self)
    var unit = "bytes"
    for next in ["kB", "MB", "GB", "TB"] where rest >= 999.5 {
      rest /= 1000
      unit = next
    }
    return "\(unit == "bytes" ? rest.fixed(0) : rest.short) \(unit)"
  }
}
