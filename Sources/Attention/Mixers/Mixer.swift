import Tensors

/// Which way a mechanism can look.
public enum Direction: String, Sendable, CaseIterable {
  case bidirectional
  case causal
}

/// What `lra-train models` says about a mechanism.
public struct Mechanism: Sendable {
  /// The name in recipes, such as `linformer`.
  public let name: String
  /// What it does, in a few words.
  public let summary: String
  /// Cost in time per layer, in L, D, k...
  public let time: String
  /// Cost in memory per layer.
  public let memory: String
  /// Which ways it can look.
  public let directions: [Direction]
  /// arXiv number of its paper.
  public let paper: String
  /// Whether it has probabilities that attention dropout can act on.
  public var attentionDropout = true
}

/// A mechanism that mixes information along the sequence: the attention of a block.
///
/// Padding contract: outputs at real positions do not depend on what stands at padded ones.
///
/// Each model's page has a table of its tensors in a checkpoint. Letters: D `emb_dim`, H
/// `num_heads`, E the width of a head, M `mlp_dim`, L `max_length` (one more with a CLS vector), V
/// token ids, C classes; others are sizes of that model. `[out, in] + [out]` stands for `.weight`
/// and `.bias`; attention has biases with `qkv_bias` only.
public protocol Mixer: Module {
  /// The mechanism's own keys in a recipe, with defaults.
  associatedtype Configuration: ModelKeys

  /// The mechanism.
  static var mechanism: Mechanism { get }

  /// What its blocks look like; attention and an MLP unless it says so.
  static var family: BlockFamily { get }

  /// How many L x L matrices of float32 a layer holds at least, in training, for each head and row; 0
  /// unless it says so.
  static func heldMatrices(_ configuration: Configuration) -> Double

  /// Parameters drawn by key; sizes that follow from length come from `model.maxLength`.
  init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws

  /// Mixes [B, L, D] to [B, L, D].
  func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor

  /// This layer with what all layers share taken from the first layer's, which alone lists it among its
  /// parameters; as it is unless it says so.
  func sharing(_ first: any Mixer) -> Self
}

extension Mixer {
  /// Attention and an MLP.
  public static var family: BlockFamily { .standard }

  /// None: the mechanism needs no L x L matrix.
  public static func heldMatrices(_ configuration: Configuration) -> Double { 0 }

  /// Layers share nothing.
  public func sharing(_ first: any Mixer) -> Self { self }
}

/// One line of the registry: a mechanism and how to build it.
public struct MixerEntry: Sendable {
  /// The mechanism.
  public let mechanism: Mechanism
  let family: BlockFamily
  let keys: [ModelKeyDescription]
  let build: @Sendable (ModelConfiguration, RandomKey) throws -> any Mixer
  let check: @Sendable ([String: ConfigurationValue]) throws -> Void
  let heldMatrices: @Sendable ([String: ConfigurationValue]) throws -> Double

  init<Kind: Mixer & SendableMetatype>(_ kind: Kind.Type) {
    let mechanism = kind.mechanism
    self.mechanism = mechanism
    family = Kind.family
    keys = Kind.Configuration.descriptions
    build = { model, key in
      try Kind(.init(of: mechanism.name, model.mixer), model, key: key)
    }
    check = { _ = try Kind.Configuration(of: mechanism.name, $0) }
    heldMatrices = {
      try Kind.heldMatrices(.init(of: mechanism.name, $0))
    }
  }
}

/// Every mechanism by name, in the order shown to users.
///
/// Adding one is a file and a line here.
public let mixers: [MixerEntry] = [
  MixerEntry(Softmax.self), MixerEntry(Local.self), MixerEntry(SparseTransformer.self),
  MixerEntry(Longformer.self), MixerEntry(BigBird.self), MixerEntry(Linformer.self),
  MixerEntry(Reformer.self), MixerEntry(Sinkhorn.self), MixerEntry(Synthesizer.self),
  MixerEntry(LinearTransformer.self), MixerEntry(Performer.self), MixerEntry(PerformerReLU.self),
  MixerEntry(Nystromformer.self), MixerEntry(Luna.self), MixerEntry(CosFormer.self),
  MixerEntry(FNet.self), MixerEntry(RoutingTransformer.self), MixerEntry(MemoryCompressed.self),
  MixerEntry(ImageTransformer.self), MixerEntry(TransformerXL.self),
  MixerEntry(CompressiveTransformer.self), MixerEntry(Kernelized.self),
  MixerEntry(Skyformer.self), MixerEntry(Informer.self), MixerEntry(Taylor.self),
  MixerEntry(S4D.self),
  MixerEntry(S5.self), MixerEntry(LRU.self), MixerEntry(LongConv.self), MixerEntry(SGConv.self),
]

/// The registry's entry for a name.
///
/// - Throws: `AttentionError` with code `usage`, naming all mechanisms.
public func mixer(named name: String) throws -> MixerEntry {
  guard let entry = mixers.first(where: { $0.mechanism.name == name }) else {
    throw AttentionError.unknownModel(name, known: mixers.map(\.mechanism.name))
  }
  return entry
}
