import Datasets
import Foundation

/// The manifest that the package ships for a dataset, when there is one.
///
/// `manifests/NAME.json` is looked for in the working folder, then in the folders above the program, so a
/// program in `.build` finds those of its package.
struct KnownManifest {
  let manifest: Manifest
  /// As it is shown: `manifests/listops-2k.json`.
  let path: String

  /// The manifest of exactly these parameters, seed and sizes.
  static func find(
    _ configuration: ListOpsConfiguration, seed: Int, splits: [SplitSize]
  ) -> KnownManifest? {
    find(
      configuration.datasetName, ListOpsConfiguration.task, ListOpsConfiguration.generatorVersion,
      configuration.parameters, seed: seed, splits: splits)
  }

  /// The manifest of exactly these parameters, seed and sizes.
  static func find(
    _ configuration: PathfinderConfiguration, seed: Int, splits: [SplitSize]
  ) -> KnownManifest? {
    find(
      configuration.datasetName, PathfinderConfiguration.task,
      PathfinderConfiguration.generatorVersion, configuration.parameters, seed: seed,
      splits: splits)
  }

  /// The manifest of exactly what is merged.
  static func find(_ plan: MergePlan) -> KnownManifest? {
    switch plan.task {
    case ListOpsConfiguration.task:
      ListOpsConfiguration(parameters: plan.parameters).flatMap {
        find($0, seed: plan.seed, splits: plan.splits)
      }
    case PathfinderConfiguration.task:
      PathfinderConfiguration(parameters: plan.parameters).flatMap {
        find($0, seed: plan.seed, splits: plan.splits)
      }
    default: nil
    }
  }

  private static func find(
    _ name: String, _ task: String, _ version: Int, _ parameters: [String: ParameterValue],
    seed: Int, splits: [SplitSize]
  ) -> KnownManifest? {
    let shown = "manifests/\(name).json"
    let wanted = splits.filter { $0.count > 0 }
    for folder in folders {
      guard let manifest = try? Manifest(contentsOf: "\(folder)/\(shown)"),
        manifest.task == task,
        manifest.generatorVersion == version,
        manifest.parameters == parameters, manifest.seed == seed,
        manifest.splits.map(\.name) == wanted.map(\.name),
        manifest.splits.map(\.examples) == wanted.map(\.count)
      else { continue }
      return KnownManifest(manifest: manifest, path: shown)
    }
    return nil
  }

  private static var folders: [String] {
    var folders = ["."]
    var folder = Bundle.main.executableURL?.resolvingSymlinksInPath().deletingLastPathComponent()
    while let current = folder, current.path != "/", folders.count < 8 {
      folders.append(current.path)
      folder = current.deletingLastPathComponent()
    }
    return folders
  }
}
