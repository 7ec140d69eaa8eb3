import Foundation

/// Numbers as people read them: digits in groups of three, decimal units, few digits.
public enum Format {
  /// A whole number: `65 312`.
  public static func count(_ value: Int) -> String {
    var digits: [Character] = []
    for (index, digit) in String(value.magnitude).reversed().enumerated() {
      if index > 0 && index % 3 == 0 { digits.append(" ") }
      digits.append(digit)
    }
    return (value < 0 ? "-" : "") + String(digits.reversed())
  }

  /// A size in powers of 1000: `103.6 MB`, `410 MB`, `12 bytes`.
  public static func bytes(_ value: Int) -> String {
    value < 1000 ? (value == 1 ? "1 byte" : "\(value) bytes") : "\(scaled(Double(value)))B"
  }

  /// A count in few digits: `103.6 M`, `58 k`, `742`.
  public static func short(_ value: Double) -> String {
    scaled(value).trimmingCharacters(in: .whitespaces)
  }

  /// Something per second: `121 k/s`, `8.4/s`.
  public static func rate(_ value: Double) -> String {
    value < 1000 ? fraction(value, value < 100 ? 1 : 0) + "/s" : "\(scaled(value))/s"
  }

  /// A time: `0.9 s`, `42 s`, `1:52`, `2:03:15`.
  public static func seconds(_ value: Double) -> String {
    if value < 10 { return fraction(value, 1) + " s" }
    let whole = Int(value.rounded())
    if whole < 60 { return "\(whole) s" }
    let seconds = padded(whole % 60, 2)
    if whole < 3600 { return "\(whole / 60):\(seconds)" }
    return "\(whole / 3600):\(padded(whole / 60 % 60, 2)):\(seconds)"
  }

  /// A text in lines of at most `Terminal.width` columns, cut at spaces.
  ///
  /// - Parameter indent: spaces before every line.
  public static func wrapped(_ text: String, indent: Int = 0) -> String {
    var lines: [String] = []
    var line = ""
    for word in text.split(separator: " ") {
      if !line.isEmpty, indent + line.count + 1 + word.count > Terminal.width {
        lines.append(line)
        line = ""
      }
      line += (line.isEmpty ? "" : " ") + word
    }
    lines.append(line)
    return lines.map { String(repeating: " ", count: indent) + $0 }.joined(separator: "\n")
  }

  /// A share of 1: `17.1 %`.
  public static func percent(_ share: Double, decimals: Int = 1) -> String {
    fraction(share * 100, decimals) + " %"
  }

  /// Enough of a digest to tell two apart: `5d0c7f…e1`.
  public static func digest(_ hex: String) -> String {
    hex.count > 8 ? "\(hex.prefix(6))…\(hex.suffix(2))" : hex
  }

  /// A number with a fixed count of decimals, a point in every locale.
  public static func fraction(_ value: Double, _ decimals: Int) -> String {
    guard value.isFinite else { return "\(value)" }
    var power = 1.0
    for _ in 0..<decimals { power *= 10 }
    let scaled = (abs(value) * power).rounded()
    guard scaled < 9e15 else { return "\(value)" }
    let whole = Int(scaled)
    let sign = value < 0 && whole > 0 ? "-" : ""
    if decimals == 0 { return sign + count(whole) }
    return sign + count(whole / Int(power)) + "." + padded(whole % Int(power), decimals)
  }

  /// Text filled with spaces up to a width in characters.
  public static func pad(_ text: String, _ width: Int, right: Bool = false) -> String {
    let fill = String(repeating: " ", count: max(0, width - text.count))
    return right ? fill + text : text + fill
  }

  /// The lines of a text that is broken at spaces, but not within a number; a word that is too long
  /// stands alone.
  ///
  /// - Parameters:
  ///   - width: characters of a line.
  ///   - indent: spaces before the first line.
  ///   - hanging: spaces before the others.
  public static func lines(
    _ text: String, width: Int, indent: Int = 0, hanging: Int = 0
  ) -> [String] {
    var lines: [String] = []
    var line = String(repeating: " ", count: indent)
    var isEmpty = true
    let words = text.split(separator: " ").reduce(into: [String]()) { words, next in
      if let last = words.last?.last, last.isNumber, next.first?.isNumber == true {
        words[words.count - 1] += " \(next)"
      } else {
        words.append(String(next))
      }
    }
    for word in words {
      if !isEmpty && line.count + 1 + word.count > width {
        lines.append(line)
        line = String(repeating: " ", count: hanging)
        isEmpty = true
      }
      line += (isEmpty ? "" : " ") + word
      isEmpty = false
    }
    return lines + [line]
  }

  private static func padded(_ value: Int, _ width: Int) -> String {
    let digits = String(value)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }

  /// A number with its unit's letter behind a space: `103.6 M`, `742 `.
  private static func scaled(_ value: Double) -> String {
    var rest = value
    var unit = ""
    for next in ["k", "M", "G", "T"] where rest >= 999.5 {
      rest /= 1000
      unit = next
    }
    let decimals = unit.isEmpty || (rest * 10).rounded() / 10 == rest.rounded() ? 0 : 1
    return fraction(rest, decimals) + " " + unit
  }
}
