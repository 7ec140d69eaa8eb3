import Foundation
import Tensors

/// Turns token ids into features, one per position.
///
/// Padding contract: features at real positions equal those of the row without its padding.
public protocol Encoder: Module {
  /// Token ids [B, L] to features [B, L', D] and the context whose lengths belong to them.
  func callAsFunction(_ ids: Tensor, _ context: Context) throws -> (Tensor, Context)
}

/// An encoder of its own form, where a mechanism in the standard encoder will not do.
public protocol Architecture: Encoder {
  /// Its own keys in a recipe, with defaults.
  associatedtype Configuration: ModelKeys

  /// Its line in the list of models.
  static var mechanism: Mechanism { get }
  /// Whether it is made of blocks that can be run again in the backward pass.
  static var recomputes: Bool { get }

  /// Parameters drawn by key; sizes that follow from length come from `model.maxLength`.
  init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws
}

extension Architecture {
  /// Most have a form of their own.
  public static var recomputes: Bool { false }
}

/// One line of the registry: an architecture and how to build it.
public struct ArchitectureEntry: Sendable {
  /// Its line in the list of models.
  public let mechanism: Mechanism
  let keys: [ModelKeyDescription]
  let build: @Sendable (ModelConfiguration, RandomKey) throws -> any Encoder
  let check: @Sendable ([String: ConfigurationValue]) throws -> Void
  let recomputes: Bool

  init<Kind: Architecture & SendableMetatype>(_ kind: Kind.Type) {
    let mechanism = kind.mechanism
    self.mechanism = mechanism
    recomputes = kind.recomputes
    keys = Kind.Configuration.descriptions
    build = { model, key in
      try Kind(.init(of: mechanism.name, model.mixer), model, key: key)
    }
    check = { _ = try Kind.Configuration(of: mechanism.name, $0) }
  }
}

/// Every architecture besides the standard encoder, in the order shown to users.
///
/// Adding one is a file and a line here.
public let architectures: [ArchitectureEntry] = [
  ArchitectureEntry(SetTransformer.self), ArchitectureEntry(StarTransformer.self),
  ArchitectureEntry(LowRankTransformer.self), ArchitectureEntry(RWKV.self),
  ArchitectureEntry(LoopedTransformer.self),
]

/// What can be compared: every mechanism in the standard encoder, then every architecture.
public let mechanisms: [Mechanism] = mixers.map(\.mechanism) + architectures.map(\.mechanism)

/// How to build what a model's type names.
struct EncoderChoice {
  let mechanism: Mechanism
  let check: ([String: ConfigurationValue]) throws -> Void
  let build: (ModelConfiguration, RandomKey) throws -> any Encoder
  let keys: [ModelKeyDescription]
  let recomputes: Bool
  /// Norms that its blocks can have.
  let norms: [ModelConfiguration.NormType]

  /// - Throws: `AttentionError` with code `usage`, naming all models.
  init(_ name: String) throws {
    if let entry = architectures.first(where: { $0.mechanism.name == name }) {
      (mechanism, check, build, keys) = (entry.mechanism, entry.check, entry.build, entry.keys)
      (recomputes, norms) = (entry.recomputes, [.layer])
      return
    }
    guard let entry = mixers.first(where: { $0.mechanism.name == name }) else {
      throw AttentionError.unknownModel(name, known: mechanisms.map(\.name))
    }
    (mechanism, check, keys) = (entry.mechanism, entry.check, entry.keys)
    (recomputes, norms) = (true, entry.family.norms)
    build = { try StandardEncoder($0, key: $1) }
  }
}

extension EncoderChoice {
  /// The encoder of a model, its linear layers factored where the model says so.
  ///
  /// - Parameter key: the whole model's.
  func encoder(_ model: ModelConfiguration, key: RandomKey) throws -> any Encoder {
    let encoder = try build(model, key["encoder"])
    if model.lowRank > 0 {
      try encoder.parameters.factorLayers(
        rank: model.lowRank, model.lowRankInit, key: key["factors"])
    }
    return encoder
  }
}

/// What is known of a model's own keys.
///
/// - Throws: `AttentionError` with code `usage`, naming all models.
public func keys(of model: String) throws -> [ModelKeyDescription] {
  try EncoderChoice(model).keys
}
