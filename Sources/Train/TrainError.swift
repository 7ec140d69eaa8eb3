import Foundation

/// What went wrong in training, in one sentence, with the next command to type.
///
/// Every wording of the module stands in this file and its extensions, `TrainError+*.swift`.
public struct TrainError: Error, Sendable, Equatable {
  /// The kind of a failure; its raw name is printed with `--json`.
  public enum Code: String, Sendable, CaseIterable {
    /// Something failed that has no code of its own.
    case failure
    /// The loss became infinite or not a number.
    case diverged
    /// The loss never left the level of the trivial baselines.
    case plateau
    /// Stored bytes do not give their checksum.
    case checksumMismatch = "checksum_mismatch"
    /// The disk is full.
    case diskFull = "disk_full"
    /// Another process holds the run or the index.
    case locked
    /// The run exists with another configuration.
    case configurationDiffers = "configuration_differs"
    /// The command line or a recipe asks for something that is not possible.
    case usage
    /// A file is not what its name promises.
    case malformed = "malformed_input"
    /// A signal stopped the work; the state is saved.
    case interrupted

    /// The exit code of a command that ends with this failure.
    public var exitCode: Int32 {
      switch self {
      case .failure, .diverged, .plateau: 1
      case .checksumMismatch: 4
      case .diskFull: 5
      case .locked: 6
      case .configurationDiffers: 7
      case .usage: 64
      case .malformed: 65
      case .interrupted: 130
      }
    }
  }

  /// The kind of the failure.
  public let code: Code
  /// What was wrong; several mistakes stand on a line each.
  public let message: String
  /// The file that it is about.
  public let path: String?
  /// The line, step or example that it is about.
  public let position: Int?
  /// What to do next, mostly a command.
  public let next: String?

  /// Makes an error from its parts.
  public init(
    _ code: Code, _ message: String, path: String? = nil, position: Int? = nil, next: String? = nil
  ) {
    self.code = code
    self.message = message
    self.path = path
    self.position = position
    self.next = next
  }
}

extension TrainError: CustomStringConvertible {
  /// The message, and what to do next on a line of its own.
  public var description: String { next.map { "\(message)\n\($0)" } ?? message }
}

extension TrainError {
  /// A system call on a file failed.
  static func file(_ action: String, _ path: String, errno number: Int32) -> TrainError {
    let reason = String(cString: strerror(number))
    let full = number == ENOSPC || number == EDQUOT
    return TrainError(
      full ? .diskFull : .failure, "cannot \(action) \(path): \(reason.lowercased())", path: path,
      next: full ? "free some space and give the same command again" : nil)
  }

  /// The folder is not one that a training run made.
  static func notARun(_ path: String) -> TrainError {
    TrainError(
      .usage, "\(path) is not the folder of a run: it holds no recipe.yaml", path: path,
      next: "a run is named by its folder, such as runs/listops-transformer-small-0")
  }

  /// A new run would get the folder of one that exists with another recipe.
  static func runDiffers(_ path: String, _ differences: [String]) -> TrainError {
    TrainError(
      .configurationDiffers,
      (["\(path) exists with another recipe:"] + differences.map { "  \($0)" })
        .joined(separator: "\n"), path: path,
      next: "use another folder (--out) or another seed (--seed)")
  }

  /// A checkpoint was made with another recipe than the one given now.
  static func recipeChanged(_ path: String, _ differences: [String]) -> TrainError {
    TrainError(
      .configurationDiffers,
      (["\(path) was trained with another recipe:"] + differences.map { "  \($0)" })
        .joined(separator: "\n"), path: path,
      next: "start a new run with the new recipe")
  }

  /// Another process trains in the folder.
  static func runLocked(_ path: String) -> TrainError {
    TrainError(
      .locked, "\(path) is in use by another process", path: path,
      next: "wait for it to end, or use another seed (--seed)")
  }

  /// A line within a log is not one that this program wrote.
  static func brokenLog(_ path: String, line: Int) -> TrainError {
    TrainError(
      .malformed, "\(path):\(line): not a line of metrics", path: path, position: line,
      next: "move the file away, then resume the run")
  }

  /// The training split has no examples.
  static let emptySplit = TrainError(
    .usage, "the split has no examples", next: "generate more: lra-data gen listops --train 96000")
}
