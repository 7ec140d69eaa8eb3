import Foundation

/// What a command-line parser says of an error: Console knows no parser.
public enum ParserVerdict: Sendable {
  /// Help or version was asked for: the text goes to stdout, exit 0.
  case answer(String)
  /// The command line is wrong: exit 64.
  case usage(message: String, help: String?)
  /// Not an error of the parser.
  case other
}

/// Runs a tool from its command line to its exit code.
///
/// Errors become `error: ...` and the next step on stderr; with `--json` among the arguments one object
/// `{schema, error: {exit, code, message, path, position, next}}` on stdout.
/// An `interrupted` error without a next step of its own gets `Resume with the same command: ...`.
/// - Parameters:
///   - arguments: without the program's name.
///   - verdict: what the parser says of an error that is not reportable.
///   - body: parses and runs.
public func runTool(
  arguments: [String] = Array(CommandLine.arguments.dropFirst()),
  verdict: (any Error) -> ParserVerdict = { _ in .other }, _ body: () throws -> Void
) -> Never {
  signal(SIGPIPE, SIG_IGN)
  signal(SIGXFSZ, SIG_IGN)  // a file size limit is an error of write, with a message
  // The runtime takes the arguments from /proc; without them every command would be a call for help.
  if CommandLine.arguments.isEmpty {
    let message = "the command line cannot be read: /proc/self is not readable"
    report(Failure(exitCode: 1, codeName: "failure", message), json: false)
  }
  let json = arguments.prefix { $0 != "--" }.contains("--json")
  do {
    try body()
    exit(0)
  } catch let status as ExitStatus {
    exit(status.code)
  } catch let error as any ReportableError {
    report(error, json: json)
  } catch {
    switch verdict(error) {
    case .answer(let text):
      Terminal.out(text)
      exit(0)
    case .usage(let message, let help):
      report(Failure.usage(message, next: help), json: json)
    case .other:
      report(
        Failure(exitCode: 1, codeName: "failure", (error as NSError).localizedDescription),
        json: json)
    }
  }
}

private func report(_ error: any ReportableError, json: Bool) -> Never {
  var error = error
  if error.codeName == "interrupted" && error.next == nil {
    let tool = CommandLine.arguments.first?.split(separator: "/").last.map(String.init) ?? ""
    error = Failure(
      exitCode: error.exitCode, codeName: error.codeName, error.message, path: error.path,
      position: error.position,
      next: "Resume with the same command: \(commandLine(of: tool))")
  }
  if json {
    JSONOutput.print(error: error)
  } else {
    let lead = error.codeName == "interrupted" ? "" : Paint.standardError.red("error: ")
    Terminal.err(lead + error.message)
    if let next = error.next { Terminal.err(next) }
  }
  exit(error.exitCode)
}

/// The command line of this process, quoted for a shell.
public func commandLine(of tool: String) -> String {
  ([tool] + CommandLine.arguments.dropFirst().map(shellQuoted)).joined(separator: " ")
}

/// One word of a command line, quoted when a shell would split or expand it.
public func shellQuoted(_ word: String) -> String {
  let safe = word.utf8.allSatisfy { byte in
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: "-_./=:,+@%".utf8.contains(byte)
    }
  }
  return safe && !word.isEmpty ? word : "'" + word.replacing("'", with: "'\\''") + "'"
}
