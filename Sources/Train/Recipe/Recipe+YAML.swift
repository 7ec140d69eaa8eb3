import Crypto
import Datasets
import Foundation

extension Recipe {
  /// The canonical YAML: every key, in the documented order, one screen.
  ///
  /// `Recipe(yaml: recipe.yaml) == recipe`.
  public var yaml: String {
    var text = "protocol: \(RecipeScalar.text(protocolName).yaml)\n"
    text += "task: \(RecipeScalar.text(task).yaml)\n"
    for section in Recipe.sections {
      let own = Recipe.fields.filter {
        $0.path.hasPrefix("\(section).") && $0.belongs(to: self)
      }
      let pairs = own.map { (String($0.path.dropFirst(section.count + 1)), $0.load(self).yaml) }
      if section == "model" {
        let plain = pairs.filter { !$0.0.hasPrefix("init.") }
        let initial = pairs.filter { $0.0.hasPrefix("init.") }
          .map { "\($0.0.dropFirst("init.".count)): \($0.1)" }
        text += "model:\n" + plain.map { "  \($0): \($1)\n" }.joined()
        text += "  init: {\(initial.joined(separator: ", "))}\n"
        let keys = model.mixer.sorted {
          Array($0.key.utf8).lexicographicallyPrecedes($1.key.utf8)
        }
        let inner = keys.map { "\(RecipeScalar.text($0).yaml): \($1.yaml)" }
        text += "  mixer: {\(inner.joined(separator: ", "))}\n"
      } else {
        text += "\(section): {" + pairs.map { "\($0): \($1)" }.joined(separator: ", ") + "}\n"
      }
    }
    return text
  }

  /// SHA-256 of the canonical YAML, 32 bytes.
  public var digest: Data { Data(SHA256.hash(data: Data(yaml.utf8))) }

  /// SHA-256 of the canonical YAML in hexadecimal.
  public var digestText: String { Recipe.hex(digest) }

  /// The same of the text as earlier versions wrote it, with `attention` for `mixer`.
  var formerDigestText: String {
    let text = yaml.replacing("\n  mixer: {", with: "\n  attention: {")
    return Recipe.hex(Data(SHA256.hash(data: Data(text.utf8))))
  }

  /// Whether a digest, as a run keeps it, is this recipe's.
  func isNamed(by digest: String) -> Bool { [digestText, formerDigestText].contains(digest) }

  private static func hex(_ digest: Data) -> String {
    digest.map { String(format: "%02x", $0) }.joined()
  }

  /// Reads a complete recipe, as a run folder holds it.
  ///
  /// - Parameters:
  ///   - name: the file's name for messages.
  ///   - note: hears of keys under the name that they had in an earlier version.
  /// - Throws: `malformed` when it is not YAML; `usage` with all mistakes: unknown, missing or
  ///   repeated keys, values of the wrong kind or range, sizes that do not fit each other.
  public init(
    yaml text: String, name: String = "recipe.yaml", note: (String) -> Void = { _ in }
  ) throws {
    let overlay = RecipeOverlay(try Recipe.compose(text, name: name))
    Recipe.notes(overlay.formerNames, path: name).forEach(note)
    var problems = overlay.problems
    self.init()
    let wrong = apply(overlay)
    for field in Recipe.fields
    where overlay[field.path] == nil && field.belongs(to: self) && !field.isImplied {
      problems.append(.missing(field.path))
    }
    problems += wrong
    problems += inconsistencies
    guard problems.isEmpty else { throw TrainError.recipe(problems, path: name) }
  }

