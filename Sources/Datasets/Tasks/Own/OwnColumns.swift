import Foundation

/// Where label, text and split stand in a user's rows, as `--columns label=2,text=1` says it.
public struct OwnColumns: Sendable, Equatable, CustomStringConvertible {
  /// A column by its number from 1, or by its name: of a header, or the key of an object.
  public enum Place: Sendable, Equatable, CustomStringConvertible {
    case number(Int)
    case name(String)

    /// As it is typed.
    public var description: String {
      switch self {
      case .number(let number): "\(number)"
      case .name(let name): name
      }
    }
  }

  /// The class.
  public var label: Place
  /// The text.
  public var text: Place
  /// `train`, `validation` or `test`; nil when no column says it.
  public var split: Place?

  /// The columns of a text such as `label=2,text=1`, `label=stars,text=review,split=part`.
  ///
  /// - Throws: `usage`, saying what is wrong with what was typed.
  public init(_ typed: String) throws {
    func wrong(_ what: String) -> DatasetError {
      .invalidParameter(
        "--columns \(typed): \(what); as in label=2,text=1 or label=stars,text=review")
    }
    var places: [String: Place] = [:]
    for part in typed.split(separator: ",", omittingEmptySubsequences: false) {
      let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard sides.count == 2, !sides[1].isEmpty else { throw wrong("\"\(part)\" names no column") }
      let key = String(sides[0])
      guard ["label", "text", "split"].contains(key) else {
        throw wrong("\"\(key)\" is none of label, text and split")
      }
      guard places[key] == nil else { throw wrong("\(key) is there twice") }
      if let number = Int(sides[1]) {
        guard (1...OwnColumns.most).contains(number) else {
          throw wrong("columns count from 1 to \(OwnColumns.most)")
        }
        places[key] = .number(number)
      } else {
        places[key] = .name(String(sides[1]))
      }
    }
    guard let label = places["label"], let text = places["text"] else {
      throw wrong("label and text are both needed")
    }
    let all = [label, text] + (places["split"].map { [$0] } ?? [])
    for (number, place) in all.enumerated() where all[..<number].contains(place) {
      throw wrong("column \(place) is used twice")
    }
    (self.label, self.text, split) = (label, text, places["split"])
  }

  /// The most columns of a table.
  static let most = 63

  /// Some column is named, so a table needs a header.
  var needsHeader: Bool {
    [label, text, split].contains { if case .name = $0 { true } else { false } }
  }

  /// As it is typed.
  public var description: String {
    "label=\(label),text=\(text)" + (split.map { ",split=\($0)" } ?? "")
  }
}
