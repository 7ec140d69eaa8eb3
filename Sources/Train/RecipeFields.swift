import Datasets
import Tensors

/// One key of the YAML form: how it is checked, stored and written.
///
/// The table `Recipe.fields` is the only place that knows the keys and their order.
struct RecipeField: Sendable {
  /// The full key, such as `model.emb_dim`.
  let path: String
  /// Which recipes have the key.
  var owner = Owner.all
  /// Stores a value, or returns what the key must be when the value does not fit.
  let store: @Sendable (RecipeScalar, inout Recipe) -> String?
  /// The value of a recipe.
  let load: @Sendable (Recipe) -> RecipeScalar
  /// Whether a complete recipe without it is an older one, in which the default was in force.
  var isImplied = false

  /// The recipes that a key belongs to.
  enum Owner {
    case all
    /// Tasks on pairs of documents.
    case pairs
    /// Tasks of a user's own.
    case ownTasks
    /// Models with factored linear layers.
    case factored
    /// Runs that learn hidden tokens.
    case masked
    /// Runs that begin with the weights of another.
    case continued
    /// Runs that learn from another.
    case distilled
    /// Runs that take weights out.
    case pruned
    /// Recipes in which it is not the default: what only LRA's released code does.
    case unusual
  }

  /// Whether a recipe has the key.
  func belongs(to recipe: Recipe) -> Bool {
    switch owner {
    case .all: true
    case .pairs: TaskShape(recipe).towers == 2
    case .ownTasks: recipe.isOwnTask
    case .masked: recipe.objective == .masked
    case .continued: !recipe.train.initial.isEmpty
    case .distilled: !recipe.train.teacher.isEmpty
    case .pruned: recipe.pruning != nil
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
}

extension RecipeField {
  /// A whole number from `least` to `most`.
  static func count(
    _ path: String, _ place: WritableKeyPath<Recipe, Int> & Sendable, least: Int = 1,
    most: Int = 1 << 30
  ) -> RecipeField {
    RecipeField(path: path) { value, recipe in
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
    _ path: String, _ place: WritableKeyPath<Recipe, Double> & Sendable, _ range: NumberRange
  ) -> RecipeField {
    RecipeField(path: path) { value, recipe in
      guard let number = value.number, range.holds(number) else { return range.words }
      recipe[keyPath: place] = number
      return nil
    } load: {
      .number($0[keyPath: place])
    }
  }

  /// `true` or `false`.
  static func flag(
    _ path: String, _ place: WritableKeyPath<Recipe, Bool> & Sendable
  ) -> RecipeField {
    RecipeField(path: path) { value, recipe in
      guard let flag = value.bool else { return "true or false" }
      recipe[keyPath: place] = flag
      return nil
    } load: {
      .bool($0[keyPath: place])
    }
  }

  /// One of several words.
  static func choice(
    _ path: String, _ place: WritableKeyPath<Recipe, String> & Sendable, _ words: [String]
  ) -> RecipeField {
    RecipeField(path: path) { value, recipe in
      guard let word = value.text, words.contains(word) else {
        return words.count == 1 ? words[0] : "one of \(words.joined(separator: ", "))"
      }
      recipe[keyPath: place] = word
      return nil
    } load: {
      .text($0[keyPath: place])
    }
  }

  /// A case of an enumeration.
  static func word<Word: RawRepresentable<String> & CaseIterable & SendableMetatype>(
    _ path: String, _ place: WritableKeyPath<Recipe, Word> & Sendable
  ) -> RecipeField {
    RecipeField(path: path) { value, recipe in
      guard let word = value.text.flatMap(Word.init) else {
        return "one of \(Word.allCases.map(\.rawValue).joined(separator: ", "))"
      }
      recipe[keyPath: place] = word
      return nil
    } load: {
      .text($0[keyPath: place].rawValue)
    }
  }

  /// The folder of a run; the empty text for none.
  static func run(
    _ path: String, _ place: WritableKeyPath<Recipe, String> & Sendable
  ) -> RecipeField {
    RecipeField(path: path) { value, recipe in
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
    _ path: String, _ place: WritableKeyPath<Recipe, String> & Sendable
  ) -> RecipeField {
    RecipeField(path: path) { value, recipe in
      let text: String? =
        switch value {
        case .text(let text): text
        case .int(let number): String(number)
        default: nil
        }
      guard let text, isName(text) else { return "a name of letters, digits, - _ and ." }
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

extension Recipe {
  /// The tasks of the Long Range Arena.
  public static let tasks = TaskDescription.benchmark.map(\.name)

  /// Every key in the order of the YAML form; `model.mixer` comes last in its section.
  static let fields: [RecipeField] = [
    .name("protocol", \.protocolName),
    .name("task", \.task),
    .name("data.dataset", \.data.dataset),
    .count("data.max_length", \.data.maxLength),
    .count("data.num_classes", \.data.numClasses, most: 1 << 16).of(.ownTasks),
    .count("data.vocabulary_size", \.data.vocabularySize, least: 2, most: 257).of(.ownTasks),
    .choice("data.padding", \.data.padding, ["batch", "max_length"]).of(.unusual),
    .flag("data.black_is_padding", \.data.blackIsPadding).of(.unusual),
    .count("data.bucket_batches", \.data.bucketBatches, most: 1 << 20),
    .count("data.prefetch", \.data.prefetch, most: 1024),
    .name("model.model_type", \.model.modelType),
    .count("model.emb_dim", \.model.embDim),
    .count("model.num_heads", \.model.numHeads),
    .count("model.qkv_dim", \.model.qkvDim),
    .count("model.mlp_dim", \.model.mlpDim),
    .count("model.num_layers", \.model.numLayers),
    .choice("model.position", \.model.position, ["sinusoidal", "learned", "rotary", "none"]),
    .choice("model.norm", \.model.norm, ["pre", "post"]),
    .number("model.layer_norm_eps", \.model.layerNormEps, .positive),
    .choice("model.activation", \.model.activation, ["gelu", "gelu_tanh", "relu"]),
    .flag("model.qkv_bias", \.model.qkvBias),
    .choice(
      "model.classifier_pool", \.model.classifierPool,
      ["MEAN", "MEAN_ALL", "MEAN_PADDED", "CLS", "FIRST"]),
    .flag("model.head_hidden", \.model.headHidden).of(.unusual),
    .count("model.pair_hidden_layers", \.model.pairHiddenLayers, most: 2).of(.unusual),
    .choice("model.interaction", \.model.interaction, ["concat", "nli"]).of(.pairs),
    .number("model.dropout_rate", \.model.dropoutRate, .fraction),
    .number("model.attention_dropout_rate", \.model.attentionDropoutRate, .fraction),
    .flag("model.tied_weights", \.model.tiedWeights),
    .flag("model.causal", \.model.causal),
    .count("model.low_rank", \.model.lowRank, least: 0).of(.factored),
    .choice("model.low_rank_init", \.model.lowRankInit, ["random", "svd"]).of(.factored),
    .word("model.init.linear", \.model.initial.linear).implied,
    headBeginning,
    .number("model.init.token_deviation", \.model.initial.tokenDeviation, .positive).implied,
    .number("model.init.position_deviation", \.model.initial.positionDeviation, .positive).implied,
    .count("train.num_train_steps", \.train.numTrainSteps, most: 1 << 40),
    .count("train.batch_size", \.train.batchSize),
    .count("train.accumulate", \.train.accumulate),
    .count("train.random_seed", \.train.randomSeed, least: 0, most: .max),
    .choice("train.precision", \.train.precision, ["float32", "bfloat16", "float64"]),
    .choice("train.objective", \.train.objective, ["classify", "masked"]).of(.masked),
    .number("train.mask_rate", \.train.maskRate, .fraction).of(.masked),
    .run("train.initial", \.train.initial).of(.continued),
    .run("train.teacher", \.train.teacher).of(.distilled),
    .number("train.distill_weight", \.train.distillWeight, .share).of(.distilled),
    .number("train.temperature", \.train.temperature, .positive).of(.distilled),
    .choice("train.pruning", \.train.pruning, ["none", "magnitude", "heads"]).of(.pruned),
    .number("train.pruning_sparsity", \.train.pruningSparsity, .fraction).of(.pruned),
    .count("train.pruning_begin", \.train.pruningBegin, most: 1 << 40).of(.pruned),
    .count("train.pruning_end", \.train.pruningEnd, most: 1 << 40).of(.pruned),
    .count("train.pruning_every", \.train.pruningEvery, most: 1 << 40).of(.pruned),
    .flag("train.recompute", \.train.recompute),
    .choice("optimizer.name", \.optimizer.name, ["adamw"]),
    .number("optimizer.learning_rate", \.optimizer.learningRate, .positive),
    .number("optimizer.beta1", \.optimizer.beta1, .fraction),
    .number("optimizer.beta2", \.optimizer.beta2, .fraction),
    .number("optimizer.eps", \.optimizer.eps, .positive),
    .number("optimizer.weight_decay", \.optimizer.weightDecay, .notNegative),
    noDecay,
    limit("optimizer.grad_clip_norm", \.optimizer.gradClipNorm),
    limit("optimizer.grad_clip_value", \.optimizer.gradClipValue).of(.unusual),
    factors,
    .count("schedule.warmup", \.schedule.warmup, least: 0),
    .count("eval.eval_frequency", \.eval.evalFrequency),
    numEvalExamples,
    .choice("eval.select", \.eval.select, ["accuracy", "loss"]),
    .number("eval.select_after", \.eval.selectAfter, .fraction).of(.unusual),
    .count("eval.checkpoint_freq", \.eval.checkpointFreq),
  ]

  private static let noDecay = RecipeField(path: "optimizer.no_decay") { value, recipe in
    let kinds = ["norm", "bias", "embedding"]
    guard case .list(let items) = value, items.allSatisfy({ kinds.contains($0.text ?? "") }) else {
      return "a list of \(kinds.joined(separator: ", "))"
    }
    recipe.optimizer.noDecay = kinds.filter { items.contains(.text($0)) }
    return nil
  } load: {
    .list($0.optimizer.noDecay.map { .text($0) })
  }

  private static func limit(
    _ path: String, _ place: WritableKeyPath<Recipe, Double?> & Sendable
  ) -> RecipeField {
    RecipeField(path: path) { value, recipe in
      if value == .null {
        recipe[keyPath: place] = nil
        return nil
      }
      guard let number = value.number, NumberRange.positive.holds(number) else {
        return "a finite number above 0, or null"
      }
      recipe[keyPath: place] = number
      return nil
    } load: {
      $0[keyPath: place].map { .number($0) } ?? .null
    }
  }

  private static let headBeginning = RecipeField(path: "model.init.head", owner: .unusual) {
    value, recipe in
    let words = Linear.Beginning.allCases.map(\.rawValue)
    guard value == .null || words.contains(value.text ?? "") else {
      return "one of \(words.joined(separator: ", ")), or null"
    }
    recipe.model.initial.head = value.text.flatMap(Linear.Beginning.init)
    return nil
  } load: {
    $0.model.initial.head.map { .text($0.rawValue) } ?? .null
  }

  private static let numEvalExamples = RecipeField(path: "eval.num_eval_examples") {
    value, recipe in
    if value == .text("all") {
      recipe.eval.numEvalExamples = nil
      return nil
    }
    guard let number = value.whole, number >= 1 else {
      return "a whole number of at least 1, or all"
    }
    recipe.eval.numEvalExamples = number
    return nil
  } load: {
    $0.eval.numEvalExamples.map { .int($0) } ?? .text("all")
  }

  private static let factors = RecipeField(path: "schedule.factors") { value, recipe in
    guard let text = value.text, let factors = Schedule.parse(text) else {
      return factorWords
    }
    recipe.schedule.factors = factors.map(\.rawValue).joined(separator: " * ")
    return nil
  } load: {
    .text($0.schedule.factors)
  }
}
