import CTorch

/// What went wrong in a tensor operation or a tensor file.
public struct TensorError: Error, Sendable, CustomStringConvertible {
  /// The class of a failure.
  public enum Code: String, Sendable {
    /// libtorch refused an operation: shapes, types or memory.
    case operation
    /// libtorch could not be used.
    case engine
    /// A device or a kernel tier is unknown or not in this machine.
    case usage
    /// A safetensors file is not as its format demands.
    case malformedFile
  }

  /// The class of the failure.
  public let code: Code
  /// What was wrong, in one line.
  public let message: String
  /// The file concerned, when there is one.
  public let path: String?
  /// What to do about it, when there is something.
  public let next: String?

  /// The message.
  public var description: String { message }

  init(_ code: Code, _ message: String, path: String? = nil, next: String? = nil) {
    self.code = code
    self.message = message
    self.path = path
    self.next = next
  }

  /// The failure that libtorch left on this thread.
  static var last: TensorError {
    TensorError(.operation, String(cString: ct_error_message()))
  }

  static func choice(_ message: String, next: String) -> TensorError {
    TensorError(.usage, message, next: next)
  }

  static func engine(_ message: String, next: String) -> TensorError {
    TensorError(.engine, message, next: next)
  }

  static func notMet(_ rank: Int, _ world: Int, _ place: String, _ why: String) -> TensorError {
    TensorError(
      .engine,
      "process \(rank) of \(world) did not meet the others at \(place): \(reason(why))",
      next: "start all \(world) processes, with one MASTER_ADDR and MASTER_PORT that all can reach")
  }

  static func processGone(_ why: String) -> TensorError {
    TensorError(
      .engine, "another process of this run is gone: \(reason(why))",
      next: "see its own message; the same command goes on from the last checkpoint")
  }

  /// The first sentence of libtorch's message, without its source file.
  private static func reason(_ text: String) -> Substring {
    var line = text.split(separator: "\n").first ?? ""
    if line.hasPrefix("["), let end = line.firstIndex(of: "]") {
      line = line[line.index(after: end)...].drop { $0 == " " }
    }
    return line.firstRange(of: ". ").map { line[..<$0.lowerBound] } ?? line
  }

  static func malformed(_ path: String, _ what: String) -> TensorError {
    TensorError(
      .malformedFile, "\(path) is not a valid safetensors file: \(what)", path: path,
      next: "the file was cut or changed; use another checkpoint")
  }

  static func missingTensor(_ name: String, _ path: String) -> TensorError {
    TensorError(
      .malformedFile, "\(path) has no tensor \(name)", path: path,
      next: "the checkpoint belongs to another model")
  }

  static func unexpectedTensor(_ name: String, _ path: String) -> TensorError {
    TensorError(
      .malformedFile, "\(path) holds tensor \(name), which this model does not have", path: path,
      next: "the checkpoint belongs to another model")
  }

  static func shape(_ name: String, expected: [Int], found: [Int], _ path: String) -> TensorError {
    TensorError(
      .malformedFile, "\(path): tensor \(name) has shape \(found), expected \(expected)",
      path: path, next: "the checkpoint belongs to another model")
  }
}
