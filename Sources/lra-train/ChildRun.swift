import Console
import Foundation

/// This program in a process of its own, with `--json`: memory and threads of one do not colour another.
final class ChildRun: @unchecked Sendable {
  /// An error that the child printed.
  struct Problem: Decodable {
    let exit: Int32
    let code: String
    let message: String
    let next: String?
  }

  private let process = Process()
  private let lock = NSLock()
  private var output = Data()
  private let reading = DispatchGroup()

  /// Starts it; it has no terminal and cannot outlive this process for long.
  ///
  /// - Parameter quiet: whether what it says on stderr is dropped.
  init(_ arguments: [String], quiet: Bool = true) throws {
    process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments = arguments
    process.standardInput = FileHandle.nullDevice
    if quiet { process.standardError = FileHandle.nullDevice }
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let handle = pipe.fileHandleForReading
    reading.enter()
    Thread.detachNewThread { [self] in
      let data = handle.readDataToEndOfFile()
      lock.withLock { output = data }
      reading.leave()
    }
  }

  /// Whether it has not ended yet.
  var isRunning: Bool { process.isRunning }

  /// Asks it to end; what is done already is saved.
  func stop(_ signal: Int32) { kill(process.processIdentifier, signal) }

  /// Waits for its end and gives its stdout.
  func wait() -> Data {
    process.waitUntilExit()
    reading.wait()
    return lock.withLock { output }
  }

  /// The signal that ended it; nil when it exited.
  var signalNumber: Int32? {
    process.terminationReason == .uncaughtSignal ? process.terminationStatus : nil
  }

  /// The error it printed; nil when it printed a result or nothing.
  static func problem(in output: Data) -> Problem? {
    struct Envelope: Decodable {
      let error: Problem
    }
    return try? JSONDecoder().decode(Envelope.self, from: output).error
  }
}
