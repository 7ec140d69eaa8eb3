import Foundation

/// A value that only one thread touches at a time.
///
/// The standard library's `Mutex` needs a newer macOS than this package supports.
final class Guarded<Value>: @unchecked Sendable {
  private let lock = NSLock()
  private var value: Value

  init(_ value: Value) {
    self.value = value
  }

  func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
    lock.lock()
    defer { lock.unlock() }
    return try body(&value)
  }
}

/// Asks running work to stop at its next safe point.
public final class Cancellation: Sendable {
  private let flag = Guarded(false)

  /// A request that has not been made yet.
  public init() {}

  /// Makes the request.
  ///
  /// Call it from a signal source, not from inside a signal handler: it takes a lock.
  public func cancel() { flag.withLock { $0 = true } }

  /// Whether the request was made.
  public var isCancelled: Bool { flag.withLock { $0 } }
}
