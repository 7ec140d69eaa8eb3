import Foundation

/// Makes values in a background thread, a bounded number ahead of the one who takes them.
///
/// At most `depth` finished values wait; the thread sleeps while they do. An error ends the
/// production and is thrown to the taker after the values before it. The thread ends with `stop` or
/// deinit.
final class Prefetcher<Value: Sendable>: Sendable {
  private let shared: Shared

  /// Starts the thread.
  ///
  /// - Parameters:
  ///   - depth: finished values that wait, at least 1.
  ///   - make: gives the next value, nil at the end; called on the thread only.
  init(depth: Int, name: String, make: sending @escaping () throws -> Value?) {
    precondition(depth > 0, "a prefetcher keeps at least one value ready")
    let shared = Shared(depth: depth)
    self.shared = shared
    let work = Work(make: make)
    let thread = Thread { shared.produce(work.make) }
    thread.name = name
    thread.start()
  }

  deinit { shared.stop() }

  /// Seconds for which takers waited.
  var waitedSeconds: Double { shared.waitedSeconds }

  /// The next value, nil at the end and after `stop`.
  func next() throws -> Value? { try shared.take() }

  /// Ends the thread after the value that it is making.
  func stop() { shared.stop() }

  /// Carries the producer to its thread, the only one that calls it.
  private struct Work: @unchecked Sendable {
    let make: () throws -> Value?
  }

  /// The queue between both threads; the condition guards everything below it.
  private final class Shared: @unchecked Sendable {
    private let depth: Int
    private let condition = NSCondition()
    private var ready: [Value] = []
    private var end: Result<Void, any Error>?
    private var stopped = false
    private var waited = 0.0

    init(depth: Int) {
      self.depth = depth
      ready.reserveCapacity(depth)
    }

    var waitedSeconds: Double { condition.withLock { waited } }

    func produce(_ make: () throws -> Value?) {
      while true {
        condition.lock()
        while ready.count >= depth, !stopped { condition.wait() }
        let done = stopped
        condition.unlock()
        if done { return }
        let made = Result { try make() }
        condition.lock()
        switch made {
        case .success(let value?): ready.append(value)
        case .success(nil): end = .success(())
        case .failure(let error): end = .failure(error)
        }
        let over = end != nil
        condition.broadcast()
        condition.unlock()
        if over { return }
      }
    }

    func take() throws -> Value? {
      condition.lock()
      defer { condition.unlock() }
      if ready.isEmpty, end == nil, !stopped {
        let start = ContinuousClock.now
        while ready.isEmpty, end == nil, !stopped { condition.wait() }
        waited += (ContinuousClock.now - start) / .seconds(1)
      }
      guard !stopped else { return nil }
      guard ready.isEmpty else {
        defer { condition.broadcast() }
        return ready.removeFirst()
      }
      try end?.get()
      return nil
    }

    func stop() {
      condition.withLock {
        stopped = true
        ready = []
        condition.broadcast()
      }
    }
  }
}
