import Tensors

/// Softmax attention over all pairs of tokens: the Transformer of LRA's tables.
///
/// `softmax(Q Kᵀ / √E) V` per head, in O(L²·D) time; the L x L matrix is never stored. Keys at
/// padded positions are not attended, and queries there give zeros.
///
/// Vaswani et al. 2017, arXiv 1706.03762, section 3.2.
///
/// Tensors under `blocks.{i}.attn`:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `{q,k,v}` | [H E, D] + [H E] | projections to heads |
/// | `out` | [D, H E] + [D] | projection back |
public struct Softmax: Mixer {
  /// The keys of `model.attention`.
  public struct Configuration: Codable, Sendable {
    /// Queries at padding attend to all positions alike, as in LRA's code, which masks them too.
    public var uniformPaddedQueries = false

    enum CodingKeys: String, CodingKey { case uniformPaddedQueries = "uniform_padded_queries" }
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "transformer", summary: "softmax over all pairs", time: "L^2 d", memory: "L d",
    directions: [.bidirectional, .causal], paper: "1706.03762")
  /// Queries at padding give zeros.
  public static let defaults = Configuration()

  let heads: Heads
  let causal: Bool
  let uniformPaddedQueries: Bool
  let dropoutRate: Double

  /// Four projections and nothing else.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    heads = try Heads(model, key: key)
    causal = model.causal
    uniformPaddedQueries = configuration.uniformPaddedQueries
    dropoutRate = model.attentionDropoutRate
  }

  /// [B, L, D] to [B, L, D].
  public func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let qkv = try heads.packed(x)  // [B, L, 3, H, E]
    if let span = context.span {
      let part = { (index: Int) in try qkv.select(index, 2).transposed(1, 2) }  // [B, H, L, E]
      try span.add(
        part(0), part(1), scale: heads.scale, causal: causal, context, layer: layer)
    }
    var attended = try context.selfAttention(
      qkv, causal: causal, scale: heads.scale, dropout: dropoutRate, layer: layer)  // [B, L, H, E]
    if uniformPaddedQueries {
      attended = try context.uniformAtPadding(
        attended.transposed(1, 2), qkv.select(2, 2).transposed(1, 2)
      ).transposed(1, 2)
    }
    return try heads.merged(attended)  // [B, L, D]
  }

  /// The projections.
  public var parameters: [NamedParameter] { heads.parameters }
}

extension Context {
  /// Softmax attention over all pairs by the fused kernel: packed [B, L, 3, H, E] to [B, L, H, E].
  ///
  /// The kernel knows padding behind a row only; hidden positions are sorted there and back.
  func selfAttention(_ qkv: Tensor, causal: Bool, scale: Double, dropout: Double, layer: Int) throws
    -> Tensor
  {
    let attend = { (qkv: Tensor, lengths: Tensor?) in
      try qkv.selfAttention(
        lengths: lengths, causal: causal, scale: scale, dropout: self.training ? dropout : 0,
        key: self.key[layer]["attention.probability"], examples: self.examples)
    }
    guard hidden != nil, let blocked = try blockedKeys(upTo: length) else {
      return try attend(qkv, lengthTensor)
    }
    let (batch, h, e) = (qkv.size(0), qkv.size(3), qkv.size(4))
    let size = try Tensor.full([], Double(length), .int64, on: device)
    let flags = try blocked.to(.int64).expanded([batch, length])
    let order = try (flags * size + .integers(0..<length, on: device)).sortingOrder(1)  // [B, L]
    let bases = try Tensor.integers(0..<batch, on: device).reshaped([batch, 1]) * size
    let moved = { (x: Tensor, order: Tensor) in
      try x.reshaped([batch * self.length, -1]).picked((order + bases).reshaped([-1]), 0)
    }  // [B L, ...]
    let shown = try blocked.not().expanded([batch, length]).to(.int64).sum([1]).to(.cpu)  // [B]
    let sorted = try moved(qkv, order).reshaped([batch, length, 3, h, e])
    let attended = try attend(sorted, shown)  // [B, L, H, E]
    return try moved(attended.reshaped([batch, length, h * e]), order.sortingOrder(1))
      .reshaped([batch, length, h, e])
  }
}
