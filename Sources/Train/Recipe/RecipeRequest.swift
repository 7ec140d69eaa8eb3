import Attention
import Datasets
import Foundation
import Yams

/// What a user asks for; `resolve()` makes a complete recipe of it.
///
/// Later wins: the defaults of `Recipe`, the task, the protocol (of all tasks, of this model, of this
/// task, of this model on this task), the direction of a
/// model that has one only, the dataset, the recipe file, options, `--set`.
public struct RecipeRequest: Sendable {
  /// The dataset that is chosen; a recipe file and `--set` win unless it was named.
  public struct Dataset: Sendable {
    /// Its name in the index.
    public var name: String
    /// The longest sequence it can hold; nil when documents are stored whole and cut at load.
    public var maxLength: Int?
    /// Whether the user named it (`--dataset`) or it is the only one.
    public var named: Bool
    /// Classes and token ids of a user's own task; nil for LRA's, which have theirs.
    public var ownShape: OwnShape?

    /// What a user's own task looks like to a model.
    public struct OwnShape: Sendable, Equatable {
      /// Classes.
      public var numClasses: Int
      /// Token ids, padding included.
      public var vocabularySize: Int
    }

    /// Makes a choice from its parts.
    public init(name: String, maxLength: Int?, named: Bool, ownShape: OwnShape? = nil) {
      self.name = name
      self.maxLength = maxLength
      self.named = named
      self.ownShape = ownShape
    }
  }

  /// The task; nil takes it from the recipe file.
  public var task: String?
  /// A protocol (`small`) or the path of a recipe file, which may leave out keys.
  public var recipe = "small"
  /// The model; nil takes it from the recipe, whose default is `transformer`.
  public var model: String?
  /// The dataset; nil takes it from the recipe.
  public var dataset: Dataset?
  /// The seed; nil takes it from the recipe.
  public var seed: Int?
  /// The precision; nil takes it from the recipe.
  public var precision: String?
  /// Overrides, each `key=value`.
  public var settings: [String] = []

  /// Makes a request for a task with the `small` protocol.
  public init(task: String? = nil) { self.task = task }

  /// The complete recipe.
  ///
  /// - Parameter note: hears of keys under the name that they had in an earlier version.
  /// - Throws: `usage` with all mistakes at once, `malformed` when a file is not YAML, `failure`
  ///   when it cannot be read.
  public func resolve(note: (String) -> Void = { _ in }) throws -> Recipe {
    let file = try recipeFile()
    let overlay = RecipeOverlay(file)
    let chosen = RecipeRequest.overlay(of: settings)
    var problems = overlay.problems + chosen.problems
    Recipe.notes(overlay.formerNames, path: self.recipe).forEach(note)
    Recipe.notes(chosen.formerNames, path: nil).forEach(note)
    let base =
      chosen["protocol"]?.text ?? (file == nil ? recipe : overlay["protocol"]?.text ?? "small")
    let model =
      chosen["model.model_type"]?.text ?? self.model ?? overlay["model.model_type"]?.text
    guard let task = chosen["task"]?.text ?? self.task ?? overlay["task"]?.text else {
      throw TrainError.recipe(problems + [.noTask])
    }
    guard TaskDescription.named(task) != nil || dataset?.ownShape != nil else {
      throw TrainError.recipe(problems + [.unknownTask(task)])
    }
    var recipe = Recipe()
    recipe.task = task
    problems += try recipe.applyBuiltIn(protocol: base, task: task, model: model)
    // What looks one way only needs no key for it; the opposite, said aloud, is refused later.
    let type = model ?? recipe.model.modelType
    if mechanisms.first(where: { $0.name == type })?.directions == [.causal] {
      recipe.model.causal = true
    }
    if let dataset { apply(dataset, to: &recipe) }
    var own = overlay
    ["protocol", "task", "model.model_type"].forEach { own.remove($0) }
    problems += recipe.apply(own)
    if let dataset, dataset.named { apply(dataset, to: &recipe) }
    recipe.task = task
    if let model { recipe.model.modelType = model }
    problems += recipe.apply(options)
    problems += recipe.apply(chosen)
    // Protocols cut batches to save memory; a smaller batch needs fewer parts.
    if chosen["train.accumulate"] == nil && overlay["train.accumulate"] == nil {
      recipe.train.accumulate = min(recipe.train.accumulate, recipe.train.batchSize)
    }
    recipe.completePruning()
    problems += recipe.inconsistencies
    guard problems.isEmpty else {
      throw TrainError.recipe(problems, path: file == nil ? nil : self.recipe)
    }
    recipe.completeAttention()
    return recipe
  }

