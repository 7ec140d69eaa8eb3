/// A model's own keys in a recipe: its defaults, and how each key is read and written.
public protocol ModelKeys: Sendable {
  /// Every key.
  static var keys: [ModelKey<Self>] { get }
  /// What keys are that are not given.
  static var defaults: Self { get }
}

/// One key of a model in a recipe.
public struct ModelKey<Keys: ModelKeys>: Sendable {
  /// As recipes have it: `block_size`.
  let name: String
  /// What it is, in a sentence or two.
  let text: String
  /// What values are of its kind: `a whole number`.
  let range: String
  /// The value of a configuration.
  let load: @Sendable (Keys) -> ConfigurationValue
  /// Stores a value; false when it is of another kind.
  let store: @Sendable (ConfigurationValue, inout Keys) -> Bool

  /// Anything that a value can stand for.
  private init<Value>(
    _ name: String, _ place: WritableKeyPath<Keys, Value> & Sendable, _ text: String,
    range: String, read: @escaping @Sendable (ConfigurationValue) -> Value?,
    write: @escaping @Sendable (Value) -> ConfigurationValue
  ) {
    self.name = name
    self.text = text
    self.range = range
    load = { write($0[keyPath: place]) }
    store = { value, keys in
      guard let value = read(value) else { return false }
      keys[keyPath: place] = value
      return true
    }
  }

  /// A whole number.
  init(_ name: String, _ place: WritableKeyPath<Keys, Int> & Sendable, _ text: String) {
    self.init(name, place, text, range: "a whole number") {
      switch $0 {
      case .integer(let value): value
      case .number(let value): Int(exactly: value)
      default: nil
      }
    } write: {
      .integer($0)
    }
  }

  /// A number.
  init(_ name: String, _ place: WritableKeyPath<Keys, Double> & Sendable, _ text: String) {
    self.init(name, place, text, range: "a number") {
      switch $0 {
      case .integer(let value): Double(value)
      case .number(let value): value
      default: nil
      }
    } write: {
      Int(exactly: $0).map { .integer($0) } ?? .number($0)
    }
  }

  /// `true` or `false`.
  init(_ name: String, _ place: WritableKeyPath<Keys, Bool> & Sendable, _ text: String) {
    self.init(name, place, text, range: "true or false") {
      if case .bool(let value) = $0 { value } else { nil }
    } write: {
      .bool($0)
    }
  }

  /// A text, which the model checks.
  init(_ name: String, _ place: WritableKeyPath<Keys, String> & Sendable, _ text: String) {
    self.init(name, place, text, range: "a text") {
      if case .string(let value) = $0 { value } else { nil }
    } write: {
      .string($0)
    }
  }

  /// A case of an enumeration.
  init<Word: RawRepresentable<String> & CaseIterable & SendableMetatype>(
    _ name: String, _ place: WritableKeyPath<Keys, Word> & Sendable, _ text: String
  ) {
    let words = Word.allCases.map(\.rawValue).joined(separator: ", ")
    self.init(name, place, text, range: "one of \(words)") {
      if case .string(let value) = $0 { Word(rawValue: value) } else { nil }
    } write: {
      .string($0.rawValue)
    }
  }
}

extension ModelKeys {
  /// A recipe's keys over the defaults.
  ///
  /// - Parameter model: its name, for messages.
  /// - Throws: `AttentionError` with code `usage` for an unknown key or a value of the wrong kind.
  init(of model: String, _ given: [String: ConfigurationValue]) throws {
    self = Self.defaults
    for (name, value) in given.sorted(by: { $0.key < $1.key }) {
      guard let key = Self.keys.first(where: { $0.name == name }) else {
        throw AttentionError.unknownKey(
          name, model: model, known: Self.keys.map(\.name).sorted())
      }
      guard key.store(value, &self) else {
        throw AttentionError.badValue(model, "\(name) must be \(key.range)")
      }
    }
  }

  /// What is known of every key.
  static var descriptions: [ModelKeyDescription] {
    keys.map {
      ModelKeyDescription(
        name: $0.name, text: $0.text, range: $0.range, defaultValue: $0.load(defaults))
    }
  }
}

/// A model's own key, in words.
public struct ModelKeyDescription: Sendable {
  /// As recipes have it: `block_size`.
  public let name: String
  /// What it is, in a sentence or two.
  public let text: String
  /// What values are of its kind: `a whole number`.
  public let range: String
  /// Its default.
  public let defaultValue: ConfigurationValue
}
