import Tensors

/// Memory-compressed attention: keys and values are shortened by a convolution with a stride.
///
/// Each slot is a convolution over f keys in a row, every f tokens; slot 0 is the first token, uncompressed.
/// `softmax(Q K'ᵀ / √E) V'` takes O(L²/f·D) time. Keys and values at padding are zero before the
/// convolution, and slots without tokens are not attended, so padding changes nothing. The causal form
/// sees slots whose whole window lies before the token; slot 0 is there for the first ones.
///
/// Liu and others 2018, arXiv 1801.10198, section 4.2.3.
///
/// Tensors under `blocks.{i}.attn`:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `{q,k,v}` | [H E, D] + [H E] | projections to heads |
/// | `out` | [D, H E] + [D] | projection back |
/// | `memory_compressed.{key,value}` | [H E, E, f] | convolutions, rows head by head |
public struct MemoryCompressed: Mixer {
  /// The keys of `model.mixer`.
  public struct Configuration: ModelKeys {
    var compression = 3

    /// What each key is.
    public static let keys: [ModelKey<Configuration>] = [
      .init("compression", \.compression, "Tokens of a slot, f, at least 1.")
    ]

    /// What keys are that are not given.
    public static let defaults = Configuration()
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "memory_compressed", summary: "keys, values convolved, stride f",
    time: "L^2/f d", memory: "L d", directions: [.bidirectional, .causal], paper: "1801.10198")

  let heads: Heads
  let keyKernel: Parameter  // [H E, E, f]
  let valueKernel: Parameter  // [H E, E, f]
  let factor: Int
  let causal: Bool
  let dropoutRate: Double

  /// Four projections and two convolutions, each head its own.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    factor = configuration.compression
    guard factor >= 1 else {
      throw AttentionError.badValue(Self.mechanism.name, "compression is at least 1, not \(factor)")
    }
    heads = try Heads(model, key: key)
    let shape = [model.qkvDim, model.headWidth, factor]
    let deviation = 1 / Double(model.headWidth * factor).squareRoot()
    keyKernel = try .normal(shape, deviation: deviation, key: key["key"])
    valueKernel = try .normal(shape, deviation: deviation, key: key["value"])
    causal = model.causal
    dropoutRate = model.attentionDropoutRate
  }

  /// [B, L, D] to [B, L, D].
  public func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let (q, k, v) = try heads.split(x)  // [B, H, L, E] each
    let attended = try attend(
      q, k, v, context, kernels: (keyKernel.value, valueKernel.value), layer: layer)
    return try heads.merged(attended.transposed(1, 2))  // [B, L, D]
  }

  /// The projections; `memory_compressed.{key,value}` [H E, E, f].
  public var parameters: [NamedParameter] {
    heads.parameters + [
      NamedParameter("memory_compressed.key", keyKernel),
      NamedParameter("memory_compressed.value", valueKernel),
    ]
  }

  /// Queries, keys and values [B, H, L, E] with kernels [H E, E, f] to [B, H, L, E].
  func attend(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ context: Context,
    kernels: (key: Tensor, value: Tensor),
    layer: Int
  ) throws -> Tensor {
    let (b, h, length, e) = (q.size(0), q.size(1), q.size(2), q.size(3))
    let slots = (length + factor - 1) / factor
    let real = try context.realPositions()
    let shortened = { (x: Tensor, kernel: Tensor) in
      let tokens = try real.map { try x * $0 } ?? x
      let convolved = try tokens.padded(after: slots * factor - length, 2).transposed(2, 3)
        .reshaped([b, h * e, slots * factor])
        .convolved(kernel, stride: factor, groups: h)
        .reshaped([b, h, e, slots]).transposed(2, 3)  // [B, H, slots, E]
      return try Tensor.concatenated([tokens.slice(0..<1, 2), convolved], 2)
    }
    // Slot 0 begins at token 0, slot j at token f (j - 1).
    let first = [0] + (0..<slots).map { $0 * factor }
    let filled = context.lengths.map { real in Int64(first.filter { $0 < real }.count) }
    let plan =
      try causal || context.hidden != nil
      ? context.plan("\(Self.mechanism.name) \(factor) \(length)") { groups, shown in
        // The last token of slot j is f j - 1; a slot of hidden tokens is none.
        let keys = (0...slots).map { slot in
          let tokens = slot == 0 ? 0..<1 : (factor * (slot - 1))..<min(factor * slot, length)
          return tokens.contains { shown($0) >= 0 } ? slot : -1
        }
        groups.add(
          queries: 0..<length, keys: keys, bounds: { 0...(causal ? $0 : factor * slots) },
          code: { place, _ in place * factor })
      } : nil
    return try context.attended(
      q, shortened(k, kernels.key), shortened(v, kernels.value), by: plan,
      keyLengths: context.lengthTensor == nil ? nil : .from(filled, [b]), scale: heads.scale,
      dropout: dropoutRate, layer: layer)
  }
}
