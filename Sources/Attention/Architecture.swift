import Tensors

/// Turns token ids into features, one per position.
///
/// Padding contract: features at real positions equal those of the row without its padding.
public protocol Architecture: Module {
  /// The name in recipes.
  static var name: String { get }

  /// Parameters drawn by key.
  init(_ model: ModelConfiguration, key: RandomKey) throws

  /// Token ids [B, L] to features [B, L', D] and the context whose lengths belong to them.
  func callAsFunction(_ ids: Tensor, _ context: Context) throws -> (Tensor, Context)
}

/// One line of the registry: an architecture and how to build it.
public struct ArchitectureEntry: Sendable {
  /// The name in recipes.
  public let name: String
  let build: @Sendable (ModelConfiguration, RandomKey) throws -> any Architecture

  init<Kind: Architecture & SendableMetatype>(_ kind: Kind.Type) {
    name = kind.name
    build = { try Kind($0, key: $1) }
  }
}

/// Every architecture by name, the standard encoder first.
///
/// Adding one is a file and a line here.
public let architectures: [ArchitectureEntry] = [
  ArchitectureEntry(StandardEncoder.self)
]

/// The architecture that a model's type names, or the standard encoder around the mixer of that
/// name.
func architecture(for model: ModelConfiguration) -> ArchitectureEntry {
  architectures.first { $0.name == model.modelType } ?? architectures[0]
}
