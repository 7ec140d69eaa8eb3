/// The fixed vocabulary of ListOps: digits 1-10, `[MIN` 11, `[MAX` 12, `[MED` 13, `[SM` 14, `]` 15.
///
/// Id 0 is padding and nothing else. The stored symbol is id - 1. The order is fixed here because a
/// vocabulary in hash order makes a checkpoint unreadable in the next process.
public enum ListOpsVocabulary {
  /// How many ids there are, padding included.
  public static let size = 16

  /// The tokens by stored symbol.
  public static let tokens = [
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "[MIN", "[MAX", "[MED", "[SM", "]",
  ]

  /// The stored symbol of `[MIN`, the first operator.
  public static let minimum: UInt8 = 10
  /// The stored symbol of `[MAX`.
  public static let maximum: UInt8 = 11
  /// The stored symbol of `[MED`.
  public static let median: UInt8 = 12
  /// The stored symbol of `[SM`.
  public static let sumModulo: UInt8 = 13
  /// The stored symbol of `]`.
  public static let close: UInt8 = 14

  /// The text of stored symbols, tokens separated by single spaces; `?` for what is no symbol.
  public static func text(of symbols: some Sequence<UInt8>) -> String {
    symbols.map { Int($0) < tokens.count ? tokens[Int($0)] : "?" }.joined(separator: " ")
  }

  /// The stored symbols of a text.
  ///
  /// Parentheses, as in the released files, are left out; `X` is read as `]`.
  /// - Returns: nil when a token is unknown.
  public static func symbols(of text: String) -> [UInt8]? {
    var symbols: [UInt8] = []
    for word in text.split(whereSeparator: \.isWhitespace) {
      if word == "(" || word == ")" { continue }
      let token = word == "X" ? "]" : String(word)
      guard let symbol = tokens.firstIndex(of: token) else { return nil }
      symbols.append(UInt8(symbol))
    }
    return symbols
  }
}