  private func apply(_ dataset: Dataset, to recipe: inout Recipe) {
    recipe.data.dataset = dataset.name
    if let maxLength = dataset.maxLength { recipe.data.maxLength = maxLength }
    if let shape = dataset.ownShape {
      recipe.data.numClasses = shape.numClasses
      recipe.data.vocabularySize = shape.vocabularySize
    }
  }

  private var options: RecipeOverlay {
    var overlay = RecipeOverlay(nil)
    if let seed { overlay.entries.append(("train.random_seed", .int(seed))) }
    if let precision { overlay.entries.append(("train.precision", .text(precision))) }
    if let model { overlay.entries.append(("model.model_type", .text(model))) }
    return overlay
  }

  private static func overlay(of settings: [String]) -> RecipeOverlay {
    settings.reduce(into: RecipeOverlay(nil)) { all, setting in
      let one = RecipeOverlay(setting: setting)
      all.entries += one.entries
      all.formerNames = (all.formerNames + one.formerNames).uniqued()
      all.problems += one.problems
    }
  }

  /// The YAML of the recipe file, nil when the recipe is a protocol.
  private func recipeFile() throws -> Node? {
    if BuiltInRecipes.protocols[recipe] != nil { return nil }
    let isPath = recipe.contains("/") || recipe.hasSuffix(".yaml") || recipe.hasSuffix(".yml")
    guard isPath || FileManager.default.fileExists(atPath: recipe) else {
      throw TrainError.recipe([.unknownProtocol(recipe, BuiltInRecipes.names)])
    }
    let text = try Recipe.text(ofFile: recipe)
    return try Recipe.compose(text, name: recipe) ?? Node([:])
  }
}

extension Recipe {
  /// The text of a YAML file.
  ///
  /// - Throws: `failure` when it cannot be read, `malformed` when it is not UTF-8.
  static func text(ofFile path: String) throws -> String {
    guard let bytes = FileManager.default.contents(atPath: path) else {
      throw TrainError.file("read", path, errno: errno)
    }
    guard let text = String(data: bytes, encoding: .utf8) else {
      throw TrainError.notYAML(path, line: nil, "not UTF-8")
    }
    return text
  }

  /// Applies the built-in overlays: the task, then the protocol's words on all tasks and on this one.
  fileprivate mutating func applyBuiltIn(
    protocol name: String, task: String, model: String?
  ) throws -> [RecipeProblem] {
    guard let text = BuiltInRecipes.protocols[name] else {
      throw TrainError.recipe([.unknownProtocol(name, BuiltInRecipes.names)])
    }
    if let known = TaskDescription.named(task) {
      data.dataset = known.canonicalDataset
      data.maxLength = known.benchmarkLength ?? data.maxLength
    }
    guard var common = try Recipe.compose(text, name: "\(name).yaml")?.mapping else { return [] }
    let model =
      model ?? common["model"]?.mapping?["model_type"]?.scalar?.string ?? self.model.modelType
    let tasks = common["tasks"]?.mapping
    common["tasks"] = nil
    let problems = apply(common, of: model)
    protocolName = name
    // A task that is none of the benchmark's has what the protocol says of all tasks.
    guard let tasks, Recipe.tasks.contains(task) else { return problems }
    guard let own = tasks[task]?.mapping else {
      let names = tasks.compactMap { $0.key.scalar?.string }
      throw TrainError.recipe([.taskNotInProtocol(name, task: task, names)])
    }
    return problems + apply(own, of: model)
  }

  /// Applies a part of a protocol, then what its `models` say of a model: `linear, local: {...}`.
  private mutating func apply(_ part: Node.Mapping, of model: String) -> [RecipeProblem] {
    var own = part
    let models = own["models"]?.mapping
    own["models"] = nil
    var problems = apply(RecipeOverlay(.mapping(own)))
    for (names, keys) in models ?? [:] {
      let list = names.scalar?.string.components(separatedBy: ", ") ?? []
      if list.contains(model) { problems += apply(RecipeOverlay(keys)) }
    }
    return problems
  }
}