  /// Stores the values of an overlay; what does not fit is returned.
  mutating func apply(_ overlay: RecipeOverlay) -> [RecipeProblem] {
    var problems: [RecipeProblem] = []
    for (key, value) in overlay.entries {
      if key.hasPrefix("model.mixer.") {
        let name = String(key.dropFirst("model.mixer.".count))
        if let number = value.number, !number.isFinite {
          problems.append(.wrong(key, must: "a finite number", found: value.yaml))
        } else if let own = value.configurationValue {
          model.mixer[name] = own
        } else {
          problems.append(
            .wrong(key, must: "a number, a word, true or false", found: value.yaml))
        }
      } else if let field = Recipe.fields.first(where: { $0.path == key }) {
        if let must = field.store(value, &self) {
          problems.append(.wrong(key, must: must, found: value.text ?? value.yaml))
        }
      }
    }
    return problems
  }

  /// Sizes that do not fit each other.
  var inconsistencies: [RecipeProblem] {
    var problems: [RecipeProblem] = []
    if model.interaction != .concat, TaskShape(self).towers == 1 {
      let found = model.interaction.rawValue
      problems.append(.wrong("model.interaction", must: "concat without pairs", found: found))
    }
    if data.blackIsPadding, taskDescription?.isImage != true {
      problems.append(
        .wrong("data.black_is_padding", must: "false without images", found: "true"))
    }
    if model.classifierPool == .meanAll, data.padding != .maxLength {
      let found = data.padding.rawValue
      problems.append(.wrong("data.padding", must: "max_length for MEAN_ALL", found: found))
    }
    if model.qkvDim % model.numHeads != 0 {
      problems.append(
        .doesNotDivide("model.num_heads", model.numHeads, "model.qkv_dim", model.qkvDim))
    } else if model.position == .rotary, (model.qkvDim / model.numHeads) % 2 != 0 {
      let width = model.qkvDim / model.numHeads
      problems.append(.odd("model.qkv_dim / model.num_heads", width, "rotary positions"))
    }
    if model.position == .sinusoidal, model.embDim % 2 != 0 {
      problems.append(.odd("model.emb_dim", model.embDim, "sinusoidal positions"))
    }
    if train.accumulate > train.batchSize {
      problems.append(
        .above("train.accumulate", train.accumulate, "train.batch_size", train.batchSize))
    }
    if model.normType == .batch, model.batchStatistics == .batch, train.accumulate > 1 {
      problems.append(
        .wrong(
          "train.accumulate", must: "1 with batch norm, or model.batch_statistics part",
          found: "\(train.accumulate)"))
    }
    if model.input != .ids, data.blackIsPadding {
      let found = model.input.rawValue
      problems.append(.wrong("model.input", must: "ids where black is padding", found: found))
    }
    let (begin, end) = (train.pruningBegin, train.pruningEnd)
    if pruning != nil, begin > end {
      problems.append(.above("train.pruning_begin", begin, "train.pruning_end", end))
    }
    if pruning != nil, end > train.numTrainSteps {
      problems.append(
        .above("train.pruning_end", end, "train.num_train_steps", train.numTrainSteps))
    }
    return problems
  }

  /// The keys in which two recipes differ, `train.batch_size: 32, now 16`; empty when they are
  /// equal.
  ///
  /// - Parameter now: the recipe that is asked for, `self` being the one that is there.
  public func differences(to now: Recipe) -> [String] {
    var lines: [String] = []
    for field in Recipe.fields {
      let (a, b) = (field.load(self).yaml, field.load(now).yaml)
      if a != b { lines.append("\(field.path): \(a), now \(b)") }
    }
    let names = Set(model.mixer.keys).union(now.model.mixer.keys)
    for name in names.sorted(by: { Array($0.utf8).lexicographicallyPrecedes($1.utf8) }) {
      let (a, b) = (
        model.mixer[name]?.yaml ?? "unset", now.model.mixer[name]?.yaml ?? "unset"
      )
      if a != b { lines.append("model.mixer.\(name): \(a), now \(b)") }
    }
    return lines
  }

  /// Refuses to go on with another recipe than the one a run was made with.
  ///
  /// - Throws: `configurationDiffers` with the keys that differ.
  public func requireEqual(to now: Recipe, path: String) throws {
    guard digest != now.digest else { return }
    throw TrainError.recipeChanged(path, differences(to: now))
  }
}
