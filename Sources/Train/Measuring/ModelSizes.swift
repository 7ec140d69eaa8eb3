import Attention
import Tensors

/// How many values a recipe's model trains.
public struct ModelSizes: Sendable, Equatable {
  /// All of them.
  public let parameters: Int
  /// Without tensors that grow with the longest sequence, such as a table of positions.
  public let withoutLengthTied: Int

  /// Counts without building anything large.
  ///
  /// - Throws: `AttentionError` with code `usage` for what the mechanism refuses.
  public init(_ recipe: Recipe) throws {
    let named = try sketched {
      try Classifier(recipe.modelConfiguration, key: RandomKey(seed: 0)).parameters
    }
    parameters = named.valueCount
    withoutLengthTied = named.notTiedToLength.valueCount
  }

  /// The sizes of a model under a protocol.
  public init(model: String, task: String, recipe: String = "small") throws {
    var request = RecipeRequest(task: task)
    request.model = model
    request.recipe = recipe
    try self.init(request.resolve())
  }

  /// Whether a size keeps LRA's rule for comparisons: at most 10 % above the Transformer's.
  ///
  /// Tay and others 2020, arXiv 2011.04006, appendix C.
  public static func isComparable(_ size: Int, to transformer: Int) -> Bool {
    10 * size <= 11 * transformer
  }
}
