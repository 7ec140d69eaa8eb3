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
  static func find<Configuration: GeneratorConfiguration>(
    _ configuration: Configuration, seed: Int, splits: [SplitSize]
  ) -> KnownManifest? {
    let shown = "manifests/\(configuration.datasetName).json"
    let wanted = splits.filter { $0.count > 0 }
    for folder in folders {
      guard let manifest = try? Manifest(contentsOf: "\(folder)/\(shown)"),
        manifest.task == Configuration.task,
        manifest.generatorVersion == Configuration.generatorVersion,
        manifest.parameters == configuration.parameters, manifest.seed == seed,
        manifest.splits.map(\.name) == wanted.map(\.name),
        manifest.splits.map(\.examples) == wanted.map(\.count)
      else { continue }
      return KnownManifest(manifest: manifest, path: shown)
    }
    return nil
  }

  /// The manifest of exactly what is merged.
  static func find(_ plan: MergePlan) -> KnownManifest? {
    guard let configuration = plan.configuration else { return nil }
    return find(configuration, seed: plan.seed, splits: plan.splits)
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
