import Tensors

/// One key of the YAML form: what it is, how it is checked, stored and written.
///
/// The table `Recipe.fields` is the only place that knows the keys and their order.
struct RecipeField: Sendable {
  /// The full key, such as `model.emb_dim`.
  let path: String
  /// What it is, in a sentence.
  let text: String
  /// What values it takes, in words.
  let range: String
  /// What a number counts, such as `tokens`.
  var unit: String?
  /// Which recipes have the key.
  var owner = Owner.all
  /// Whether a complete recipe without it is an older one, in which the default was in force.
  var isImplied = false
  /// Stores a value, or returns what the key must be when the value does not fit.
  let store: @Sendable (RecipeScalar, inout Recipe) -> String?
  /// The value of a recipe.
  let load: @Sendable (Recipe) -> RecipeScalar

  /// The recipes that a key belongs to.
  enum Owner: String {
    case all = "every recipe"
    case pairs = "tasks on pairs of documents"
    case ownTasks = "tasks of one's own"
    case factored = "models with low_rank above 0"
    case masked = "runs that learn hidden tokens"
    case continued = "runs that begin with another's weights"
    case distilled = "runs with a teacher"
    case pruned = "runs that take weights out"
    case unusual = "recipes in which it is not the default"
  }

  /// - Parameter store: what the key must be when the value does not fit.
  init(
    _ path: String, _ text: String, range: String,
    store: @escaping @Sendable (RecipeScalar, inout Recipe) -> String?,
    load: @escaping @Sendable (Recipe) -> RecipeScalar
  ) {
    self.path = path
    self.text = text
    self.range = range
    self.store = store
    self.load = load
  }

  /// Whether a recipe has the key.
  func belongs(to recipe: Recipe) -> Bool {
    switch owner {
    case .all: true
    case .pairs: TaskShape(recipe).towers == 2
    case .ownTasks: recipe.isOwnTask
    case .masked: recipe.train.objective == .masked
    case .continued: !recipe.train.initial.isEmpty
    case .distilled: !recipe.train.teacher.isEmpty
    case .pruned: recipe.train.pruning != nil
    case .factored: recipe.model.lowRank > 0
    case .unusual: load(recipe) != load(Recipe())
    }
  }

  /// The same key, which older recipes do not have.
  var implied: RecipeField {
    var field = self
    field.isImplied = true
    return field
  }

  /// The same key, for some recipes only.
  func of(_ owner: Owner) -> RecipeField {
    var field = self
    field.owner = owner
    return field
  }

  /// The same key, whose number counts something.
  func counting(_ unit: String) -> RecipeField {
    var field = self
    field.unit = unit
    return field
  }
}

extension RecipeField {
  /// A whole number from `least` to `most`.
  static func count(
    _ path: String, _ place: WritableKeyPath<Recipe, Int> & Sendable, _ text: String,
    least: Int = 1, most: Int = 1 << 30
  ) -> RecipeField {
    let range = most < 1 << 30 ? "\(least)...\(most)" : "\(least) or more"
    return RecipeField(path, text, range: range) { value, recipe in
      guard let number = value.whole, number >= least else {
        return "a whole number of at least \(least)"
      }
      guard number <= most else { return "a whole number of at most \(most)" }
      recipe[keyPath: place] = number
      return nil
    } load: {
      .int($0[keyPath: place])
    }
  }

  /// A finite number in a range.
  static func number(
    _ path: String, _ place: WritableKeyPath<Recipe, Double> & Sendable, _ range: NumberRange,
    _ text: String
  ) -> RecipeField {
    RecipeField(path, text, range: range.words) { value, recipe in
      guard let number = value.number, range.holds(number) else { return range.words }
      recipe[keyPath: place] = number
      return nil
    } load: {
      .number($0[keyPath: place])
    }
  }

  /// A finite number above 0, or none.
  static func limit(
    _ path: String, _ place: WritableKeyPath<Recipe, Double?> & Sendable, _ text: String
  ) -> RecipeField {
    let range = "a finite number above 0, or null"
    return RecipeField(path, text, range: range) { value, recipe in
      if value == .null {
        recipe[keyPath: place] = nil
        return nil
      }
      guard let number = value.number, NumberRange.positive.holds(number) else { return range }
      recipe[keyPath: place] = number
      return nil
    } load: {
      $0[keyPath: place].map { .number($0) } ?? .null
    }
  }

