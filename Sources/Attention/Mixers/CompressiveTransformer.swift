import Foundation
import Tensors

/// Compressive Transformer: Transformer-XL that compresses what leaves its memory instead of forgetting it.
///
/// A token attends to its segment of s tokens, to the M tokens before the segment, and to the C newest slots of
/// the compressed memory, each made of c neighbouring tokens that have left the memory: by a convolution of
/// width and stride c, by their mean, or by their largest features. Memories are inputs of the same layer and
/// carry no gradient. Places enter as distances, as in Transformer-XL, where a slot counts as one step. Since a
/// whole sequence is at hand, all segments are computed at once: the outputs are those of reading segment by
/// segment. With w = s + M + C time is O(L·w·D), memory O(L·w). Causal as published; the bidirectional form
/// sees all of its segment. Padded keys are not attended; hidden ones among c tokens are zeros to the
/// convolution, count in no mean and no maximum, and c of them make no slot.
///
/// The convolution learns from an auxiliary loss alone, and nothing else learns from that: in training, for each
/// segment after which the row goes on, the mean squared difference between what the segment's queries read
/// from the tokens that leave the memory and from their slots (`StepEffects`; a mean over each row's
/// such tokens and features, a sum over rows and layers).
///
/// Rae and others 2019, arXiv 1911.05507, section 3 and algorithms 1 and 2. Deviation: u and w belong to a
/// layer; of the paper's kinds of compression, dilated convolutions and most-used are not here; memories are
/// empty at the start, where the paper's algorithm 1 has zeros, which are attended to.
///
/// Tensors under `blocks.{i}.attn`:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `{q,k,v}` | [H E, D] + [H E] | projections to heads |
/// | `out` | [D, H E] + [D] | projection back |
/// | `compressive_transformer.r.weight` | [H E, D] | W_r |
/// | `compressive_transformer.{u,w}` | [H, 1, E] | u and w |
/// | `compressive_transformer.conv` | [D, D, c] + [D] | the convolution, [out, in, token of the slot] |
public struct CompressiveTransformer: Mixer {
  /// The keys of `model.mixer`.
  public struct Configuration: ModelKeys {
    var segmentLength = 128
    var memoryLength = 128
    var compressedLength = 128
    var compressionRate = 4
    var compression = "conv"
    var weighSlots = false

    /// What each key is.
    public static let keys: [ModelKey<Configuration>] = [
      .init(
        "segment_length", \.segmentLength,
        "Tokens of a segment, s, a multiple of the compression rate."),
      .init(
        "memory_length", \.memoryLength,
        "Tokens of the memory, M, a multiple of the compression rate, at least 0."),
      .init(
        "compressed_memory_length", \.compressedLength,
        "Slots of the compressed memory, C, at least 0."),
      .init("compression_rate", \.compressionRate, "Tokens of a slot, c, at least 1."),
      .init("compression", \.compression, "How c tokens become a slot: `conv`, `mean` or `max`."),
      .init(
        "weigh_slots", \.weighSlots,
        "Whether ln c is added to the logits of slots, so that each weighs as much as c tokens."),
    ]

    /// What keys are that are not given.
    public static let defaults = Configuration()
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "compressive_transformer", summary: "segments with compressed memory",
    time: "L w d", memory: "L w", directions: [.bidirectional, .causal],
    paper: "1911.05507")

  /// Keys and values [B, H, N, E].
  typealias Pair = (keys: Tensor, values: Tensor)

  /// How c tokens become one.
  enum Compression {
    /// Kernel [D, D, c] and bias [D].
    case convolution(Parameter, Parameter)
    case mean, max
  }

  let heads: Heads
  let distance: DistanceLogits
  let compression: Compression
  let configuration: Configuration
  let model: ModelConfiguration

