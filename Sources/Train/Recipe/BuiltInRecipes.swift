/// The overlays that are part of the program, from the YAML files under `Recipes`.
enum BuiltInRecipes {
  /// The protocols by name.
  static let protocols = [
    "demo": text(PackageResources.demo_yaml),
    "modern": text(PackageResources.modern_yaml),
    "paper": text(PackageResources.paper_yaml),
    "published": text(PackageResources.published_yaml),
    "released": text(PackageResources.released_yaml),
    "skyformer": text(PackageResources.skyformer_yaml),
    "small": text(PackageResources.small_yaml),
  ]

  /// The names of the protocols in the order of messages.
  static let names = protocols.keys.sorted()

  private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}
