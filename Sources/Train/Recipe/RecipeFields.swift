import Attention
import Datasets
import Tensors

extension Recipe {
  /// The tasks of the Long Range Arena.
  public static let tasks = TaskDescription.benchmark.map(\.name)

  /// Every key in the order of the YAML form; `model.mixer` comes last in its section.
  static let fields: [RecipeField] =
    [
      .name("protocol", \.protocolName, "The protocol that the recipe was made from."),
      .name("task", \.task, "The task: one of LRA's, or one's own."),
    ] + dataFields + modelFields + trainFields + optimizerFields + evalFields

  private static let dataFields: [RecipeField] = [
    .name("data.dataset", \.data.dataset, "Name of the dataset in the index."),
    .count("data.max_length", \.data.maxLength, "Longest sequence; what is longer is cut.")
      .counting("tokens"),
    .count("data.num_classes", \.data.numClasses, "Classes of the task.", most: 1 << 16)
      .of(.ownTasks),
    .count(
      "data.vocabulary_size", \.data.vocabularySize, "Token ids, padding 0 included.", least: 2,
      most: 257
    ).of(.ownTasks),
    .word(
      "data.padding", \.data.padding,
      "What rows are filled up to: the longest of the batch, or max_length as in LRA's code."
    ).of(.unusual),
    .flag(
      "data.black_is_padding", \.data.blackIsPadding,
      "A grey level is an id as it is, so that black, 0, is padding too, as in LRA's code."
    ).of(.unusual),
    .count(
      "data.bucket_batches", \.data.bucketBatches,
      "Batches in a pool whose examples are sorted by length; 1 for batches of random lengths.",
      most: 1 << 20
    ).counting("batches"),
    .count(
      "data.prefetch", \.data.prefetch, "Batches that the background reader keeps ready.",
      most: 1024
    ).counting("batches"),
  ]

  private static let modelFields: [RecipeField] = [
    .name("model.model_type", \.model.modelType, "The model: see lra-train models."),
    .count("model.emb_dim", \.model.embDim, "Width of embeddings and of the residual stream."),
    .count("model.num_heads", \.model.numHeads, "Heads; divides qkv_dim."),
    .count("model.qkv_dim", \.model.qkvDim, "Width of queries, keys and values over all heads."),
    .count("model.mlp_dim", \.model.mlpDim, "Width of the feed-forward layer."),
    .count("model.num_layers", \.model.numLayers, "Blocks."),
    .word("model.position", \.model.position, "How places enter."),
    .word("model.norm", \.model.norm, "Where the layer norms of a block stand."),
    .word(
      "model.norm_type", \.model.normType,
      "What they normalise over: the features of a position, or the real positions of a batch."
    ).of(.unusual),
    .word(
      "model.batch_statistics", \.model.batchStatistics,
      """
      Whose statistics batch norm takes in training: the whole batch's over all processes, which then passes \
      in one part, or each part's in each process.
      """
    ).of(.unusual),
    .number(
      "model.norm_momentum", \.model.normMomentum, .fraction,
      "What the running averages of batch norm move by at a step."
    ).of(.unusual),
    .number(
      "model.layer_norm_eps", \.model.layerNormEps, .positive,
      "Added to the variance in a norm."),
    .word(
      "model.input", \.model.input,
      "How symbols enter: as ids, or as numbers from 0 or from -1 to 1 by a linear layer."
    ).of(.unusual),
    .word("model.gate", \.model.gate, "How the blocks of S4 and its kin gate.").of(.unusual),
    .flag(
      "model.tied_dropout", \.model.tiedDropout,
      "Dropout in those blocks drops whole channels of an example."
    ).of(.unusual),
    .word(
      "model.activation", \.model.activation, "The feed-forward layer's; gelu is the one with erf."),
    .flag("model.qkv_bias", \.model.qkvBias, "The projections of the attention have biases."),
    .word(
      "model.classifier_pool", \.model.classifierPool,
      """
      How a sequence becomes one vector: the mean of real tokens, of padding too (MEAN_ALL), the sum \
      of real tokens over the power of two that holds max_length (MEAN_PADDED), a vector put before \
      the sequence (CLS), or the first token's (FIRST).
      """),
    .flag(
      "model.head_hidden", \.model.headHidden, "The head of one sequence has a hidden layer."
    ).of(.unusual),
    .count(
      "model.pair_hidden_layers", \.model.pairHiddenLayers,
      "Hidden layers of the head of a pair: 2 as in LRA's code, or 1.", most: 2
    ).of(.unusual),
    .word(
      "model.interaction", \.model.interaction,
      "How two documents become one vector: [a, b], or [a, b, a b, a - b]."
    ).of(.pairs),
    .number(
      "model.dropout_rate", \.model.dropoutRate, .fraction,
      "Dropout of embeddings, attention output and feed-forward."),
    .number(
      "model.attention_dropout_rate", \.model.attentionDropoutRate, .fraction,
      "Dropout of attention weights."),
    .flag("model.tied_weights", \.model.tiedWeights, "All blocks share their parameters."),
    .flag("model.causal", \.model.causal, "A position sees only itself and what is before it."),
    .count(
      "model.low_rank", \.model.lowRank,
      "Rank of the factors of the encoder's linear layers; 0 for whole matrices.", least: 0
    ).of(.factored),
    .word(
      "model.low_rank_init", \.model.lowRankInit,
      "How those factors begin: drawn, or the SVD of a drawn matrix."
    ).of(.factored),
    .word("model.init.linear", \.model.initial.linear, "What linear layers are drawn from.")
      .implied,
    .word(
      "model.init.head", \.model.initial.head, none: .null,
      "What the classifier's layers are drawn from; null for the same as all others."
    ).of(.unusual),
    .number(
      "model.init.token_deviation", \.model.initial.tokenDeviation, .positive,
      "Deviation of the token table's normal distribution."
    ).implied,
    .number(
      "model.init.position_deviation", \.model.initial.positionDeviation, .positive,
      "Deviation of a learned position table's normal distribution."
    ).implied,
  ]

