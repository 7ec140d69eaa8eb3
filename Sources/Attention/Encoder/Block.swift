import Tensors

/// One layer of an encoder: a mixer and what a family of models puts around it.
///
/// Its parameters are named under `blocks.{i}`.
public protocol Block: Module {
  /// [B, L, D] to [B, L, D].
  func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor
}

/// What a family of models makes of its mixers: the form of a block, and the norms that it can have.
public struct BlockFamily: Sendable {
  /// Norms that its blocks can have.
  let norms: [ModelConfiguration.NormType]
  /// What names the mixer's random key in a block.
  let mixerKey: String
  /// A block around a mixer, its parameters drawn by key.
  let block: @Sendable (ModelConfiguration, any Mixer, RandomKey) throws -> any Block

  /// Attention and an MLP, each behind a layer norm: `StandardBlock`.
  static let standard = BlockFamily(norms: [.layer], mixerKey: "attn") {
    try StandardBlock($0, $1, key: $2)
  }

  /// A mixer and a gated linear unit in one branch: `GatedBlock`.
  static let gated = BlockFamily(norms: [.layer, .batch], mixerKey: "mixer") {
    try GatedBlock($0, $1, key: $2)
  }
}

extension ModelConfiguration {
  /// The first `count` blocks of the encoder, of the form that the mechanism's family has.
  ///
  /// Later blocks take from the first what all layers share.
  func blocks(_ count: Int, key: RandomKey) throws -> [any Block] {
    let entry = try Attention.mixer(named: modelType)
    var first: (any Mixer)?
    return try (0..<count).map { index in
      var own = self
      own.layer = index
      let drawn = try entry.build(own, key[index][entry.family.mixerKey])
      let mixer = first.map { drawn.sharing($0) } ?? drawn
      first = first ?? mixer
      return try entry.family.block(own, mixer, key[index])
    }
  }
}
