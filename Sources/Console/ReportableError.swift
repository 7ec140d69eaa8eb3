/// An error that a user can act on: what the command-line tools print and exit with.
public protocol ReportableError: Error {
  /// The exit code of a command that ends with this error.
  var exitCode: Int32 { get }
  /// The kind of failure in snake_case, e.g. `checksum_mismatch`; `interrupted` is printed without `error:`.
  var codeName: String { get }
  /// What is wrong, and where.
  var message: String { get }
  /// The file concerned.
  var path: String? { get }
  /// The place concerned: an example's position, or a line.
  var position: Int? { get }
  /// What to do, usually a command.
  var next: String? { get }
}

/// A failure that a tool itself finds, before or after its one library call.
public struct Failure: ReportableError {
  /// The exit code.
  public let exitCode: Int32
  /// The kind of failure in snake_case.
  public let codeName: String
  /// What is wrong.
  public let message: String
  /// The file concerned.
  public let path: String?
  /// The place concerned.
  public let position: Int?
  /// What to do.
  public let next: String?

  /// A failure of any kind.
  public init(
    exitCode: Int32, codeName: String, _ message: String, path: String? = nil,
    position: Int? = nil, next: String? = nil
  ) {
    self.exitCode = exitCode
    self.codeName = codeName
    self.message = message
    self.path = path
    self.position = position
    self.next = next
  }

  /// What was asked for is unclear or impossible: exit 64.
  public static func usage(_ message: String, next: String? = nil) -> Failure {
    Failure(exitCode: 64, codeName: "usage", message, next: next)
  }
}

/// Ends a command with an exit code when everything is printed already.
public struct ExitStatus: Error {
  /// The exit code.
  public let code: Int32

  /// An end with this exit code.
  public init(_ code: Int32) {
    self.code = code
  }
}
