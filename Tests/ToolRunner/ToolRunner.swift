import Foundation

/// What a program printed and how it ended.
public struct Outcome: Sendable {
  /// The exit code; the negative number of the signal that ended it.
  public let exit: Int32
  /// What it wrote to stdout.
  public let output: String
  /// What it wrote to stderr.
  public let error: String
}

/// A folder that is removed with its last owner.
public final class TemporaryFolder: Sendable {
  /// The folder.
  public let path: String

  /// Makes a folder of a name that nobody else has, with the given texts by relative path.
  public init(_ files: [String: String] = [:]) throws {
    path = NSTemporaryDirectory() + "lra-test-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    for (name, text) in files {
      let url = URL(fileURLWithPath: file(name))
      try FileManager.default.createDirectory(
        at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: url)
    }
  }

  deinit {
    chmod(path, 0o755)
    try? FileManager.default.removeItem(atPath: path)
  }

  /// A file or folder in it.
  public func file(_ name: String) -> String { "\(path)/\(name)" }

  /// Runs `lra-data` in this folder.
  @discardableResult
  public func data(_ arguments: String...) throws -> Outcome {
    try Program.lraData.run(arguments, in: path)
  }
}

/// A program that tests run.
public struct Program: Sendable {
  /// The file.
  public let path: String

  /// A program by its file.
  public init(path: String) { self.path = path }

  /// The built binary beside the test bundle.
  public static let lraData = Program(path: Program.products + "/lra-data")

  /// The built binary that trains.
  public static let lraTrain = Program(path: Program.products + "/lra-train")

  /// The folder of the built products.
  public static var products: String {
    let bundle = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") }
    if let bundle { return bundle.bundleURL.deletingLastPathComponent().path }
    #if os(Linux)
      let own = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
      return own.deletingLastPathComponent().path
    #else
      return Bundle.main.bundleURL.deletingLastPathComponent().path
    #endif
  }

  /// The root of the package.
  public static let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().path

  /// Python of the package's own environment when there is one, else of the machine.
  public static var python: Program {
    let own = Program.package + "/.deps/venv/bin/python"
    let found = FileManager.default.isExecutableFile(atPath: own)
    return Program(path: found ? own : "/usr/bin/python3")
  }

  /// Runs a Python statement, for damage that needs SQLite.
  public static func python(_ code: String, in folder: String) throws -> Outcome {
    try python.run(["-c", code], in: folder)
  }

  /// A program that is running.
  public final class Running: @unchecked Sendable {
    private let process: Process
    private let outputs: TemporaryFolder

    fileprivate init(_ program: Program, _ arguments: [String], in folder: String) throws {
      process = Process()
      outputs = try TemporaryFolder()
      process.executableURL = URL(fileURLWithPath: program.path)
      process.arguments = arguments
      process.currentDirectoryURL = URL(fileURLWithPath: folder)
      process.standardInput = FileHandle.nullDevice
      process.standardOutput = try Running.handle(outputs.file("out"))
      process.standardError = try Running.handle(outputs.file("err"))
      try process.run()
    }

    private static func handle(_ path: String) throws -> FileHandle {
      _ = FileManager.default.createFile(atPath: path, contents: nil)
      return try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    }

    /// Sends a signal.
    public func send(_ signal: Int32) { kill(process.processIdentifier, signal) }

    /// Sends a signal after a time, without waiting.
    public func send(_ signal: Int32, afterMilliseconds delay: Int) {
      DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(delay)) {
        if self.process.isRunning { self.send(signal) }
      }
    }

    /// Whether it has not ended yet.
    public var isRunning: Bool { process.isRunning }

    /// Polls until a condition holds or the program has ended.
    public func wait(until condition: () throws -> Bool) rethrows {
      while try isRunning && !condition() { sched_yield() }
    }

    /// Polls until a file or folder is there or the program has ended.
    public func wait(for path: String) {
      wait { FileManager.default.fileExists(atPath: path) }
    }

    /// Waits for the end.
    public func wait() throws -> Outcome {
      process.waitUntilExit()
      let status = process.terminationStatus
      return Outcome(
        exit: process.terminationReason == .uncaughtSignal ? -status : status,
        output: try String(contentsOfFile: outputs.file("out"), encoding: .utf8),
        error: try String(contentsOfFile: outputs.file("err"), encoding: .utf8))
    }
  }

  /// Starts it.
  public func start(_ arguments: [String], in folder: String) throws -> Running {
    try Running(self, arguments, in: folder)
  }

  /// Runs it to its end.
  @discardableResult
  public func run(_ arguments: [String], in folder: String) throws -> Outcome {
    try start(arguments, in: folder).wait()
  }
}
