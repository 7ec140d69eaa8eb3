/// Two documents and whether they belong together: an example of a split of pairs.
public struct DocumentPair: Sendable, Equatable {
  /// The first document's position in the split `documents`.
  public let document1: Int
  /// The second document's position.
  public let document2: Int
  /// The class.
  public let label: Int
}
