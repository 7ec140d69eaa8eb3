import ArgumentParser
import Console
import Datasets
import Foundation

/// What every command takes.
struct CommonOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The database; shards lie in data/ beside it.", valueName: "path"))
  var db = "data.sqlite"

  @Flag(help: "Print one JSON object instead of text.")
  var json = false

  @Flag(help: "No progress and no hints.")
  var quiet = false

  var store: DatasetStore { DatasetStore(at: db) }

  /// The database as a word of a command line.
  var dbWord: String { "--db \(shellQuoted(db))" }

  /// Prints a result: an object with `--json`, else text.
  func print(_ command: String, _ result: some Encodable, _ text: () -> String) throws {
    if json {
      try JSONOutput.print(command: command, result)
    } else {
      let text = text()
      if !text.isEmpty { Terminal.out(text) }
    }
  }

  /// Prints what is useful next.
  func next(_ command: String) {
    if !quiet && !json { Terminal.err(Paint.standardError.dim("Next: ") + command) }
  }
}

/// How commands work that read or make much.
struct ThreadOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Shards worked on at once (default: all cores).", valueName: "n"))
  var threads: Int?

  func validate() throws {
    if let threads, threads < 1 {
      throw ValidationError("--threads is \(threads), 1 or more allowed")
    }
  }

  var count: Int { threads ?? ProcessInfo.processInfo.activeProcessorCount }
}

/// A number of tokens: `500`, or `2k` for 2 000.
struct TokenCount: ExpressibleByArgument {
  let value: Int
  /// As it was typed.
  let typed: String

  init?(argument: String) {
    let thousands = argument.hasSuffix("k") || argument.hasSuffix("K")
    guard let number = Int(thousands ? String(argument.dropLast()) : argument), number >= 0,
      number <= 100_000_000
    else { return nil }
    value = thousands ? number * 1000 : number
    typed = argument
  }
}

/// Signals of this process: work stops at its next safe point.
enum Signals {
  static let cancellation = Cancellation()
  static let interruption = Interruption { _ in cancellation.cancel() }

  /// Begins to listen.
  static func listen() -> Cancellation {
    _ = interruption
    return cancellation
  }
}

extension DatasetError: ReportableError {
  /// The exit code; after a signal 128 and its number.
  public var exitCode: Int32 {
    code == .interrupted ? Signals.interruption.exitCode : code.exitCode
  }

  /// The kind of failure in snake_case.
  public var codeName: String { code.rawValue }
}
