import Datasets
import Foundation

/// The folder of a run: `recipe.yaml`, `metrics.jsonl`, `log.txt`, `checkpoints/`, event files.
public struct RunFolder: Sendable, Equatable {
  /// The folder.
  public let path: String

  /// The resolved recipe.
  public var recipePath: String { path + "/recipe.yaml" }
  /// A line per step and per evaluation.
  public var metricsPath: String { path + "/metrics.jsonl" }
  /// What a terminal would have shown.
  public var logPath: String { path + "/log.txt" }
  /// The required attention span, when it was measured.
  public var spanPath: String { path + "/span.json" }
  /// The folder of checkpoints.
  public var checkpointsPath: String { path + "/checkpoints" }
  /// The TensorBoard event file; its name is fixed so that a resumed run goes on with it.
  public var eventsPath: String { path + "/events.out.tfevents.0.lra" }
  /// The folder's name, which is the run's name.
  public var name: String { (path as NSString).lastPathComponent }

  /// The name of a run: `listops-transformer-small-0`, and six digits of its digest when the recipe
  /// is not just what task, model, protocol and seed say.
  public static func name(of recipe: Recipe) -> String {
    var plain = RecipeRequest(task: recipe.task)
    plain.recipe = recipe.protocolName
    plain.model = recipe.model.modelType
    plain.seed = recipe.train.randomSeed
    let name =
      [recipe.task, recipe.model.modelType, recipe.protocolName]
      .joined(separator: "-") + "-\(recipe.train.randomSeed)"
    return (try? plain.resolve()) == recipe ? name : "\(name)-\(recipe.digestText.prefix(6))"
  }

  /// The folder of a recipe's run, whether there is one or not; an earlier version named some otherwise.
  ///
  /// - Parameter parent: the folder of runs.
  public static func of(_ recipe: Recipe, under parent: String) -> RunFolder {
    let name = name(of: recipe)
    let folder = RunFolder(path: "\(parent)/\(name)")
    let digits = (recipe.digestText.prefix(6), recipe.formerDigestText.prefix(6))
    let former = RunFolder(path: "\(parent)/\(name.replacing(digits.0, with: digits.1))")
    let isThere = FileManager.default.fileExists(atPath:)
    return !isThere(folder.path) && isThere(former.recipePath) ? former : folder
  }

  /// Makes the folder of a run, or finds it when the same recipe made it.
  ///
  /// - Parameters:
  ///   - parent: the folder of runs.
  ///   - name: nil takes `name(of:)`.
  /// - Returns: the folder, and whether it is new.
  /// - Throws: `configurationDiffers` with the keys that differ; `diskFull`, `failure`.
  public static func make(
    for recipe: Recipe, under parent: String = "runs", name: String? = nil
  ) throws -> (folder: RunFolder, isNew: Bool) {
    let folder = name.map { RunFolder(path: "\(parent)/\($0)") } ?? of(recipe, under: parent)
    if FileManager.default.fileExists(atPath: folder.recipePath) {
      let old = try folder.recipe()
      guard old.digest == recipe.digest else {
        throw TrainError.runDiffers(folder.path, old.differences(to: recipe))
      }
      return (folder, false)
    }
    try Publication.makeFolder(folder.checkpointsPath)
    try Publication.publish(folder.recipePath) { try $0.write([UInt8](recipe.yaml.utf8)) }
    return (folder, true)
  }

  /// Finds the folder of a run.
  ///
  /// - Throws: `usage` when it holds no recipe.
  public static func open(_ path: String) throws -> RunFolder {
    let trimmed = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    let folder = RunFolder(path: trimmed)
    guard FileManager.default.fileExists(atPath: folder.recipePath) else {
      throw TrainError.notARun(trimmed)
    }
    return folder
  }

  /// The recipe that the run was made with, and what has changed in it that may change.
  ///
  /// - Parameter note: hears of keys under the name that they had in an earlier version.
  /// - Throws: `configurationDiffers` when the file was edited.
  public func recipe(note: (String) -> Void = { _ in }) throws -> Recipe {
    guard let bytes = FileManager.default.contents(atPath: recipePath),
      let text = String(data: bytes, encoding: .utf8)
    else { throw TrainError.notARun(path) }
    let recipe = try Recipe(yaml: text, name: recipePath, note: note)
    if let identity = RunIdentity.read(self) {
      try recipe.requireUnedited(identity, text, path: recipePath)
    }
    return recipe
  }

  /// The folder of a step's checkpoint.
  public func checkpointPath(step: Int) -> String {
    checkpointsPath + "/" + RunFolder.checkpointName(step: step)
  }

  /// The name of a step's checkpoint, `step-00005000`.
  public static func checkpointName(step: Int) -> String { String(format: "step-%08d", step) }

  /// The steps that have a checkpoint, in order; what is not named like one is passed over.
  public func checkpointSteps() -> [Int] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: checkpointsPath)) ?? []
    let steps = names.compactMap { name -> Int? in
      guard let step = Int(name.dropFirst(5)), RunFolder.checkpointName(step: step) == name else {
        return nil
      }
      return step
    }
    return steps.sorted()
  }

  /// Keeps other processes from training in the folder until the lock is let go.
  ///
  /// - Throws: `locked` when another process has it.
  public func lock() throws -> RunLock { try RunLock(recipePath, run: path) }
}

/// The right to train in a run's folder; ends with the value or with the process.
public final class RunLock: Sendable {
  private let file: Int32

  init(_ path: String, run: String) throws {
    file = Foundation.open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw TrainError.file("open", path, errno: errno) }
    guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
      let number = errno
      close(file)
      throw number == EWOULDBLOCK
        ? TrainError.runLocked(run) : TrainError.file("lock", path, errno: number)
    }
  }

  deinit { close(file) }
}
