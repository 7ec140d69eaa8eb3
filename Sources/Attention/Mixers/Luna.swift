import Tensors

/// Luna: the sequence is packed into p memory vectors, which every token then reads.
///
/// `Y_P = Attention(P, X)`, `Y_X = Attention(X, Y_P)`, both softmax, in O(L·p·D) time and O(L·D) memory. The
/// memory goes from layer to layer: `P' = LayerNorm(P + Y_P)`; the first layer has a trained one. Only
/// packing sees padding, and does not attend to it. Every output mixes all positions: the mechanism
/// cannot be causal.
///
/// Ma and others 2021, arXiv 2106.01540, section 3. Deviation: the standard block's norm of the
/// sequence takes the place of the paper's norm after the sum, unless `norm: post` is chosen.
///
/// Tensors under `blocks.{i}.attn`:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `{q,k,v}` | [H E, D] + [H E] | of reading Y_P |
/// | `out` | [D, H E] + [D] | of reading |
/// | `luna.pack.{q,k,v}` | [H E, D] + [H E] | of packing; no `v` with `tie_key_value` |
/// | `luna.pack.out` | [D, H E] + [D] | of packing |
/// | `luna.norm` | [D] + [D] | norm of the memory; the last block's goes nowhere |
/// | `luna.memory` | [p, D] | the first memory, in block 0 only |
public struct Luna: Mixer {
  /// The keys of `model.mixer`.
  public struct Configuration: ModelKeys {
    var projectedLength = 128
    var tieKeyValue = false

    /// What each key is.
    public static let keys: [ModelKey<Configuration>] = [
      .init("projected_length", \.projectedLength, "Memory vectors p, at least 1."),
      .init(
        "tie_key_value", \.tieKeyValue,
        "One projection for keys and values of the packing, as the authors' code can."),
    ]

    /// What keys are that are not given.
    public static let defaults = Configuration()
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "luna", summary: "packed into p vectors, read back", time: "L p d",
    memory: "L d", directions: [.bidirectional], paper: "2106.01540")

  let pack: [Linear]  // query, key, value (the key again when tied), out
  let unpack: [Linear]
  let norm: LayerNorm
  let memory: Parameter?  // [p, D], of the first layer
  let configuration: Configuration
  let model: ModelConfiguration

  /// Eight projections (seven when tied), a norm, and in the first layer the memory.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    let p = configuration.projectedLength
    guard p >= 1 else {
      throw AttentionError.badValue(Self.mechanism.name, "projected_length is at least 1, not \(p)")
    }
    guard model.position != .rotary else {
      throw AttentionError.badValue(Self.mechanism.name, "it has no rotary positions")
    }
    let projections = { (names: [String], key: RandomKey) in
      try names.map { name in
        let (input, output) =
          name == "out" ? (model.qkvDim, model.embDim) : (model.embDim, model.qkvDim)
        return try model.linear(input, output, bias: model.qkvBias, key: key[name])
      }
    }
    let tied = configuration.tieKeyValue
    pack = try projections(tied ? ["q", "k", "out"] : ["q", "k", "v", "out"], key["pack"])
    unpack = try projections(["q", "k", "v", "out"], key)
    norm = try LayerNorm(model.embDim, eps: model.layerNormEps)
    memory =
      model.layer == 0
      ? try .normal(
        [p, model.embDim], deviation: 1 / Double(model.embDim).squareRoot(), key: key["memory"],
        role: .embedding) : nil
    self.configuration = configuration
    self.model = model
  }

  /// [B, L, D] to [B, L, D]; the memory is carried in the context.
  public func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let carried = layer == 0 || context.carried[Self.mechanism.name] == nil
    let given = carried ? try memory?.value.unsqueezed(0) : context.carried[Self.mechanism.name]
    guard let given else { throw AttentionError.noKeys }
    let p = try given.expanded([x.size(0), given.size(1), given.size(2)])  // [B, p, D]
    let value = configuration.tieKeyValue ? pack[1] : pack[2]
    let packed = try merged(
      attendPacked(
        split(pack[0], p), split(pack[1], x), split(value, x), context, layer: layer),
      pack[pack.count - 1])  // [B, p, D]
    context.carried[Self.mechanism.name] = try norm(p + packed)
    return try merged(
      attendUnpacked(
        split(unpack[0], x), split(unpack[1], packed), split(unpack[2], packed), context,
        layer: layer), unpack[3])  // [B, L, D]
  }

  /// `q`, `k`, `v`, `out` of reading; `luna.pack.*`, `luna.norm.*`, and first `luna.memory` [p, D].
  public var parameters: [NamedParameter] {
    let named = { (names: [String], linears: [Linear]) in
      zip(names, linears).flatMap { $1.parameters.prefixed($0) }
    }
    let names = pack.count == 4 ? ["q", "k", "v", "out"] : ["q", "k", "out"]
    return named(["q", "k", "v", "out"], unpack) + named(names, pack).prefixed("luna.pack")
      + norm.parameters.prefixed("luna.norm")
      + (memory.map { [NamedParameter("luna.memory", $0)] } ?? [])
  }

  /// Memory queries [B, H, p, E] over keys and values [B, H, L, E]: [B, H, p, E].
  func attendPacked(_ q: Tensor, _ k: Tensor, _ v: Tensor, _ context: Context, layer: Int) throws
    -> Tensor
  {
    try context.attendedOwn(
      q, k, v, scale: scale, dropout: model.attentionDropoutRate, layer: layer)
  }

  /// Token queries [B, H, L, E] over the packed memory's keys and values [B, H, p, E]: [B, H, L, E].
  func attendUnpacked(_ q: Tensor, _ k: Tensor, _ v: Tensor, _ context: Context, layer: Int) throws
    -> Tensor
  {
    try context.attended(
      q, k, v, scale: scale, dropout: model.attentionDropoutRate, layer: layer)
  }

  private var scale: Double { 1 / Double(model.headWidth).squareRoot() }

  /// [B, N, D] to [B, H, N, E].
  private func split(_ linear: Linear, _ x: Tensor) throws -> Tensor {
    try linear(x).widened()
      .reshaped([x.size(0), x.size(1), model.numHeads, model.headWidth]).transposed(1, 2)
  }

  /// [B, H, N, E] to [B, N, D].
  private func merged(_ x: Tensor, _ out: Linear) throws -> Tensor {
    try out(x.transposed(1, 2).reshaped([x.size(0), x.size(2), model.qkvDim]))
  }
}
