import Tensors

/// Low-rank Transformer: every matrix of attention and MLP is a product of two thin ones.
///
/// `W ≈ U V` with `V` [r, in] and `U` [out, r] has r (in + out) parameters instead of in·out; attention itself is
/// softmax over all pairs. A matrix for which r saves nothing stays whole. Factors are drawn, or come from a
/// dense matrix by its singular values (`from_dense`), which is the best approximation of that rank.
/// Padding and directions are those of softmax attention.
///
/// Winata and others 2020, arXiv 1910.13923, section 2.1 (linear encoder-decoder units).
///
/// Tensors besides those of embedding and head; a factored matrix is `v.weight` [r, in], `u.weight`
/// [out, r] and `u.bias` instead of `weight` and `bias`:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `layers.{i}.{norm1,norm2}` | [D] + [D] | before attention and MLP |
/// | `layers.{i}.attn.{q,k,v}` | [H E, D] + [H E] | projections to heads |
/// | `layers.{i}.attn.out` | [D, H E] + [D] | projection back |
/// | `layers.{i}.mlp.up` | [M, D] + [M] | |
/// | `layers.{i}.mlp.down` | [D, M] + [D] | |
/// | `norm` | [D] + [D] | after the last layer |
public struct LowRankTransformer: Architecture {
  /// The keys of `model.attention`.
  public struct Configuration: Codable, Sendable {
    /// Rank r, at least 1.
    public var rank = 16
    /// Factors by singular values of a drawn dense matrix instead of drawn factors.
    public var fromDense = false

    enum CodingKeys: String, CodingKey {
      case rank
      case fromDense = "from_dense"
    }
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "low_rank", summary: "softmax, all matrices of rank r", time: "L^2 d",
    memory: "L d", directions: [.bidirectional, .causal], paper: "1910.13923")
  /// Rank 16.
  public static let defaults = Configuration()

  let embedding: Embedding
  let layers: [Layer]
  let norm: LayerNorm

  /// `num_layers` pre-norm layers.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    guard configuration.rank >= 1 else {
      throw AttentionError.badValue(
        Self.mechanism.name, "rank is at least 1, not \(configuration.rank)")
    }
    guard model.position != .rotary && model.norm == .pre else {
      throw AttentionError.badValue(
        Self.mechanism.name, "norms come before, and positions are not rotary")
    }
    embedding = try Embedding(model, key: key)
    layers = try (0..<model.numLayers).map {
      try Layer(configuration, model, key: key["layers"][$0])
    }
    norm = try LayerNorm(model.embDim, eps: model.layerNormEps)
  }

  /// Token ids [B, L] to features [B, L, D], or [B, L+1, D] after a CLS vector.
  public func callAsFunction(_ ids: Tensor, _ context: Context) throws -> (Tensor, Context) {
    let (embedded, context) = try embedding(ids, context)
    var x = embedded
    for (index, layer) in layers.enumerated() { x = try layer(x, context, index) }
    return (try norm(x), context)
  }

  /// `embed.*`, `layers.{i}.*`, `norm.*`.
  public var parameters: [NamedParameter] {
    embedding.parameters.prefixed("embed")
      + layers.enumerated().flatMap { $1.parameters.prefixed("layers.\($0)") }
      + norm.parameters.prefixed("norm")
  }

  /// One pre-norm layer of factored matrices.
  struct Layer: Module {
    let norms: [LayerNorm]
    let maps: [(name: String, map: FactoredLinear)]  // q, k, v, out, up, down
    let model: ModelConfiguration

    init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
      norms = try (0..<2).map { _ in try LayerNorm(model.embDim, eps: model.layerNormEps) }
      let (d, inner, bias) = (model.embDim, model.qkvDim, model.qkvBias)
      let shapes = [
        ("attn.q", d, inner, bias), ("attn.k", d, inner, bias), ("attn.v", d, inner, bias),
        ("attn.out", inner, d, bias), ("mlp.up", d, model.mlpDim, true),
        ("mlp.down", model.mlpDim, d, true),
      ]
      maps = try shapes.map { name, input, output, bias in
        let dense = try Linear(input, output, bias: bias, key: key[name])
        let rank = configuration.rank
        return (
          name: name,
          map: configuration.fromDense
            ? try FactoredLinear(dense, rank: rank)
            : try FactoredLinear(input, output, rank: rank, bias: bias, key: key[name])
        )
      }
      self.model = model
    }

    /// [B, L, D] to [B, L, D].
    func callAsFunction(_ x: Tensor, _ context: Context, _ layer: Int) throws -> Tensor {
      let drop = { (y: Tensor, site: String, x: Tensor?) in
        try context.dropout(y, model.dropoutRate, layer: layer, site: site, addedTo: x)
      }
      let (b, length) = (x.size(0), x.size(1))
      let normed = try norms[0](x)
      let parts = try (0..<3).map {
        try maps[$0].map(normed).widened()
          .reshaped([b, length, 1, model.numHeads, model.headWidth])
      }
      let attended = try Tensor.concatenated(parts, 2).selfAttention(  // [B, L, 3, H, E]
        lengths: context.lengthTensor, causal: model.causal,
        scale: 1 / Double(model.headWidth).squareRoot(),
        dropout: context.training ? model.attentionDropoutRate : 0,
        key: context.key[layer]["attention.probability"], examples: context.examples
      ).reshaped([b, length, model.qkvDim])
      let y = try drop(maps[3].map(attended), "attention.out", x)
      let hidden = try drop(maps[4].map(norms[1](y)).gelu(), "mlp.hidden", nil)
      return try drop(maps[5].map(hidden), "mlp.out", y)
    }

    /// `norm1`, `norm2`, `attn.{q,k,v,out}.*`, `mlp.{up,down}.*`.
    var parameters: [NamedParameter] {
      norms.enumerated().flatMap { $1.parameters.prefixed("norm\($0 + 1)") }
        + maps.flatMap { $0.map.parameters.prefixed($0.name) }
    }
  }
}

/// A linear map `U V x + b` of rank r, or `W x + b` where r would save nothing.
struct FactoredLinear: Module {
  let first: Linear
  let second: Linear?

  /// Drawn factors.
  init(_ input: Int, _ output: Int, rank: Int, bias: Bool, key: RandomKey) throws {
    guard rank * (input + output) < input * output else {
      (first, second) = (try Linear(input, output, bias: bias, key: key), nil)
      return
    }
    first = try Linear(input, rank, bias: false, key: key["v"])
    second = try Linear(rank, output, bias: bias, key: key["u"])
  }

  /// The best factors of a dense map, whatever they save; its bias stays.
  init(_ dense: Linear, rank: Int) throws {
    let (output, input) = (dense.weight.value.size(0), dense.weight.value.size(1))
    let (left, right) = try dense.weight.value.factors(rank: min(rank, min(input, output)))
    first = Linear(weight: try .from(right), bias: nil)
    second = Linear(weight: try .from(left), bias: dense.bias)
  }

  /// [..., in] to [..., out].
  func callAsFunction(_ x: Tensor) throws -> Tensor {
    let inner = try first(x)
    return try second?(inner) ?? inner
  }

  /// `v.weight` [r, in], `u.{weight, bias}` [out, r]; or `weight`, `bias`.
  var parameters: [NamedParameter] {
    guard let second else { return first.parameters }
    return first.parameters.prefixed("v") + second.parameters.prefixed("u")
  }
}
