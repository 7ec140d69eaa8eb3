import Tensors

/// Local attention: softmax in blocks of b tokens.
///
/// A token attends to its own block, and to whole neighbouring blocks if asked to, in O(L·b·D) time
/// and O(L·D) memory. Blocks begin at the first token, so padding behind a row changes nothing; keys
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
  /// The keys of `model.mixer`.
  public struct Configuration: ModelKeys {
    var blockSize = 64
    var blocksBefore = 0
    var blocksAfter = 0
    var stridedGroups = false

    /// What each key is.
    public static let keys: [ModelKey<Configuration>] = [
      .init(
        "block_size", \.blockSize,
        "Tokens of a block, b, at least 1; LRA has 50, and 64 for images."),
      .init(
        "blocks_before", \.blocksBefore,
        "Whole blocks before its own that a token attends to."),
      .init(
        "blocks_after", \.blocksAfter,
        "Whole blocks after its own; not used by the causal form."),
      .init(
        "strided_groups", \.stridedGroups,
        """
        What LRA's code really does: groups of every n-th token instead of blocks of neighbours. \
        It reshapes to [b, n] instead of [n, b], masks padding as if blocks were contiguous, \
        adds a block of padding even to a full one, and attends to it \
        (lra_benchmarks/models/local/local_attention.py).
        """),
    ]

    /// What keys are that are not given.
    public static let defaults = Configuration()
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "local", summary: "softmax within blocks of b tokens", time: "L b d", memory: "L d",
    directions: [.bidirectional, .causal], paper: "2011.04006")

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
    let qkv = try heads.packed(x, narrow: !configuration.stridedGroups)  // [B, L, 3, H, E]
    return try heads.merged(
      configuration.stridedGroups
        ? attendStrided(qkv, context, layer: layer) : attend(qkv, context, layer: layer))
  }

  /// The projections.
  public var parameters: [NamedParameter] { heads.parameters }

  /// Queries, keys and values [B, L, 3, H, E] to [B, L, H, E].
  func attend(_ qkv: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let (b, length) = (configuration.blockSize, qkv.size(1))
    let before = configuration.blocksBefore
    let after = causal ? 0 : configuration.blocksAfter
    let plan = try context.plan("\(configuration) \(causal) \(length)") { groups, shown in
      for first in stride(from: 0, to: length, by: b) {
        let queries = first..<min(first + b, length)
        let keys = (max(0, first - before * b)..<min(first + (1 + after) * b, length)).map(shown)
        if causal {
          groups.add(queries: queries, keys: keys, bounds: { 0...$0 }, code: { $1 })
        } else {
          groups.add(queries: queries, keys: keys)
        }
      }
    }
    return try context.attended(
      qkv, by: plan, scale: heads.scale, dropout: dropoutRate, layer: layer)
  }

  /// As released: token t belongs to group t mod n, and the mask to blocks of neighbours.
  func attendStrided(_ qkv: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let (b, length) = (configuration.blockSize, qkv.size(1))
    let n = length / b + 1
    let grouped = { (index: Int) in
      let x = try qkv.widened().select(index, 2).transposed(1, 2)  // [B, H, L, E]
      return try x.padded(after: n * b - length, 2)
        .reshaped([x.size(0), x.size(1), b, n, x.size(3)]).transposed(2, 3)  // [B, H, n, b, E]
    }
    let flags = try context.blockedKeys(upTo: length) ?? .zeros([1, length], .bool, on: qkv.device)
    // The filling counts as real: its mask value of -1e9 became true in the released code.
    let padding = try flags.padded(after: n * b - length, 1).reshaped([-1, 1, n, b])
    // Deviation: none. A padded query has no allowed key; -1e10 everywhere is a uniform softmax.
    let blocked = try padding.unsqueezed(3).or(padding.unsqueezed(4))  // [B, 1, n, b, b]
    let logits = try grouped(0).matmul(grouped(1).transposed(3, 4)) * heads.scale
    let weights = try context.dropout(
      logits.filled(where: blocked, -1e10).softmax(-1), dropoutRate, layer: layer,
      site: "attention.probability")
    return try weights.matmul(grouped(2)).transposed(2, 3)  // [B, H, b, n, E]
      .reshaped([qkv.size(0), qkv.size(3), n * b, qkv.size(4)]).slice(0..<length, 2)
      .transposed(1, 2)  // [B, L, H, E]
  }
}
