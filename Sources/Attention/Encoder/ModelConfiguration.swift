import Tensors

/// Everything that decides a model's form, in LRA's words.
///
/// Sizes that follow from length come from `maxLength`, never from a batch.
public struct ModelConfiguration: Sendable, Equatable {
  /// How a token's place enters the model.
  public enum Position: String, Codable, Sendable, CaseIterable {
    /// Fixed sines and cosines, interleaved, base 10,000, as LRA's default.
    case sinusoidal
    /// A trained table, N(0, `initial.positionDeviation`²) at first.
    case learned
    /// Rotation of queries and keys (Su et al. 2021, arXiv 2104.09864).
    case rotary
    /// None: the model sees a bag of tokens unless its mechanism knows order.
    case none
  }

  /// Where a block normalises.
  public enum Norm: String, Codable, Sendable, CaseIterable {
    /// Before each part, and once after the last block.
    case pre
    /// After each residual sum.
    case post
  }

  /// What a block normalises over.
  public enum NormType: String, Codable, Sendable, CaseIterable {
    /// The features of a position.
    case layer
    /// The real positions of a batch, channel by channel.
    case batch
  }

  /// Whose statistics batch norm takes in training.
  public enum BatchStatistics: String, Codable, Sendable, CaseIterable {
    /// The whole batch's, over all processes.
    case batch
    /// Those of the part that passes the network at once, in each process on its own, as in published code.
    case part
  }

  /// How a stored symbol enters the model.
  public enum Input: String, Codable, Sendable, CaseIterable {
    /// As an id, by a table of vectors.
    case ids
    /// As a number from 0 to 1, by a linear layer: a grey level over 255.
    case values
    /// As a number from -1 to 1.
    case centredValues = "centred_values"
  }

  /// How a gated block gates.
  public enum Gate: String, Codable, Sendable, CaseIterable {
    /// Half of a layer of twice the width gates the other half.
    case full
    /// g sigmoid(W g) of the activated value g.
    case half1
    /// y sigmoid(W g) of the value y before activation.
    case half2
  }

  /// The MLP's non-linearity.
  public enum Activation: String, Codable, Sendable, CaseIterable {
    case gelu
    case geluTanh = "gelu_tanh"
    case relu
  }

  /// How a sequence becomes one vector.
  public enum Pool: String, Codable, Sendable, CaseIterable {
    /// The mean over real tokens.
    case mean = "MEAN"
    /// The mean over all positions of the batch, padding too, as LRA's code has it.
    case meanAll = "MEAN_ALL"
    /// The sum over real tokens divided by `filledLength`, so that the magnitude tells the length: the
    /// mean of mlpen/Nystromformer's code (`model.py`, `model_wrapper.py`), whose padding is zero.
    case meanPadded = "MEAN_PADDED"
    /// The state of a trained vector put before the first token.
    case cls = "CLS"
    /// The state of the first token.
    case first = "FIRST"
  }

  /// How the two documents of a pair become one vector.
  public enum Interaction: String, Codable, Sendable, CaseIterable {
    /// [a, b], LRA's default.
    case concat
    /// [a, b, a b, a - b], as for natural language inference.
    case nli
  }

  /// What the weights outside the mechanisms' own are drawn from.
  public struct Initial: Codable, Sendable, Equatable {
    /// Linear layers.
    public var linear = Linear.Beginning.xavier
    /// The classifier's layers; nil for the same as all others.
    public var head: Linear.Beginning?
    /// Deviation of the token table's normal distribution, above 0.
    public var tokenDeviation = 1.0
    /// Deviation of a learned position table's normal distribution, above 0.
    public var positionDeviation = 0.02

    /// Xavier-uniform layers, tokens N(0, 1), positions N(0, 0.02²).
    public init() {}
  }