  private static let trainFields: [RecipeField] = [
    .count("train.num_train_steps", \.train.numTrainSteps, "Optimiser steps.", most: 1 << 40)
      .counting("steps"),
    .count("train.batch_size", \.train.batchSize, "Examples of a step over all ranks.")
      .counting("examples"),
    .count(
      "train.accumulate", \.train.accumulate,
      "Parts into which a batch is split to save memory; at most batch_size."
    ).counting("parts"),
    .count(
      "train.random_seed", \.train.randomSeed, "Seed of weights, order and dropout.", least: 0,
      most: .max),
    .word(
      "train.precision", \.train.precision,
      "bfloat16 is for matrix products alone, float64 for exact comparisons."),
    .word(
      "train.objective", \.train.objective,
      "What is learned: classes, or hidden tokens of the training split."
    ).of(.masked),
    .number("train.mask_rate", \.train.maskRate, .fraction, "Share of tokens that are hidden.")
      .of(.masked),
    .run(
      "train.initial", \.train.initial,
      "A run whose best weights are the first ones, where names and shapes agree."
    ).of(.continued),
    .run("train.teacher", \.train.teacher, "A run of the same task whose logits are learned too.")
      .of(.distilled),
    .number(
      "train.distill_weight", \.train.distillWeight, .share,
      "Weight a of the teacher: the loss is (1 - a) CE + a T² KL."
    ).of(.distilled),
    .number("train.temperature", \.train.temperature, .positive, "Temperature T of both.")
      .of(.distilled),
    .word(
      "train.pruning", \.train.pruning, none: .text("none"),
      "What is taken out by schedule: single weights of linear layers, or whole heads."
    ).of(.pruned),
    .number(
      "train.pruning_sparsity", \.train.pruningSparsity, .fraction,
      "Share that is taken out in the end."
    ).of(.pruned),
    .count(
      "train.pruning_begin", \.train.pruningBegin, "Step after which it begins.", most: 1 << 40
    ).of(.pruned).counting("steps"),
    .count(
      "train.pruning_end", \.train.pruningEnd,
      "Step after which the whole share is out, at most num_train_steps.", most: 1 << 40
    ).of(.pruned).counting("steps"),
    .count(
      "train.pruning_every", \.train.pruningEvery, "Steps between masks.", most: 1 << 40
    ).of(.pruned).counting("steps"),
    .flag(
      "train.recompute", \.train.recompute,
      "Activations are computed again in the backward pass instead of kept."),
  ]

