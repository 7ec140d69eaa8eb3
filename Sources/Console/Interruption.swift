import Dispatch
import Foundation

/// Signals as a flag: work stops at its next safe point, and the tool exits with 128 + the signal's number.
///
/// SIGINT, SIGTERM, SIGHUP, and those by which schedulers say that time runs out: SIGUSR1, SIGUSR2, SIGXCPU.
///
/// A second signal of the same kinds ends the process at once.
public final class Interruption: @unchecked Sendable {
  private let lock = NSLock()
  private var received: Int32?
  private let sources: [any DispatchSourceSignal]
  private var watch: (any DispatchSourceTimer)?

  private static let signals = [SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU]

  /// Begins to listen; keep one for the time of the process.
  ///
  /// - Parameter onSignal: called once, on another thread, with the signal's number.
  public init(onSignal: @escaping @Sendable (Int32) -> Void = { _ in }) {
    let queue = DispatchQueue(label: "signals")
    sources = Interruption.signals.map { number in
      signal(number, SIG_IGN)
      return DispatchSource.makeSignalSource(signal: number, queue: queue)
    }
    for (source, number) in zip(sources, Interruption.signals) {
      source.setEventHandler { [weak self] in
        guard let self, self.note(number) else { _exit(Interruption.exitCode(of: number)) }
        onSignal(number)
      }
      source.activate()
    }
  }

  deinit {
    for source in sources { source.cancel() }
    watch?.cancel()
  }

  /// Lets the end of the parent process count as SIGTERM, for a process that works for another.
  public func endWithParent() {
    let parent = getppid()
    let timer = DispatchSource.makeTimerSource(queue: DispatchQueue(label: "parent"))
    timer.schedule(deadline: .now(), repeating: 0.5)
    timer.setEventHandler { [weak self] in
      guard let self, getppid() != parent, !self.isRequested else { return }
      kill(getpid(), SIGTERM)
    }
    timer.activate()
    lock.withLock { watch = timer }
  }

  /// The signal that came, nil before.
  public var signalNumber: Int32? { lock.withLock { received } }

  /// Whether work should stop.
  public var isRequested: Bool { signalNumber != nil }

  /// The exit code of an interrupted command: 130 after SIGINT, 143 after SIGTERM, 138 after SIGUSR1.
  public var exitCode: Int32 { Interruption.exitCode(of: signalNumber ?? SIGINT) }

  /// The exit code of a command that a signal ended.
  public static func exitCode(of number: Int32) -> Int32 { 128 + number }

  private func note(_ number: Int32) -> Bool {
    lock.withLock {
      if received != nil { return false }
      received = number
      return true
    }
  }
}