  /// The mechanism's name in the registry.
  public var modelType = "transformer"
  /// Width D of the residual stream.
  public var embDim = 64
  /// Number of heads H; divides `qkvDim`.
  public var numHeads = 2
  /// Width of queries, keys and values over all heads.
  public var qkvDim = 64
  /// Width of the MLP and of the classifier's hidden layer.
  public var mlpDim = 128
  /// Number of blocks.
  public var numLayers = 2
  /// How places enter.
  public var position = Position.learned
  /// Where blocks normalise.
  public var norm = Norm.pre
  /// What blocks normalise over.
  public var normType = NormType.layer
  /// Whose statistics batch norm takes.
  public var batchStatistics = BatchStatistics.batch
  /// What the running averages of batch norm move by at a step, in 0..<1.
  public var normMomentum = 0.1
  /// How symbols enter.
  public var input = Input.ids
  /// How gated blocks gate.
  public var gate = Gate.full
  /// Whether dropout in gated blocks drops whole channels of an example.
  public var tiedDropout = false
  /// Added to variances in norms.
  public var layerNormEps = 1e-5
  /// The MLP's non-linearity.
  public var activation = Activation.gelu
  /// Whether the attention's four projections have a bias.
  public var qkvBias = true
  /// How a sequence becomes one vector.
  public var classifierPool = Pool.mean
  /// Whether the head of one sequence has a hidden layer; LRA's Sinkhorn has none.
  public var headHidden = true
  /// Hidden layers of the head of a pair: 2 as in LRA's code, or 1.
  public var pairHiddenLayers = 2
  /// Where weights begin.
  public var initial = Initial()
  /// Dropout on embeddings, both block outputs and inside the MLP, in 0..<1.
  public var dropoutRate = 0.1
  /// Dropout on attention probabilities, in 0..<1.
  public var attentionDropoutRate = 0.1
  /// Whether all blocks share one set of weights.
  public var tiedWeights = false
  /// Whether training keeps only the inputs of blocks, and runs them again in the backward pass.
  public var recompute = false
  /// Whether a token sees only itself and earlier ones.
  public var causal = false
  /// Rank of the factors of the encoder's linear layers, where they save parameters; 0 for whole matrices
  /// (Winata and others 2020, arXiv 1910.13923).
  public var lowRank = 0
  /// How those factors begin.
  public var lowRankInit = Linear.Factors.random
  /// Documents of one example, 1 or 2; two pass the same encoder.
  public var numTowers = 1
  /// How two documents become one vector.
  public var interaction = Interaction.concat
  /// The mechanism's own keys.
  public var mixer: [String: ConfigurationValue] = [:]
  /// The longest sequence, in tokens, without the CLS vector.
  public var maxLength = 2000
  /// Number of token ids, padding 0 included.
  public var vocabularySize = 16
  /// Number of labels.
  public var numClasses = 10

  /// The block that a mechanism is built for, from 0; set by the encoder.
  var layer = 0

  /// The `small` configuration on ListOps.
  public init() {}

  /// Width E of one head.
  public var headWidth: Int { qkvDim / numHeads }

  /// Bytes of the L x L matrices that training holds at least, for one document; 0 without any.
  ///
  /// - Throws: `AttentionError` with code `usage` for an unknown mechanism or key.
  public func leastMatrixBytes() throws -> Double {
    guard let entry = mixers.first(where: { $0.mechanism.name == modelType }) else { return 0 }
    let pairs = Double(positions) * Double(positions)
    return try entry.heldMatrices(mixer) * pairs * Double(4 * numHeads * numLayers)
  }

  /// A linear layer that begins as the configuration says.
  func linear(_ input: Int, _ output: Int, bias: Bool = true, key: RandomKey) throws -> Linear {
    try Linear(input, output, bias: bias, initial.linear, key: key)
  }

  /// Positions in the longest sequence the blocks see.
  public var positions: Int { maxLength + (classifierPool == .cls ? 1 : 0) }

  /// Positions that mlpen/Nystromformer's code for LRA fills every row to: the next power of two.
  ///
  /// Mechanisms with `filled_rows` give what such rows would give; nothing is filled.
  public var filledLength: Int {
    var length = 1
    while length < positions { length *= 2 }
    return length
  }
}

/// A scalar in a mechanism's own configuration.
public enum ConfigurationValue: Sendable, Equatable {
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
}
