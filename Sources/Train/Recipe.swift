import Attention

/// Everything that decides a training run: task, data, model, optimiser, schedule and evaluation.
///
/// A recipe is resolved from overlays (`RecipeRequest`), written as YAML that is complete by itself
/// (`yaml`) and named by the SHA-256 of that text (`digest`). Keys are LRA's words in snake_case.
public struct Recipe: Codable, Sendable, Equatable {
  /// The protocol it was made from: `small`, `paper`, `released`, `modern`, `demo`.
  public var protocolName = "small"
  /// The task: `listops`, `text`, `retrieval`, `image`, `pathfinder` or `pathx`.
  public var task = "listops"
  /// What is read, and in which order.
  public var data = DataPart()
  /// The model and its sizes.
  public var model = ModelPart()
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
  public struct DataPart: Codable, Sendable, Equatable {
    /// Name of the dataset in the index.
    public var dataset = "listops-2k"
    /// Longest sequence in tokens, at least 1; what is longer is cut.
    public var maxLength = 2000
    /// Classes of a user's own task, at least 1; LRA's tasks have theirs.
    public var numClasses = 2
    /// Token ids of a user's own task, padding included, 2...257; LRA's tasks have theirs.
    public var vocabularySize = 257
    /// What rows are filled up to: the longest of the `batch`, or `max_length` as in LRA's code, whose
    /// quirks make results depend on it.
    public var padding = "batch"
    /// Whether a grey level is an id as it is, so that black, 0, is padding too, as in LRA's code.
    public var blackIsPadding = false
    /// Batches in a pool whose examples are sorted by length, at least 1: batches of random lengths.
    public var bucketBatches = 64
    /// Batches that the background reader keeps ready, at least 1.
    public var prefetch = 4
  }

  /// The model and its sizes.
  public struct ModelPart: Codable, Sendable, Equatable {
    /// Name of the mixing mechanism or architecture in the registries.
    public var modelType = "transformer"
    /// Width D.
    public var embDim = 64
    /// Heads H; divides `qkvDim`.
    public var numHeads = 2
    /// Width of queries, keys and values, all heads together.
    public var qkvDim = 64
    /// Width of the feed-forward layer.
    public var mlpDim = 128
    /// Blocks.
    public var numLayers = 2
    /// Positions: `sinusoidal`, `learned`, `rotary` or `none`.
    public var position = "learned"
    /// Where the layer norms stand: `pre` or `post`.
    public var norm = "pre"
    /// Added to the variance in a layer norm.
    public var layerNormEps = 1e-5
    /// `gelu` (with erf), `gelu_tanh` or `relu`.
    public var activation = "gelu"
    /// Whether the projections of the attention have biases.
    public var qkvBias = true
    /// `MEAN` (of real tokens), `MEAN_ALL` (of padding too), `MEAN_PADDED` (the sum of real tokens
    /// divided by the power of two that holds `maxLength`), `CLS` (a vector put before the sequence) or
    /// `FIRST`.
    public var classifierPool = "MEAN"
    /// Whether the head of one sequence has a hidden layer.
    public var headHidden = true
    /// Hidden layers of the head of a pair: 2 as in LRA's code, or 1.
    public var pairHiddenLayers = 2
    /// How the two documents of a pair become one vector: `concat`, [a, b], or `nli`, [a, b, a b, a - b];
    /// a key of task `retrieval` only.
    public var interaction = "concat"
    /// Dropout of embeddings, attention output and feed-forward, 0 ..< 1.
    public var dropoutRate = 0.1
    /// Dropout of attention weights, 0 ..< 1.
    public var attentionDropoutRate = 0.1
    /// Whether all blocks share their parameters.
    public var tiedWeights = false
    /// Whether a position sees only itself and what is before it.
    public var causal = false
    /// Rank of the factors of the encoder's linear layers; 0 for whole matrices.
    public var lowRank = 0
    /// How those factors begin: `random`, or `svd` of a drawn matrix.
    public var lowRankInit = "random"
    /// Where weights begin.
    public var initial = ModelConfiguration.Initial()
    /// The mechanism's own keys, such as `block_size`; the mechanism checks them.
    public var mixer: [String: RecipeScalar] = [:]
  }

  /// How long, with which batches and in which precision.
  public struct TrainPart: Codable, Sendable, Equatable {
    /// Optimiser steps.
    public var numTrainSteps = 5000
    /// Examples per step over all ranks.
    public var batchSize = 32
    /// Parts into which a batch is split to save memory; at most `batchSize`.
    public var accumulate = 1
    /// Seed of weights, order and dropout, at least 0.
    public var randomSeed = 0
    /// `float32`, `bfloat16` (matrix products alone), or `float64` for exact comparisons.
    public var precision = "float32"
    /// What is learned: `classify`, or `masked`, hidden tokens of the training split.
    public var objective = "classify"
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
    /// What is taken out of the weights by schedule: `none`, `magnitude`, single weights of linear
    /// layers, or `heads`, whole heads.
    public var pruning = "none"
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
  public struct OptimizerPart: Codable, Sendable, Equatable {
    /// `adamw`.
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
    /// Largest norm of the whole gradient; nil for no clipping.
    public var gradClipNorm: Double?
    /// Largest size of a single value of the gradient; nil for no clipping.
    public var gradClipValue: Double?
  }

  /// The course of the learning rate.
  public struct SchedulePart: Codable, Sendable, Equatable {
    /// A product of factors, see `Schedule`.
    public var factors = "constant * linear_warmup * linear_decay"
    /// Steps of warm-up; 0 for none.
    public var warmup = 1000
  }

  /// When and on what is evaluated.
  public struct EvalPart: Codable, Sendable, Equatable {
    /// Steps between evaluations on the validation split.
    public var evalFrequency = 250
    /// Examples of an evaluation, the same sample of the split for all runs; nil for all.
    public var numEvalExamples: Int?
    /// What the best checkpoint is chosen by: `accuracy` or `loss`.
    public var select = "accuracy"
    /// Share of the steps after which the best is looked for, 0 ..< 1.
    public var selectAfter = 0.0
    /// Steps between checkpoints.
    public var checkpointFreq = 250
  }
}
