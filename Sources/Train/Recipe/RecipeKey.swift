import Attention

/// A key of recipes in words, for `lra-train recipe --explain`.
public struct RecipeKey: Encodable, Sendable {
  /// The full key, such as `model.emb_dim`.
  public let key: String
  /// The value that protocols build on.
  public let `default`: RecipeScalar
  /// What values it takes.
  public let range: String
  /// What a number counts, such as `tokens`; nil when it counts nothing.
  @OrNull public var unit: String?
  /// Which recipes have it, or the model whose own key it is.
  public let owner: String
  /// What it is, in a sentence or two.
  public let text: String

  /// Every key, in the order of a recipe's text; the models' own keys come last, model by model.
  public static let all: [RecipeKey] =
    Recipe.fields.map {
      RecipeKey(
        key: $0.path, default: $0.load(Recipe()), range: $0.range, unit: $0.unit,
        owner: $0.owner.rawValue, text: $0.text)
    }
    + mechanisms.flatMap { model in
      ((try? keys(of: model.name)) ?? []).map {
        RecipeKey(
          key: "model.mixer.\($0.name)", default: RecipeScalar($0.defaultValue), range: $0.range,
          unit: nil, owner: "model \(model.name)", text: $0.text)
      }
    }

  /// The keys of a name, or those of a section.
  ///
  /// - Parameter name: a full key, or a section such as `train` or `model.mixer`; nil for all keys.
  /// - Throws: `TrainError` with code `usage` when there is no such key, with the nearest one.
  public static func named(_ name: String?) throws -> [RecipeKey] {
    guard let name else { return all }
    let known = Recipe.currentName(of: name).name
    let found = all.filter { $0.key == known || $0.key.hasPrefix(known + ".") }
    guard !found.isEmpty else { throw TrainError.recipe([.unknown(name)]) }
    return found
  }
}
