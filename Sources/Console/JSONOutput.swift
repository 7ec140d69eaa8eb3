import Foundation

/// What `--json` prints: one line with one snake_case object, keys sorted, `schema` 1.
public enum JSONOutput {
  /// Prints a command's result on stdout; its members stand beside `schema` and `command`.
  ///
  /// - Parameter result: encodes as an object; its camelCase keys become snake_case.
  public static func print(command: String, _ result: some Encodable) throws {
    Terminal.out(try text(command: command, result))
  }

  /// The text of a command's result.
  public static func text(command: String, _ result: some Encodable) throws -> String {
    try encode(Envelope(schema: 1, command: command, result: result))
  }

  static func print(error: any ReportableError) {
    let object = ErrorObject(
      error: .init(
        exit: error.exitCode, code: error.codeName, message: error.message,
        path: Nullable(error.path), position: Nullable(error.position),
        next: Nullable(error.next)))
    Terminal.out((try? encode(object)) ?? "{\"schema\":1}")
  }

  private static func encode(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }

  private struct Envelope<Result: Encodable>: Encodable {
    let schema: Int
    let command: String
    let result: Result

    enum CodingKeys: String, CodingKey { case schema, command }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(schema, forKey: .schema)
      try container.encode(command, forKey: .command)
      try result.encode(to: encoder)
    }
  }

  private struct ErrorObject: Encodable {
    struct Body: Encodable {
      let exit: Int32
      let code: String
      let message: String
      let path: Nullable<String>
      let position: Nullable<Int>
      let next: Nullable<String>
    }

    var schema = 1
    let error: Body
  }
}

/// A value that prints as `null` when there is none; a plain optional would lose its key.
public struct Nullable<Value: Encodable & Sendable>: Encodable, Sendable {
  /// What is written.
  public let value: Value?

  /// A value, or none.
  public init(_ value: Value?) {
    self.value = value
  }

  /// Writes the value or null.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    if let value { try container.encode(value) } else { try container.encodeNil() }
  }
}