  private static let optimizerFields: [RecipeField] = [
    .choice("optimizer.name", \.optimizer.name, "The optimiser.", optimizers.map(\.name)),
    .number("optimizer.learning_rate", \.optimizer.learningRate, .positive, "Base learning rate."),
    .number(
      "optimizer.beta1", \.optimizer.beta1, .fraction,
      "Decay of the first moment; one_cycle has its own."),
    .number("optimizer.beta2", \.optimizer.beta2, .fraction, "Decay of the second moment."),
    .number("optimizer.eps", \.optimizer.eps, .positive, "Added to the denominator."),
    .number(
      "optimizer.weight_decay", \.optimizer.weightDecay, .notNegative,
      "Decoupled weight decay, multiplied by the current learning rate."),
    noDecay,
    .limit(
      "optimizer.state_learning_rate", \.optimizer.stateLearningRate,
      "Base learning rate of what the states of a state-space model evolve by; null for learning_rate."
    ).of(.unusual),
    .limit(
      "optimizer.step_learning_rate", \.optimizer.stepLearningRate,
      "Base learning rate of a state-space model's steps dt; null for learning_rate."
    ).of(.unusual),
    .limit(
      "optimizer.grad_clip_norm", \.optimizer.gradClipNorm,
      "Largest norm of the whole gradient; null for no clipping."),
    .limit(
      "optimizer.grad_clip_value", \.optimizer.gradClipValue,
      "Largest size of a single value of the gradient; null for no clipping."
    ).of(.unusual),
    factors,
    .count("schedule.warmup", \.schedule.warmup, "Steps of warm-up; 0 for none.", least: 0)
      .counting("steps"),
  ]

  private static let evalFields: [RecipeField] = [
    .count(
      "eval.eval_frequency", \.eval.evalFrequency,
      "Steps between evaluations on the validation split."
    ).counting("steps"),
    numEvalExamples,
    .word("eval.select", \.eval.select, "What the best checkpoint is chosen by."),
    .number(
      "eval.select_after", \.eval.selectAfter, .fraction,
      "Share of the steps after which the best is looked for."
    ).of(.unusual),
    .count("eval.checkpoint_freq", \.eval.checkpointFreq, "Steps between checkpoints.")
      .counting("steps"),
  ]

  private static let noDecay: RecipeField = {
    let kinds = ["norm", "bias", "embedding"]
    let range = "a list of \(kinds.joined(separator: ", "))"
    return RecipeField(
      "optimizer.no_decay", "Kinds of parameters without decay.", range: range
    ) { value, recipe in
      guard case .list(let items) = value, items.allSatisfy({ kinds.contains($0.text ?? "") })
      else { return range }
      recipe.optimizer.noDecay = kinds.filter { items.contains(.text($0)) }
      return nil
    } load: {
      .list($0.optimizer.noDecay.map { .text($0) })
    }
  }()

  private static let numEvalExamples = RecipeField(
    "eval.num_eval_examples",
    "Examples of an evaluation, the same sample of the split for all runs.",
    range: "a whole number of at least 1, or all"
  ) { value, recipe in
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
  }.counting("examples")

  private static let factors = RecipeField(
    "schedule.factors", "The course of the learning rate.", range: factorWords
  ) { value, recipe in
    guard let text = value.text, let factors = Schedule.parse(text) else {
      return factorWords
    }
    recipe.schedule.factors = factors.map(\.rawValue).joined(separator: " * ")
    return nil
  } load: {
    .text($0.schedule.factors)
  }
}
