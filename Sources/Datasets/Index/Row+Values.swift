import GRDB

extension Row {
  private func value(_ column: String) throws -> DatabaseValue {
    guard hasColumn(column) else { throw UnexpectedValue(column: column) }
    return self[column]
  }

  // GRDB's own accessors stop the process on a value of the wrong kind; ours throw.

  func integer(_ column: String) throws -> Int {
    guard case .int64(let value) = try value(column).storage else {
      throw UnexpectedValue(column: column)
    }
    return Int(value)
  }

  func optionalInteger(_ column: String) throws -> Int? {
    try value(column).isNull ? nil : try integer(column)
  }

  func text(_ column: String) throws -> String {
    guard case .string(let value) = try value(column).storage else {
      throw UnexpectedValue(column: column)
    }
    return value
  }

  func blob(_ column: String) throws -> [UInt8] {
    guard case .blob(let value) = try value(column).storage else {
      throw UnexpectedValue(column: column)
    }
    return Array(value)
  }

  func optionalBlob(_ column: String) throws -> [UInt8]? {
    try value(column).isNull ? nil : try blob(column)
  }
}