  /// `true` or `false`.
  static func flag(
    _ path: String, _ place: WritableKeyPath<Recipe, Bool> & Sendable, _ text: String
  ) -> RecipeField {
    RecipeField(path, text, range: "true or false") { value, recipe in
      guard let flag = value.bool else { return "true or false" }
      recipe[keyPath: place] = flag
      return nil
    } load: {
      .bool($0[keyPath: place])
    }
  }

  /// One of several names.
  static func choice(
    _ path: String, _ place: WritableKeyPath<Recipe, String> & Sendable, _ text: String,
    _ words: [String]
  ) -> RecipeField {
    let range = words.count == 1 ? words[0] : "one of \(words.joined(separator: ", "))"
    return RecipeField(path, text, range: range) { value, recipe in
      guard let word = value.text, words.contains(word) else { return range }
      recipe[keyPath: place] = word
      return nil
    } load: {
      .text($0[keyPath: place])
    }
  }

  /// A case of an enumeration.
  static func word<Word: RawRepresentable<String> & CaseIterable & SendableMetatype>(
    _ path: String, _ place: WritableKeyPath<Recipe, Word> & Sendable, _ text: String
  ) -> RecipeField {
    let words = Word.allCases.map(\.rawValue)
    let range = words.count == 1 ? words[0] : "one of \(words.joined(separator: ", "))"
    return RecipeField(path, text, range: range) { value, recipe in
      guard let word = value.text.flatMap(Word.init) else { return range }
      recipe[keyPath: place] = word
      return nil
    } load: {
      .text($0[keyPath: place].rawValue)
    }
  }

  /// A case of an enumeration, or none.
  ///
  /// - Parameter none: what stands for none: a word, or `null`.
  static func word<Word: RawRepresentable<String> & CaseIterable & SendableMetatype>(
    _ path: String, _ place: WritableKeyPath<Recipe, Word?> & Sendable, none: RecipeScalar,
    _ text: String
  ) -> RecipeField {
    let words = Word.allCases.map(\.rawValue)
    let range =
      none == .null
      ? "one of \(words.joined(separator: ", ")), or null"
      : "one of \(([none.yaml] + words).joined(separator: ", "))"
    return RecipeField(path, text, range: range) { value, recipe in
      let word = value.text.flatMap(Word.init)
      guard word != nil || value == none else { return range }
      recipe[keyPath: place] = word
      return nil
    } load: {
      $0[keyPath: place].map { .text($0.rawValue) } ?? none
    }
  }

  /// The folder of a run; the empty text for none.
  static func run(
    _ path: String, _ place: WritableKeyPath<Recipe, String> & Sendable, _ text: String
  ) -> RecipeField {
    RecipeField(path, text, range: "the folder of a run") { value, recipe in
      guard let text = value.text, text.utf8.count <= 1000, !text.contains("\n") else {
        return "the folder of a run"
      }
      recipe[keyPath: place] = text
      return nil
    } load: {
      .text($0[keyPath: place])
    }
  }

  /// A name: letters, digits, `-`, `_` and `.`, at most 100.
  static func name(
    _ path: String, _ place: WritableKeyPath<Recipe, String> & Sendable, _ text: String
  ) -> RecipeField {
    let range = "a name of letters, digits, - _ and ."
    return RecipeField(path, text, range: range) { value, recipe in
      let text: String? =
        switch value {
        case .text(let text): text
        case .int(let number): String(number)
        default: nil
        }
      guard let text, isName(text) else { return range }
      recipe[keyPath: place] = text
      return nil
    } load: {
      .text($0[keyPath: place])
    }
  }

  private static func isName(_ text: String) -> Bool {
    (1...100).contains(text.utf8.count) && text.first != "."
      && text.utf8.allSatisfy {
        (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0)
          || [45, 46, 95].contains($0)
      }
  }
}

/// A range of numbers and its words in a message.
enum NumberRange: Sendable {
  /// Above 0.
  case positive
  /// 0 or more.
  case notNegative
  /// 0 or more and below 1.
  case fraction
  /// From 0 to 1.
  case share

  /// Whether the number is finite and in the range.
  func holds(_ number: Double) -> Bool {
    switch self {
    case .positive: number.isFinite && number > 0
    case .notNegative: number.isFinite && number >= 0
    case .fraction: number >= 0 && number < 1
    case .share: number >= 0 && number <= 1
    }
  }

  /// What a message says is expected.
  var words: String {
    switch self {
    case .positive: "a finite number above 0"
    case .notNegative: "a finite number of at least 0"
    case .fraction: "a number of at least 0 and below 1"
    case .share: "a number from 0 to 1"
    }
  }
}
