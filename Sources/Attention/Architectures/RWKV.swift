import Foundation
import Tensors

/// RWKV-4: a recurrence whose weights decay with distance, each channel at its own pace.
///
/// `wkv_t = (Σ_{i<t} e^{k_i - (t-1-i) w} v_i + e^{u + k_t} v_t) / (the same with 1 for v)`, gated by a sigmoid, then
/// a channel mix; both see the token before through a trained interpolation. Time and memory are O(L·D).
/// Exponents are taken below their running maximum, so that huge keys do not overflow. Causal only:
/// padding behind a row changes nothing. There are no probabilities, so attention dropout has nothing
/// to act on; the channel mix has none inside.
///
/// Peng and others 2023, arXiv 2305.13048, equations 11 to 20; initial values as in the authors' code.
///
/// Tensors besides those of embedding and head:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `in_norm` | [D] + [D] | of the embeddings |
/// | `layers.{i}.{norm1,norm2}` | [D] + [D] | before time mix and channel mix |
/// | `layers.{i}.time.decay` | [D] | ln w |
/// | `layers.{i}.time.first` | [D] | u |
/// | `layers.{i}.time.{mix_k,mix_v,mix_r}` | [D] | shares of the token itself, the rest is the one before |
/// | `layers.{i}.time.{key,value,receptance,out}.weight` | [D, D] | |
/// | `layers.{i}.channel.{mix_k,mix_r}` | [D] | the same of the channel mix |
/// | `layers.{i}.channel.key.weight` | [M, D] | |
/// | `layers.{i}.channel.receptance.weight` | [D, D] | |
/// | `layers.{i}.channel.value.weight` | [D, M] | |
/// | `norm` | [D] + [D] | after the last layer |
public struct RWKV: Architecture {
  /// It has no keys of its own.
  public struct Configuration: ModelKeys {
    /// What each key is.
    public static let keys: [ModelKey<Configuration>] = []

    /// What keys are that are not given.
    public static let defaults = Configuration()
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "rwkv", summary: "recurrence with decaying weights", time: "L d", memory: "L d",
    directions: [.causal], paper: "2305.13048",
    attentionDropout: false)

  /// Tokens of a chunk, within which the sum is quadratic.
  static let chunk = 32

  let embedding: Embedding
  let inNorm: LayerNorm
  let layers: [Layer]
  let norm: LayerNorm

