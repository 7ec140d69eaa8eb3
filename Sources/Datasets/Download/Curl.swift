import Foundation

/// The program `curl`, which knows networks better than we do.
enum Curl {
  enum Outcome {
    case done
    case cancelled
    /// The connection broke; the rest can be asked for.
    case broken(String)
    /// The server cannot send the rest of a file.
    case cannotResume
    case diskFull
    case failed(String)
  }

  /// Appends to a file what is missing of it.
  ///
  /// - Parameter poll: called a few times a second.
  static func fetch(
    _ url: String, to path: String, isCancelled: () -> Bool, poll: () -> Void
  ) throws -> Outcome {
    let curl = try process(
      [
        "--fail", "--location", "--silent", "--show-error", "--continue-at", "-",
        "--connect-timeout", "30", "--speed-limit", "1", "--speed-time", "60", "--output", path,
        "--url", url,
      ])
    let errors = Pipe()
    curl.standardOutput = FileHandle.nullDevice
    curl.standardError = errors
    try start(curl)
    while curl.isRunning {
      if isCancelled() {
        curl.terminate()
        curl.waitUntilExit()
        return .cancelled
      }
      poll()
      usleep(50_000)
    }
    let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    return outcome(curl.terminationStatus, text)
  }

  /// The size that a server announces; nil when it does not.
  static func contentLength(_ url: String) throws -> Int? {
    let curl = try process([
      "--fail", "--location", "--silent", "--head", "--max-time", "60", "--url", url,
    ])
    let output = Pipe()
    curl.standardOutput = output
    curl.standardError = FileHandle.nullDevice
    try start(curl)
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    curl.waitUntilExit()
    guard curl.terminationStatus == 0 else { return nil }
    let name = "content-length:"
    return text.split(whereSeparator: \.isNewline).last { $0.lowercased().hasPrefix(name) }
      .flatMap { Int($0.dropFirst(name.count).trimmingCharacters(in: .whitespaces)) }
  }

  private static func process(_ arguments: [String]) throws -> Process {
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin").split(
      separator: ":")
    let found = folders.map { "\($0)/curl" }.first {
      FileManager.default.isExecutableFile(atPath: $0)
    }
    guard let found else { throw DatasetError.curlMissing() }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: found)
    // First --disable: no ~/.curlrc decides what happens here.
    process.arguments = ["--disable", "--proto", "=http,https"] + arguments
    process.standardInput = FileHandle.nullDevice
    return process
  }

  private static func start(_ process: Process) throws {
    do {
      try process.run()
    } catch {
      throw DatasetError.curlMissing()
    }
  }

  /// What an exit status of curl means (man curl, EXIT CODES).
  private static func outcome(_ status: Int32, _ text: String) -> Outcome {
    let reason =
      text.split(whereSeparator: \.isNewline).last.map { line in
        line.replacingOccurrences(of: #"^curl: \(\d+\) "#, with: "", options: .regularExpression)
      } ?? "curl ended with \(status)"
    switch status {
    case 0: return .done
    case 7, 16, 18, 28, 52, 55, 56, 92: return .broken(reason)
    case 33, 36: return .cannotResume
    case 22 where text.contains("416"): return .cannotResume
    case 23: return .diskFull
    default: return .failed(reason)
    }
  }
}
