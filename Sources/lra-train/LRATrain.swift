import ArgumentParser
import Attention
import Console
import Datasets
import Foundation
import Tensors
import Train

/// The tool: one subcommand per file.
struct LRATrain: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lra-train",
    abstract: "Train and measure efficient-attention models on the Long Range Arena.",
    discussion: "lra-train --db data.sqlite trains the only task there with its default recipe.",
    version: "1.0.0",
    subcommands: [
      TrainCommand.self, Resume.self, Evaluate.self, Predict.self, ScoreCommand.self,
      SweepCommand.self, Reproduce.self, Bench.self, Span.self, ReportCommand.self, Models.self,
      RecipeCommand.self,
    ],
    defaultSubcommand: TrainCommand.self)

  static func verdict(_ error: any Error) -> ParserVerdict {
    if exitCode(for: error) == .success { return .answer(fullMessage(for: error)) }
    if exitCode(for: error) == .validationFailure {
      let message = message(for: error)
      return .usage(
        message: message.prefix(1).lowercased() + message.dropFirst(), help: "see: lra-train --help"
      )
    }
    return .other
  }
}

/// What every command takes.
struct CommonOptions: ParsableArguments {
  @Option(
    name: .customLong("db"),
    help: ArgumentHelp(
      "The database that lra-data made (default: data.sqlite, of a run the one it was made from).",
      valueName: "db"))
  var namedDatabase: String?
  @Flag(help: "Print one JSON object instead of text.") var json = false
  @Flag(help: "Print no progress.") var quiet = false

  /// The database that is named, else data.sqlite in this folder.
  var db: String { namedDatabase ?? "data.sqlite" }
}

/// Where computing happens.
struct DeviceOptions: ParsableArguments {
  @Option(help: "cpu, cuda, cuda:N or auto (CUDA when there is one).") var device = "auto"
  @Option(help: "Threads of an operation (default: all cores).") var threads: Int?

  /// - Parameter launch: how this process was started; processes of one machine divide its cores, and
  ///   each takes a CUDA device of its own.
  func start(_ launch: Launch = Launch()) throws -> Device {
    if let threads, threads < 1 {
      throw Failure.usage("--threads \(threads): at least one is needed")
    }
    let share = max(1, processorCount() / launch.localWorld)
    let found = try Engine.start(
      device: launch.world > 1 && device == "cuda" ? "cuda:\(launch.localRank)" : device,
      threads: threads ?? share)
    // CUDA that was found by `auto` is divided as CUDA that was asked for.
    guard launch.world > 1, device == "auto", case .cuda = found else { return found }
    return try Engine.start(device: "cuda:\(launch.localRank)", threads: threads ?? share)
  }
}

extension DeviceOptions {
  /// Starts the engine and joins the other processes of this run, if there are any.
  func join() throws -> (Device, ProcessGroup) {
    let launch = try Launch(ProcessInfo.processInfo.environment)
    return (try start(launch), try launch.join())
  }
}

extension ProcessGroup {
  /// What makes a folder or changes a file: the first process does it, then the others find it done.
  func firstAlone<Result>(_ body: () throws -> Result) throws -> Result {
    let first = rank == 0 ? try body() : nil
    try wait()
    return try first ?? body()
  }
}

extension DatasetError: ReportableError {
  /// The exit code of the failure.
  public var exitCode: Int32 { code.exitCode }
  /// The kind of failure in snake_case.
  public var codeName: String { code.rawValue }
}

extension TrainError: ReportableError {
  /// The exit code of the failure.
  public var exitCode: Int32 { code.exitCode }
  /// The kind of failure in snake_case.
  public var codeName: String { code.rawValue }
}

extension AttentionError: ReportableError {
  /// The exit code of the failure.
  public var exitCode: Int32 { 64 }
  /// The kind of failure in snake_case.
  public var codeName: String { "usage" }
  /// No file is concerned.
  public var path: String? { nil }
  /// No place is concerned.
  public var position: Int? { nil }
  /// What to do about it.
  public var next: String? { hint }
}

extension TensorError: ReportableError {
  /// The exit code of the failure.
  public var exitCode: Int32 {
    switch code {
    case .operation, .engine: 1
    case .usage: 64
    case .malformedFile: 65
    }
  }
  /// The kind of failure in snake_case.
  public var codeName: String {
    switch code {
    case .operation, .engine: "failure"
    case .usage: "usage"
    case .malformedFile: "malformed_input"
    }
  }
  /// No place is concerned.
  public var position: Int? { nil }
}
