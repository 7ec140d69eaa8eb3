import Attention

/// Everything that decides a training run: task, data, model, optimiser, schedule and evaluation.
///
/// A recipe is resolved from overlays (`RecipeRequest`), written as YAML that is complete by itself
/// (`yaml`) and named by the SHA-256 of that text (`digest`). Keys are LRA's words in snake_case.
public struct Recipe: Sendable, Equatable {
  /// The protocol it was made from: `small`, `skyformer`, `paper`, `released`, `modern` or `demo`.
  public var protocolName = "small"
  /// The task: `listops`, `text`, `retrieval`, `image`, `pathfinder`, `pathx` or one of one's own.
  public var task = "listops"
  /// What is read, and in which order.
  public var data = DataPart()
  /// The model; what follows from data and training is set in `modelConfiguration`.
  public var model = ModelConfiguration()
  /// How long, with which batches and in which precision.
  public var train = TrainPart()
  /// The optimiser.
  public var optimizer = OptimizerPart()
  /// The course of the learning rate.
  public var schedule = SchedulePart()
  /// When and on what is evaluated.
  public var eval = EvalPart()

  /// Makes a recipe of the defaults that protocols build on.
  public init() {}

  /// What is read, and in which order.
  public struct DataPart: Sendable, Equatable {
    /// Name of the dataset in the index.
    public var dataset = "listops-2k"
    /// Longest sequence in tokens, at least 1; what is longer is cut.
    public var maxLength = 2000
    /// Classes of a user's own task, at least 1; LRA's tasks have theirs.
    public var numClasses = 2
    /// Token ids of a user's own task, padding included, 2...257; LRA's tasks have theirs.
    public var vocabularySize = 257
    /// What rows are filled up to.
    public var padding = Padding.batch
    /// Whether a grey level is an id as it is, so that black, 0, is padding too, as in LRA's code.
    public var blackIsPadding = false
    /// Batches in a pool whose examples are sorted by length, at least 1: batches of random lengths.
    public var bucketBatches = 64
    /// Batches that the background reader keeps ready, at least 1.
    public var prefetch = 4
  }

  /// How long, with which batches and in which precision.
  public struct TrainPart: Sendable, Equatable {
    /// Optimiser steps.
    public var numTrainSteps = 5000
    /// Examples per step over all ranks.
    public var batchSize = 32
    /// Parts into which a batch is split to save memory; at most `batchSize`.
    public var accumulate = 1
    /// Seed of weights, order and dropout, at least 0.
    public var randomSeed = 0
    /// Of the arithmetic.
    public var precision = Precision.float32
    /// What is learned.
    public var objective = Objective.classify
    /// Share of tokens that are hidden; a key of `masked` runs.
    public var maskRate = 0.15
    /// A run whose best weights are the first ones, where names and shapes agree; empty for none.
    public var initial = ""
    /// A run of the same task whose logits are learned too; empty for none.
    public var teacher = ""
    /// Weight a of the teacher: the loss is (1 - a) CE + a T² KL, 0...1.
    public var distillWeight = 0.5
    /// Temperature T of both.
    public var temperature = 2.0
    /// What is taken out of the weights by schedule; nil for nothing.
    public var pruning: PruningKind?
    /// Share that is taken out in the end, 0 ..< 1.
    public var pruningSparsity = 0.8
    /// Step after which it begins, at least 1; until it is known, as the two below, 0.
    public var pruningBegin = 0
    /// Step after which the whole share is out, at most `numTrainSteps`.
    public var pruningEnd = 0
    /// Steps between masks, at least 1.
    public var pruningEvery = 0
    /// Whether activations are computed again in the backward pass instead of kept.
    public var recompute = false
  }

  /// The optimiser.
  public struct OptimizerPart: Sendable, Equatable {
    /// Its name in the registry.
    public var name = "adamw"
    /// Base learning rate.
    public var learningRate = 1e-4
    /// Decay of the first moment, 0 ..< 1; `one_cycle` has its own.
    public var beta1 = 0.9
    /// Decay of the second moment, 0 ..< 1.
    public var beta2 = 0.999
    /// Added to the denominator.
    public var eps = 1e-8
    /// Decoupled weight decay, multiplied by the current learning rate.
    public var weightDecay = 0.0
    /// Kinds of parameters without decay: `norm`, `bias`, `embedding`.
    public var noDecay = ["norm", "bias"]
    /// Base learning rate of parameters of role `state`; nil for `learningRate`.
    public var stateLearningRate: Double?
    /// Base learning rate of parameters of role `step`; nil for `learningRate`.
    public var stepLearningRate: Double?
    /// Largest norm of the whole gradient; nil for no clipping.
    public var gradClipNorm: Double?
    /// Largest size of a single value of the gradient; nil for no clipping.
    public var gradClipValue: Double?
  }

  /// The course of the learning rate.
  public struct SchedulePart: Sendable, Equatable {
    /// A product of factors, see `Schedule`.
    public var factors = "constant * linear_warmup * linear_decay"
    /// Steps of warm-up; 0 for none.
    public var warmup = 1000
  }

  /// When and on what is evaluated.
  public struct EvalPart: Sendable, Equatable {
    /// Steps between evaluations on the validation split.
    public var evalFrequency = 250
    /// Examples of an evaluation, the same sample of the split for all runs; nil for all.
    public var numEvalExamples: Int?
    /// What the best checkpoint is chosen by.
    public var select = Selection.accuracy
    /// Share of the steps after which the best is looked for, 0 ..< 1.
    public var selectAfter = 0.0
    /// Steps between checkpoints.
    public var checkpointFreq = 250
  }
}

extension Recipe.DataPart {
  /// What rows are filled up to.
  public enum Padding: String, Sendable, CaseIterable {
    /// The longest of the batch.
    case batch
    /// The longest there can be, as in LRA's code, whose quirks make results depend on it.
    case maxLength = "max_length"
  }
}

extension Recipe.TrainPart {
  /// Of the arithmetic.
  public enum Precision: String, Sendable, CaseIterable {
    case float32
    /// Matrix products alone; all else in float32.
    case bfloat16
    /// For exact comparisons.
    case float64
  }

  /// What a model learns from an example.
  public enum Objective: String, Sendable, CaseIterable {
    /// Its class.
    case classify
    /// Tokens of the training split that are hidden from it.
    case masked
  }

  /// What is taken out of the weights.
  public enum PruningKind: String, Sendable, CaseIterable {
    /// In every matrix of a linear layer the smallest weights, tensor by tensor.
    case magnitude
    /// Whole heads: of all heads of all layers those that matter least.
    case heads
  }
}

extension Recipe.EvalPart {
  /// What the best checkpoint is chosen by, on the validation split.
  public enum Selection: String, Sendable, CaseIterable {
    /// The greatest accuracy.
    case accuracy
    /// The smallest loss.
    case loss
  }
}
