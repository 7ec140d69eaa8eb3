import GRDB

extension Row {
  // GRDB's own accessors stop the process on a value of the wrong kind; ours throw.

  func integer(_ column: String) throws -> Int {
    guard case .int64(let value) = (self[column] as DatabaseValue).storage else {
      throw UnexpectedValue(column: column)
    }
    return Int(value)
  }

  func optionalInteger(_ column: String) throws -> Int? {
    (self[column] as DatabaseValue).isNull ? nil : try integer(column)
  }

  func text(_ column: String) throws -> String {
    guard case .string(let value) = (self[column] as DatabaseValue).storage else {
      throw UnexpectedValue(column: column)
    }
    return value
  }

  func blob(_ column: String) throws -> [UInt8] {
    guard case .blob(let value) = (self[column] as DatabaseValue).storage else {
      throw UnexpectedValue(column: column)
    }
    return Array(value)
  }

  func optionalBlob(_ column: String) throws -> [UInt8]? {
    (self[column] as DatabaseValue).isNull ? nil : try blob(column)
  }
}
