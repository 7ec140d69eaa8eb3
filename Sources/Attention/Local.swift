import Tensors

/// Local attention: softmax in blocks of b tokens.
///
/// A token attends to its own block, and to whole neighbouring blocks if asked to, in O(L·b·D) time
/// and O(L·b) memory. Blocks begin at the first token, so padding behind a row changes nothing; keys
/// at padded positions are not attended. The causal form looks back within the block and at blocks
/// before.
///
/// LRA's Local Attention (Tay and others 2020, arXiv 2011.04006); blocks as in Parmar and others 2018.
///
/// Tensors under `blocks.{i}.attn`:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `{q,k,v}` | [H E, D] + [H E] | projections to heads |
/// | `out` | [D, H E] + [D] | projection back |
public struct Local: Mixer {
  /// The keys of `model.attention`.
  public struct Configuration: Codable, Sendable {
    /// Tokens of a block, b, at least 1; LRA has 50, and 64 for images.
    public var blockSize = 64
    /// Whole blocks before its own that a token attends to.
    public var blocksBefore = 0
    /// Whole blocks after its own; not used by the causal form.
    public var blocksAfter = 0
    /// What LRA's code really does: groups of every n-th token instead of blocks of neighbours.
    ///
    /// It reshapes to [b, n] instead of [n, b], masks padding as if blocks were contiguous, adds a
    /// block of padding even to a full one, and attends to it (spec/models.md 8 a, b).
    public var stridedGroups = false

    enum CodingKeys: String, CodingKey {
      case blockSize = "block_size"
      case blocksBefore = "blocks_before"
      case blocksAfter = "blocks_after"
      case stridedGroups = "strided_groups"
    }
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "local", summary: "softmax within blocks of b tokens", time: "L b d", memory: "L b",
    directions: [.bidirectional, .causal], paper: "2011.04006")
  /// Blocks of 64 tokens, no neighbours.
  public static let defaults = Configuration()

  let heads: Heads
  let configuration: Configuration
  let causal: Bool
  let dropoutRate: Double

  /// Four projections and nothing else.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    guard configuration.blockSize >= 1 else {
      throw AttentionError.badValue(
        Self.mechanism.name, "block_size is at least 1, not \(configuration.blockSize)")
    }
    guard configuration.blocksBefore >= 0 && configuration.blocksAfter >= 0 else {
      throw AttentionError.badValue(
        Self.mechanism.name, "blocks_before and blocks_after are at least 0")
    }
    guard !(configuration.stridedGroups && model.causal) else {
      throw AttentionError.badValue(Self.mechanism.name, "strided_groups cannot be causal")
    }
    heads = try Heads(model, key: key)
    self.configuration = configuration
    causal = model.causal
    dropoutRate = model.attentionDropoutRate
  }

  /// [B, L, D] to [B, L, D].
  public func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let (q, k, v) = try heads.split(x)  // [B, H, L, E] each
    let attended =
      configuration.stridedGroups
      ? try attendStrided(q, k, v, context, layer: layer)
      : try attend(q, k, v, context, layer: layer)
    return try heads.merged(attended.transposed(1, 2))  // [B, L, D]
  }

  /// The projections.
  public var parameters: [NamedParameter] { heads.parameters }

  /// Queries, keys and values [B, H, L, E] to [B, H, L, E].
  func attend(_ q: Tensor, _ k: Tensor, _ v: Tensor, _ context: Context, layer: Int) throws
    -> Tensor
  {
    let b = configuration.blockSize
    let before = configuration.blocksBefore
    let after = causal ? 0 : configuration.blocksAfter
    let blocks = Blocks(size: b, length: q.size(2))
    var blocked = try blocks.blockedWindows(context, before: before, after: after)
    if causal {
      let future = try mask(b, (before + 1) * b, on: q.device) { $1 - before * b > $0 }  // [b, w]
      blocked = try blocked.or(future)
    }
    let source = try KeySource(
      blocks.cut(q), blocks.windows(k, before: before, after: after),
      blocks.windows(v, before: before, after: after), scale: heads.scale, blocked: blocked)
    return try blocks.joined(
      context.attended([source], dropout: dropoutRate, layer: layer))  // [B, H, L, E]
  }

  /// As released: token t belongs to group t mod n, and the mask to blocks of neighbours.
  func attendStrided(_ q: Tensor, _ k: Tensor, _ v: Tensor, _ context: Context, layer: Int) throws
    -> Tensor
  {
    let (b, length) = (configuration.blockSize, q.size(2))
    let n = length / b + 1
    let grouped = { (x: Tensor) in
      try x.padded(after: n * b - length, 2).reshaped([x.size(0), x.size(1), b, n, x.size(3)])
        .transposed(2, 3)  // [B, H, n, b, E]
    }
    let flags = try context.blockedKeys(upTo: length) ?? .zeros([1, length], .bool, on: q.device)
    // The filling counts as real: its mask value of -1e9 became true in the released code.
    let padding = try flags.padded(after: n * b - length, 1).reshaped([-1, 1, n, b])
    // Deviation: none. A padded query has no allowed key; -1e10 everywhere is a uniform softmax.
    let blocked = try padding.unsqueezed(3).or(padding.unsqueezed(4))  // [B, 1, n, b, b]
    let logits = try grouped(q).matmul(grouped(k).transposed(3, 4)) * heads.scale
    let weights = try context.dropout(
      logits.filled(where: blocked, -1e10).softmax(-1), dropoutRate, layer: layer,
      site: "attention.probability")
    return try weights.matmul(grouped(v)).transposed(2, 3)  // [B, H, b, n, E]
      .reshaped([q.size(0), q.size(1), n * b, q.size(3)]).slice(0..<length, 2)
  }
}
