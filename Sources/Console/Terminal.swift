import Foundation

/// The two streams of a command: results go to stdout, everything else to stderr.
public enum Terminal {
  /// The widest line that is printed.
  public static let width = 100

  /// A stream of the process.
  public enum Stream: Int32, Sendable {
    /// Results.
    case output = 1
    /// Progress, hints and errors.
    case error = 2

    /// A person looks at it.
    public var isTerminal: Bool { isatty(rawValue) == 1 }
  }

  /// Prints a result and a line end.
  public static func out(_ text: String) { write(text + "\n", to: .output) }

  /// Prints a hint or an error and a line end.
  public static func err(_ text: String) { write(text + "\n", to: .error) }

  /// Writes text as it is; a reader that has gone away is no error.
  public static func write(_ text: String, to stream: Stream) {
    var text = text
    text.withUTF8 { bytes in
      var rest = UnsafeRawBufferPointer(bytes)
      while let base = rest.baseAddress, rest.count > 0 {
        let count = Foundation.write(stream.rawValue, base, rest.count)
        if count < 0 {
          if errno == EINTR { continue }
          return
        }
        rest = UnsafeRawBufferPointer(rebasing: rest[count...])
      }
    }
  }

  /// A text of unknown origin that may be shown: control characters other than line ends are replaced.
  public static func printable(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      let isControl = scalar.properties.generalCategory == .control && scalar != "\n"
      result.unicodeScalars.append(isControl ? "\u{FFFD}" : scalar)
    }
    return result
  }

  /// Columns of the terminal, at most `width`.
  public static func columns(of stream: Stream) -> Int {
    var size = winsize()
    guard ioctl(stream.rawValue, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else {
      return width
    }
    return min(Int(size.ws_col), width)
  }
}

/// Calm colours, only on a terminal and never with `NO_COLOR`.
public struct Paint: Sendable {
  private let enabled: Bool

  /// For results.
  public static let standardOutput = Paint(.output)
  /// For hints and errors.
  public static let standardError = Paint(.error)

  private init(_ stream: Terminal.Stream) {
    let forbidden = ProcessInfo.processInfo.environment["NO_COLOR"].map { !$0.isEmpty } ?? false
    enabled = stream.isTerminal && !forbidden
  }

  /// Errors.
  public func red(_ text: String) -> String { code("31", text) }
  /// What matters.
  public func bold(_ text: String) -> String { code("1", text) }
  /// What matters less.
  public func dim(_ text: String) -> String { code("2", text) }

  private func code(_ code: String, _ text: String) -> String {
    enabled ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
  }
}
