import Attention
import Datasets
import Foundation
import Tensors

/// What a task's data looks like to a model.
struct TaskShape {
  /// Token ids, padding 0 included.
  let vocabularySize: Int
  /// Labels.
  let classes: Int
  /// Documents of one example.
  let towers: Int

  init(_ recipe: Recipe) {
    let task = recipe.taskDescription
    towers = task?.towers ?? 1
    classes = task?.labels?.classes ?? recipe.data.numClasses
    vocabularySize = task?.vocabularySize ?? recipe.data.vocabularySize
  }
}

extension Recipe {
  /// What is known of the task; nil for a user's own.
  var taskDescription: TaskDescription? { .named(task) }

  /// Whether the task is a user's own: its dataset tells classes and token ids.
  var isOwnTask: Bool { taskDescription?.labels == nil }

  /// The model that the recipe describes.
  ///
  /// Under protocol `released` ListOps has the released vocabulary of 17 ids (one of them never
  /// occurs), which the published parameter counts include; with black as padding there are 256.
  public var modelConfiguration: ModelConfiguration {
    let shape = TaskShape(self)
    var configuration = model
    configuration.recompute = train.recompute
    configuration.maxLength = data.maxLength
    let released = protocolName == "released" ? taskDescription?.releasedVocabularySize : nil
    configuration.vocabularySize =
      released ?? shape.vocabularySize - (data.blackIsPadding ? 1 : 0)
    configuration.numClasses = shape.classes
    configuration.numTowers = shape.towers
    return configuration
  }

  /// Writes out the defaults of the model's own keys that were not given.
  ///
  /// A flag that is off by default and stays off is left out, given or not: most are quirks of released
  /// code. Unknown models and keys are left to `check`, which names them.
  mutating func completeAttention() {
    let keys = (try? keys(of: model.modelType)) ?? []
    let defaults = Dictionary(uniqueKeysWithValues: keys.map { ($0.name, $0.defaultValue) })
    model.mixer.merge(defaults) { given, _ in given }
    model.mixer = model.mixer.filter { key, value in
      value != .bool(false) || defaults[key] != .bool(false)
    }
  }

  /// Whether the model can be built and the run can be made.
  ///
  /// - Throws: `AttentionError` with code `usage` for what the mechanism refuses, `TrainError` with
  ///   code `usage` for what is not built and for a run that is not there.
  public func check() throws {
    try Classifier.check(modelConfiguration)
    if pruning?.kind == .heads { try requireHeads() }
    for path in [train.initial, train.teacher] where !path.isEmpty { _ = try Run(path) }
  }
}

extension Recipe {
  /// Refuses a model whose L x L matrices this machine cannot hold.
  ///
  /// - Throws: `TrainError` with code `failure`.
  func requireMemory(on device: Device) throws {
    guard device == .cpu else { return }
    let model = modelConfiguration
    let part = (train.batchSize + train.accumulate - 1) / train.accumulate
    let needed = try model.leastMatrixBytes() * Double(part * model.numTowers)
    let there = Double(ProcessInfo.processInfo.physicalMemory)
    guard needed <= there else {
      throw TrainError.needsMemory(
        model.modelType, length: model.positions, gigabytes: needed / 1e9, of: there / 1e9)
    }
  }
}

extension ConfigurationValue {
  /// The canonical YAML of the value.
  var yaml: String { RecipeScalar(self).yaml }
}

extension RecipeScalar {
  /// A value of a mechanism's own key.
  init(_ value: ConfigurationValue) {
    self =
      switch value {
      case .bool(let value): .bool(value)
      case .integer(let value): .int(value)
      case .number(let value): .number(value)
      case .string(let value): .text(value)
      }
  }

  /// The value for a mechanism's own key; nil for nothing and lists.
  var configurationValue: ConfigurationValue? {
    switch self {
    case .null, .list: nil
    case .bool(let value): .bool(value)
    case .int(let value): .integer(value)
    case .number(let value): .number(value)
    case .text(let value): .string(value)
    }
  }
}
