/// Text as bytes: id = byte + 1, 0 is padding.
///
/// The stored symbol is the byte.
public enum ByteVocabulary {
  /// How many ids there are, padding included.
  public static let size = 257

  /// The ids of a text's UTF-8 bytes.
  public static func ids(of text: String) -> [Int] {
    text.utf8.map { Int($0) + 1 }
  }

  /// The text of stored bytes; what is not UTF-8 becomes the replacement character.
  public static func text(of symbols: some Collection<UInt8>) -> String {
    String(decoding: symbols, as: UTF8.self)
  }
}
