/// An optional value whose key is always written: as null, not as nothing, where there is no value.
///
/// `@OrNull var test: Double?` is what the synthesised `Encodable` does; a missing key is read as nil.
@propertyWrapper
public struct OrNull<Value> {
  /// The value.
  public var wrappedValue: Value?

  /// Wraps a value.
  public init(wrappedValue: Value?) { self.wrappedValue = wrappedValue }
}

extension OrNull: Sendable where Value: Sendable {}
extension OrNull: Equatable where Value: Equatable {}

extension OrNull: Encodable where Value: Encodable {
  /// Writes the value or null.
  public func encode(to encoder: any Encoder) throws { try wrappedValue.encode(to: encoder) }
}

extension OrNull: Decodable where Value: Decodable {
  /// Reads a value or null.
  public init(from decoder: any Decoder) throws { wrappedValue = try Value?(from: decoder) }
}

extension KeyedDecodingContainer {
  /// Reads a value, null or nothing.
  public func decode<Value: Decodable>(
    _ type: OrNull<Value>.Type, forKey key: Key
  ) throws -> OrNull<Value> {
    OrNull(wrappedValue: try decodeIfPresent(Value.self, forKey: key))
  }
}