  /// `num_layers` layers.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    guard model.position != .rotary else {
      throw AttentionError.badValue(Self.mechanism.name, "it has no rotary positions")
    }
    embedding = try Embedding(model, key: key)
    inNorm = try LayerNorm(model.embDim, eps: model.layerNormEps)
    layers = try (0..<model.numLayers).map {
      try Layer($0, model, key: key["layers"][$0])
    }
    norm = try LayerNorm(model.embDim, eps: model.layerNormEps)
  }

  /// Token ids [B, L] to features [B, L, D], or [B, L+1, D] after a CLS vector.
  public func callAsFunction(_ ids: Tensor, _ context: Context) throws -> (Tensor, Context) {
    let (embedded, context) = try embedding(ids, context)
    var x = try inNorm(embedded)  // [B, L, D]
    for (index, layer) in layers.enumerated() { x = try layer(x, context, index) }
    return (try norm(x), context)
  }

  /// `embed.*`, `in_norm.*`, `layers.{i}.*`, `norm.*`.
  public var parameters: [NamedParameter] {
    embedding.parameters.prefixed("embed") + inNorm.parameters.prefixed("in_norm")
      + layers.enumerated().flatMap { $1.parameters.prefixed("layers.\($0)") }
      + norm.parameters.prefixed("norm")
  }

  /// The weighted means of all earlier values and this one, per channel.
  ///
  /// A kernel goes token by token; what it does not take, float64 and CUDA, goes chunk by chunk.
  ///
  /// - Parameters:
  ///   - k: keys and values, [B, L, D].
  ///   - w: decay per step, above 0, and bonus of the own token, [D].
  /// - Returns: [B, L, D].
  static func wkv(_ k: Tensor, _ v: Tensor, w: Tensor, u: Tensor) throws -> Tensor {
    if k.elementType == .float32 && k.device == .cpu {
      return try k.recurrence(v, decay: w, bonus: u)
    }
    let (b, length, d) = (k.size(0), k.size(1), k.size(2))
    var parts: [Tensor] = []
    // Σ e^{...} v and Σ e^{...} of all earlier chunks, as of the first token, both times e^-level.
    var state: (sum: Tensor, weight: Tensor, level: Tensor)?
    for first in stride(from: 0, to: length, by: chunk) {
      let c = min(chunk, length - first)
      let (keys, values) = (
        try k.slice(first..<(first + c), 1), try v.slice(first..<(first + c), 1)
      )
      // Steps from token i to token t, beyond the first: t - 1 - i; 0 where it does not matter.
      let steps = try Tensor.from(
        (0..<(c * c)).map { Double(max(0, $0 / c - 1 - $0 % c)) }, [1, c, c, 1]
      ).to(k.elementType).to(k.device)
      let own = try mask(c, c, on: k.device) { $0 == $1 }.reshaped([1, c, c, 1])
      let later = try mask(c, c, on: k.device) { $1 > $0 }.reshaped([1, c, c, 1])
      let past = try keys.unsqueezed(1) - steps * w  // [B, t, i, D]
      let logits = try (keys + u).unsqueezed(1).chosen(where: own, else: past)
        .filled(where: later, blockedLogit)  // [B, c, c, D]
      var level = try withoutGradient { try logits.max(2) }  // [B, c, 1, D]
      var carried: Tensor?  // [B, c, 1, D]: how much the earlier chunks count
      if let state {
        let ages = try Tensor.from((0..<c).map { Double($0) }, [1, c, 1, 1])
          .to(k.elementType).to(k.device)
        let old = try state.level.reshaped([b, 1, 1, d]) - ages * w
        level = try withoutGradient { try level.chosen(where: old.less(than: level), else: old) }
        carried = try (old - level).exp()
      }
      let weights = try (logits - level).exp()  // [B, c, c, D]
      var sum = try (weights * values.unsqueezed(1)).sum([2])  // [B, c, D]
      var weight = try weights.sum([2])
      if let state, let carried {
        let share = try carried.select(0, 2)  // [B, c, D]
        sum = try sum + share * state.sum.unsqueezed(1)
        weight = try weight + share * state.weight.unsqueezed(1)
      }
      parts.append(try sum / weight)
      // The state as of the next chunk's first token.
      let rest = try Tensor.from((0..<c).map { Double(c - 1 - $0) }, [1, c, 1])
        .to(k.elementType).to(k.device)
      let ends = try keys - rest * w  // [B, c, D]
      var top = try withoutGradient { try ends.max(1).select(0, 1) }  // [B, D]
      let aged = try state.map { try $0.level - w * Double(c) }
      if let aged {
        top = try withoutGradient { try top.chosen(where: aged.less(than: top), else: aged) }
      }
      let shares = try (ends - top.unsqueezed(1)).exp()
      var newSum = try (shares * values).sum([1])
      var newWeight = try shares.sum([1])
      if let state, let aged {
        let share = try (aged - top).exp()
        newSum = try newSum + share * state.sum
        newWeight = try newWeight + share * state.weight
      }
      state = (newSum, newWeight, top)
    }
    return parts.count == 1 ? parts[0] : try .concatenated(parts, 1)
  }

  /// One layer: time mix, then channel mix, each after a norm and in a residual branch.
  struct Layer: Module {
    let norms: [LayerNorm]
    let decay: Parameter  // [D], w = e^decay
    let first: Parameter  // [D], u
    let mixes: [(name: String, share: Parameter)]  // of key, value, receptance; key, receptance
    let timeKey: Linear
    let timeValue: Linear
    let timeReceptance: Linear
    let timeOut: Linear
    let key: Linear
    let receptance: Linear
    let value: Linear
    let model: ModelConfiguration

    init(_ layer: Int, _ model: ModelConfiguration, key random: RandomKey) throws {
      let (d, layers) = (model.embDim, model.numLayers)
      let ratio = layers > 1 ? Double(layer) / Double(layers - 1) : 0
      let rest = 1 - Double(layer) / Double(layers)
      let vector = { (value: (Double) -> Double) in
        try Parameter.from(.from((0..<d).map { Float(value(Double($0))) }, [d]), role: .norm)
      }
      let last = Double(max(1, d - 1))
      decay = try vector { -5 + 8 * pow($0 / last, 0.7 + 1.3 * ratio) }
      first = try vector { log(0.3) + 0.5 * (Double(Int($0 + 1) % 3) - 1) }
      let share = { (name: String, value: @escaping (Double) -> Double) in
        (name: name, share: try vector { value($0 / Double(d)) })
      }
      mixes = [
        try share("time.mix_k") { pow($0, rest) },
        try share("time.mix_v") { pow($0, rest) + 0.3 * ratio },
        try share("time.mix_r") { pow($0, rest / 2) },
        try share("channel.mix_k") { pow($0, rest) },
        try share("channel.mix_r") { pow($0, rest) },
      ]
      norms = try (0..<2).map { _ in try LayerNorm(d, eps: model.layerNormEps) }
      let linear = { (name: String, input: Int, output: Int) in
        try model.linear(input, output, bias: false, key: random[name])
      }
      // Deviation: Xavier, not zeros, for key, receptance and output: Adam learns either.
      timeKey = try linear("time.key", d, d)
      timeValue = try linear("time.value", d, d)
      timeReceptance = try linear("time.receptance", d, d)
      timeOut = try linear("time.out", d, d)
      key = try linear("channel.key", d, model.mlpDim)
      receptance = try linear("channel.receptance", d, d)
      value = try linear("channel.value", model.mlpDim, d)
      self.model = model
    }

    /// [B, L, D] to [B, L, D].
    func callAsFunction(_ x: Tensor, _ context: Context, _ layer: Int) throws -> Tensor {
      let drop = { (y: Tensor, site: String, x: Tensor) in
        try context.dropout(y, model.dropoutRate, layer: layer, site: site, addedTo: x)
      }
      // Padding is behind all tokens, which do not see it, unless positions are hidden.
      let shown = try context.hidden == nil ? nil : context.realPositions()?.select(0, 1)
      let clean = { (y: Tensor) in try shown.map { try y * $0.to(y.elementType) } ?? y }
      let time = try clean(norms[0](x))
      var k = try timeKey(blended(time, 0)).widened()
      if shown != nil, let blocked = try context.blockedKeys(upTo: context.length) {
        k = try k.filled(where: blocked.unsqueezed(2), blockedLogit)
      }
      let v = try timeValue(blended(time, 1)).widened()
      let gate = try timeReceptance(blended(time, 2)).widened().sigmoid()
      let mixed = try gate * RWKV.wkv(k, v, w: decay.value.exp(), u: first.value)
      let y = try drop(timeOut(mixed), "attention.out", x)
      let channel = try clean(norms[1](y))
      let hidden = try key(blended(channel, 3)).relu()
      let out = try receptance(blended(channel, 4)).sigmoid() * value(hidden * hidden)
      return try drop(out, "mlp.out", y)
    }

    /// Each token mixed with the one before it, zeros before the first.
    private func blended(_ x: Tensor, _ index: Int) throws -> Tensor {
      let share = mixes[index].share.value
      let before = try x.padded(before: 1, after: -1, 1)
      return try x * share + before * (share * -1 + 1)
    }

    /// `norm1`, `norm2`, `time.*`, `channel.*`.
    var parameters: [NamedParameter] {
      let linears = [
        ("time.key", timeKey), ("time.value", timeValue), ("time.receptance", timeReceptance),
        ("time.out", timeOut), ("channel.key", key), ("channel.receptance", receptance),
        ("channel.value", value),
      ]
      return norms.enumerated().flatMap { $1.parameters.prefixed("norm\($0 + 1)") }
        + [NamedParameter("time.decay", decay), NamedParameter("time.first", first)]
        + mixes.map { NamedParameter($0.name, $0.share) }
        + linears.flatMap { $1.parameters.prefixed($0) }
    }
  }
}
