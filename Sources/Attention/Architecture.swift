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
  associatedtype Configuration: Codable & Sendable

  /// Its line in the list of models.
  static var mechanism: Mechanism { get }
  /// The keys' defaults.
  static var defaults: Configuration { get }
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
  let keys: @Sendable () throws -> [String: ConfigurationValue]
  let build: @Sendable (ModelConfiguration, RandomKey) throws -> any Encoder
  let check: @Sendable ([String: ConfigurationValue]) throws -> Void
  let recomputes: Bool

  init<Kind: Architecture & SendableMetatype>(_ kind: Kind.Type) {
    let mechanism = kind.mechanism
    self.mechanism = mechanism
    recomputes = kind.recomputes
    keys = { try values(Kind.defaults) }
    build = { model, key in
      try Kind(
        configuration(mechanism.name, Kind.defaults, model.mixer), model, key: key)
    }
    check = { _ = try configuration(mechanism.name, Kind.defaults, $0) }
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
  let keys: () throws -> [String: ConfigurationValue]
  let recomputes: Bool

  /// - Throws: `AttentionError` with code `usage`, naming all models.
  init(_ name: String) throws {
    if let entry = architectures.first(where: { $0.mechanism.name == name }) {
      (mechanism, check, build, keys) = (entry.mechanism, entry.check, entry.build, entry.keys)
      recomputes = entry.recomputes
      return
    }
    guard let entry = mixers.first(where: { $0.mechanism.name == name }) else {
      throw AttentionError.unknownModel(name, known: mechanisms.map(\.name))
    }
    (mechanism, check, keys) = (entry.mechanism, entry.check, entry.keys)
    recomputes = true
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

/// A model's own keys with their defaults, so that a recipe can be complete by itself.
///
/// - Throws: `AttentionError` with code `usage`, naming all models.
public func defaultKeys(of model: String) throws -> [String: ConfigurationValue] {
  try EncoderChoice(model).keys()
}

/// A configuration's values by their keys in a recipe.
func values<Keys: Codable>(_ configuration: Keys) throws -> [String: ConfigurationValue] {
  try JSONDecoder().decode(
    [String: ConfigurationValue].self, from: JSONEncoder().encode(configuration))
}

/// A recipe's keys over the defaults.
///
/// - Throws: `AttentionError` with code `usage` for an unknown key or a value of the wrong type.
func configuration<Keys: Codable>(
  _ name: String, _ defaults: Keys, _ given: [String: ConfigurationValue]
) throws -> Keys {
  do {
    let known = try values(defaults)
    for key in given.keys.sorted() where known[key] == nil {
      throw AttentionError.unknownKey(key, model: name, known: known.keys.sorted())
    }
    let merged = known.merging(given) { $1 }
    return try JSONDecoder().decode(Keys.self, from: JSONEncoder().encode(merged))
  } catch let error as DecodingError {
    guard case .typeMismatch(_, let context) = error else {
      throw AttentionError.badValue(name, "a value has the wrong type")
    }
    let path = context.codingPath.map(\.stringValue).joined(separator: ".")
    throw AttentionError.badValue(name, "\(path) has the wrong type")
  }
}