  /// Transformer-XL's parameters, and the convolution.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    let (s, m) = (configuration.segmentLength, configuration.memoryLength)
    let c = configuration.compressionRate
    guard s >= 1 && m >= 0 && configuration.compressedLength >= 0 && c >= 1 else {
      throw AttentionError.badValue(
        Self.mechanism.name,
        "segment_length and compression_rate are at least 1, memory lengths at least 0")
    }
    guard s % c == 0 && m % c == 0 else {
      throw AttentionError.badValue(
        Self.mechanism.name,
        "compression_rate \(c) does not divide segment_length \(s) and memory_length \(m)")
    }
    switch configuration.compression {
    case "conv":
      let (d, inputs) = (model.embDim, Double(model.embDim * c))
      compression = try .convolution(
        .normal([d, d, c], deviation: 1 / inputs.squareRoot(), key: key["conv"]),
        .constant([d], 0, role: .bias))
    case "mean": compression = .mean
    case "max": compression = .max
    default:
      throw AttentionError.badValue(
        Self.mechanism.name, "compression is conv, mean or max, not \(configuration.compression)")
    }
    heads = try Heads(model, key: key)
    distance = try DistanceLogits(model, of: Self.mechanism.name, key: key)
    self.configuration = configuration
    self.model = model
  }

  /// [B, L, D] to [B, L, D].
  public func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let (q, k, v) = try heads.split(x)  // [B, H, L, E] each
    // The same states without gradient: what the memory held.
    let past = try x.detached()
    let slots = try compressed(past, context)  // [B, S, D]
    let memory = (
      keys: try heads.parted(heads.key(past)), values: try heads.parted(heads.value(past))
    )
    let short = try slots?.detached()
    let pair = try short.map {
      (keys: try heads.parted(heads.key($0)), values: try heads.parted(heads.value($0)))
    }
    if context.training, case .convolution = compression, let slots {
      let made = (
        keys: try heads.parted(heads.key.frozen(slots)),
        values: try heads.parted(heads.value.frozen(slots))
      )
      let loss = try reconstructionLoss(
        q.detached(), (keys: memory.keys.detached(), values: memory.values.detached()), made,
        context)
      if let loss { context.effects.add(loss: loss) }
    }
    let attended = try attend(
      q, own: (keys: k, values: v), memory: memory, slots: pair, context, layer: layer
    ) { try distance.place($0).widened() }
    return try heads.merged(attended.transposed(1, 2))  // [B, L, D]
  }

  /// The projections; `compressive_transformer.{r.weight, u, w}` and, of the convolution,
  /// `compressive_transformer.conv.{weight, bias}` [D, D, c] and [D].
  public var parameters: [NamedParameter] {
    var own = distance.parameters
    if case .convolution(let kernel, let bias) = compression {
      own += [NamedParameter("conv.weight", kernel), NamedParameter("conv.bias", bias)]
    }
    return heads.parameters + own.prefixed("compressive_transformer")
  }

  /// Every whole group of c tokens as one slot: [B, L, D] to [B, L div c, D], nil when there is none.
  func compressed(_ x: Tensor, _ context: Context) throws -> Tensor? {
    let c = configuration.compressionRate
    let (b, count, d) = (x.size(0), x.size(1) / c, x.size(2))
    if count == 0 { return nil }
    let hidden = try hiddenFlags(context)?.slice(0..<(count * c), 2).select(0, 1)  // [B, S c, 1]
    let own = try x.slice(0..<(count * c), 1)  // [B, S c, D]
    let groups = try hidden.map { try own.filled(where: $0, 0) } ?? own
    let tokens = try tokensOfSlots(context)?.select(0, 1)  // [B, S, 1]
    switch compression {
    case .convolution(let kernel, let bias):
      return try groups.transposed(1, 2).convolved(kernel.value, stride: c)  // [B, D, S]
        .transposed(1, 2) + bias.value
    case .mean:
      let sums = try groups.reshaped([b, count, c, d]).sum([2])
      return try tokens.map { try sums / $0.clamped(least: 1).to(x.elementType) }
        ?? sums * (1 / Double(c))
    case .max:
      let only = try hidden.map { try own.filled(where: $0, -1e30) } ?? own
      let largest = try only.reshaped([b, count, c, d]).max(2).select(0, 2)
      return try tokens.map { try largest.filled(where: Self.none($0), 0) } ?? largest
    }
  }

  /// [B, 1, L, 1]: true at what is no token; nil unless positions are hidden.
  private func hiddenFlags(_ context: Context) throws -> Tensor? {
    guard context.hidden != nil, let blocked = try context.blockedKeys(upTo: context.length) else {
      return nil
    }
    return try blocked.reshaped([-1, 1, context.length, 1])
  }

  /// [B, 1, S, 1], float32: how many tokens each slot is made of; nil unless positions are hidden.
  private func tokensOfSlots(_ context: Context) throws -> Tensor? {
    let (c, count) = (configuration.compressionRate, context.length / configuration.compressionRate)
    return try hiddenFlags(context).map {
      try $0.not().to(.float32).slice(0..<(count * c), 2).reshaped([-1, 1, count, c])
        .sum([3], keep: true)
    }
  }

  /// Where counts are 0.
  private static func none(_ counts: Tensor) throws -> Tensor {
    try counts.less(than: .full([], 0.5, counts.elementType, on: counts.device))
  }

  /// Queries [B, H, L, E] over their segment, over the memory and over slots: [B, H, L, E].
  ///
  /// - Parameters:
  ///   - memory: keys and values of the same L tokens.
  ///   - slots: keys and values of their groups of c.
  ///   - project: sinusoids of distances [N, D] to [N, H E].
  func attend(
    _ q: Tensor, own: Pair, memory: Pair, slots: Pair?, _ context: Context, layer: Int,
    project: (Tensor) throws -> Tensor
  ) throws -> Tensor {
    let (length, c) = (q.size(2), configuration.compressionRate)
    let blocks = Blocks(size: min(configuration.segmentLength, length), length: length)
    let (s, count) = (blocks.size, blocks.count)
    // What the last segment can see.
    let m = min(configuration.memoryLength, (count - 1) * s)
    let r = min(configuration.compressedLength, max(0, (count - 1) * s - m) / c)
    let width = r + m + s
    let joined = { (own: Tensor, memory: Tensor, slots: Tensor?) in
      var parts = [try blocks.cut(own)]  // [B, H, n, s, E]
      if m > 0 { parts.insert(try before(memory, reach: m, step: s, count, newest: 0), at: 0) }
      if r > 0, let slots {
        parts.insert(try before(slots, reach: r, step: s / c, count, newest: m / c), at: 0)
      }
      return parts.count == 1 ? parts[0] : try .concatenated(parts, 3)  // [B, H, n, w, E]
    }
    let keys = try joined(own.keys, memory.keys, slots?.keys)
    let values = try joined(own.values, memory.values, slots?.values)
    var logits = try distance(blocks.cut(q), keys, project: project)  // [B, H, n, s, w]
    let tokens = r > 0 ? try tokensOfSlots(context) : nil  // [B, 1, S, 1]
    if configuration.weighSlots && r > 0 {
      let all = try Tensor.full([1, 1, length / c, 1], Double(c), on: q.device)
      let counts = try (tokens ?? all).clamped(least: 1).to(q.elementType).log()
      let weights = try before(counts, reach: r, step: s / c, count, newest: m / c)
      logits = try logits + weights.transposed(3, 4).padded(after: width - r, 4)
    }
    // What would stand before the first token.
    var blocked: Tensor? = try mask(count, width, on: q.device) { segment, j in
      j < r ? (segment * s - m) / c < r - j : j < r + m && segment * s < r + m - j
    }.reshaped([1, 1, count, 1, width])
    if let padding = try blocks.blockedKeys(context) {
      blocked = try blocked.or(padding.padded(before: r + m, 4))
    }
    if m > 0, let hidden = try hiddenFlags(context) {
      let past = try before(hidden.to(.float32), reach: m, step: s, count, newest: 0)
      blocked = try blocked.or(
        Self.none(past).not().transposed(3, 4).padded(before: r, after: s, 4))
    }
    if let tokens {
      let gone = try Self.none(tokens).to(.float32)
      let past = try before(gone, reach: r, step: s / c, count, newest: m / c)
      blocked = try blocked.or(Self.none(past).not().transposed(3, 4).padded(after: m + s, 4))
    }
    if model.causal {
      blocked = try blocked.or(mask(s, width, on: q.device) { $1 > $0 + r + m })
    }
    let source = KeySource(logits: logits, blocked: blocked) { try $0.matmul(values) }
    return try blocks.joined(
      context.attended([source], dropout: model.attentionDropoutRate, layer: layer))
  }

  /// The auxiliary loss of a pass, a scalar with gradient for the slots alone; nil when no row has one.
  ///
  /// - Parameters:
  ///   - q: queries [B, H, L, E] without gradient, as the tokens' keys and values.
  ///   - slots: keys and values of the groups of c tokens.
  func reconstructionLoss(_ q: Tensor, _ tokens: Pair, _ slots: Pair, _ context: Context) throws
    -> Tensor?
  {
    let (b, h, length, e) = (q.size(0), q.size(1), q.size(2), q.size(3))
    let (s, m, c) = (
      configuration.segmentLength, configuration.memoryLength, configuration.compressionRate
    )
    // Segments after which the longest row goes on; the first of them may push nothing out.
    let count = (length - 1) / s
    let first = m / s
    guard length > 0 && count > first else { return nil }
    let shares = context.lengths.enumerated().flatMap { row, real -> [Double] in
      let own = (first * s)..<max(first, (real - 1) / s) * s
      let counts = context.shown?[row].filter(own.contains).count ?? own.count
      let places = context.shown.map { Set($0[row]) }
      return (0..<(count * s)).map {
        own.contains($0) && places?.contains($0) ?? true ? 1 / Double(counts * h * e) : 0
      }
    }
    guard shares.contains(where: { $0 > 0 }) else { return nil }
    let cut = { (x: Tensor, shift: Int, size: Int) in
      try x.padded(before: shift, 2).slice(0..<(count * size), 2)
        .reshaped([x.size(0), x.size(1), count, size, x.size(3)])
    }
    let queries = try cut(q, 0, s)  // [B, H, n, s, E]
    let read = { (pair: Pair, gone: Tensor?, shift: Int, size: Int) in
      let early = try mask(count, size, on: q.device) { $0 * size + $1 < shift }
      let hidden = try gone.map {
        try Self.none(cut($0.to(.float32), shift, size)).not().transposed(3, 4)
      }
      let source = try KeySource(
        queries, cut(pair.keys, shift, size), cut(pair.values, shift, size), scale: heads.scale,
        blocked: hidden.or(early.reshaped([1, 1, count, 1, size])))
      return try context.attended([source], dropout: 0, layer: 0)
    }
    let empty = try tokensOfSlots(context).map { try Self.none($0) }
    let off = try read(tokens, hiddenFlags(context), m, s) - read(slots, empty, m / c, s / c)
    let weights = try Tensor.from(shares, [b, 1, count, s, 1]).to(off.elementType).to(q.device)
    return try (off * off * weights).sum()
  }

  /// For every segment the `reach` tokens or slots that end `newest` before it, zeros where there are none:
  /// [B, H, N, E] to [B, H, n, reach, E].
  private func before(_ x: Tensor, reach: Int, step: Int, _ count: Int, newest: Int) throws
    -> Tensor
  {
    let front = reach + newest
    let needed = (count - 1) * step + reach
    let room = try x.padded(before: front, after: max(0, needed - front - x.size(2)), 2)
    return try room.slice(0..<needed, 2).windows(size: reach, step: step, 2).transposed(3, 4)
  }
}
