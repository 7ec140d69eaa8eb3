import Tensors

/// Transformer-XL: segments read one after the other, each with a memory of the tokens before it.
///
/// A token attends to its segment and to the M tokens before the segment, whose states (the inputs of the
/// same layer) carry no gradient. Since a whole sequence is at hand, all segments are computed at once: the
/// outputs are those of reading segment by segment. Places enter as distances:
/// `((q_i + u)·k_j + (q_i + w)·R_{i-j} W_r) / √E`, with fixed sinusoids R. Time is O(L·(s + M)·D), memory
/// O(L·(s + M)). Causal as published; the bidirectional form sees all of its segment. Padded keys are
/// not attended.
///
/// Dai and others 2019, arXiv 1901.02860, section 3. Deviation: u and w belong to a layer.
///
/// Tensors under `blocks.{i}.attn`:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `{q,k,v}` | [H E, D] + [H E] | projections to heads |
/// | `out` | [D, H E] + [D] | projection back |
/// | `transformer_xl.r.weight` | [H E, D] | W_r |
/// | `transformer_xl.{u,w}` | [H, 1, E] | u and w |
public struct TransformerXL: Mixer {
  /// The keys of `model.attention`.
  public struct Configuration: Codable, Sendable {
    /// Tokens of a segment, s, at least 1.
    public var segmentLength = 256
    /// Tokens of the memory, M, at least 0.
    public var memoryLength = 256

    enum CodingKeys: String, CodingKey {
      case segmentLength = "segment_length"
      case memoryLength = "memory_length"
    }
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "transformer_xl", summary: "segments and memory, by distance",
    time: "L (s+M) d", memory: "L (s+M)", directions: [.bidirectional, .causal],
    paper: "1901.02860")
  /// Segments and memory of 256 tokens: at 16,384 tokens a layer in training holds 253 MiB for each head;
  /// twice the size would hold more than a mask of all pairs, 256 MiB.
  public static let defaults = Configuration()

  let heads: Heads
  let distance: DistanceLogits
  let configuration: Configuration
  let model: ModelConfiguration

  /// Five projections and two vectors for each head.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    guard configuration.segmentLength >= 1 && configuration.memoryLength >= 0 else {
      throw AttentionError.badValue(
        Self.mechanism.name, "segment_length is at least 1, memory_length at least 0")
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
    let memory = (try heads.parted(heads.key(past)), try heads.parted(heads.value(past)))
    let attended = try attend(q, (k, v), memory, context, layer: layer) {
      try distance.place($0).widened()
    }
    return try heads.merged(attended.transposed(1, 2))  // [B, L, D]
  }

  /// The projections; `transformer_xl.{r.weight, u, w}`.
  public var parameters: [NamedParameter] {
    heads.parameters + distance.parameters.prefixed("transformer_xl")
  }

  /// Queries [B, H, L, E] over keys and values of their segment and, as memory, of those before.
  ///
  /// - Parameter project: sinusoids of distances [N, D] to [N, H E].
  func attend(
    _ q: Tensor, _ own: (Tensor, Tensor), _ memory: (Tensor, Tensor), _ context: Context,
    layer: Int, project: (Tensor) throws -> Tensor
  ) throws -> Tensor {
    let (s, m) = (min(configuration.segmentLength, q.size(2)), configuration.memoryLength)
    let blocks = Blocks(size: s, length: q.size(2))
    let before = min((m + s - 1) / s, blocks.count - 1)
    let width = (before + 1) * s
    let joined = { (memory: Tensor, own: Tensor) in
      // Windows end with the segment itself, which comes with its gradient.
      try Tensor.concatenated(
        [
          blocks.windows(memory, before: before, after: 0).slice(0..<(before * s), 3),
          blocks.cut(own),
        ], 3)  // [B, H, n, w, E]
    }
    let (keys, values) = (try joined(memory.0, own.0), try joined(memory.1, own.1))
    let logits = try distance(blocks.cut(q), keys, project: project)  // [B, H, n, s, w]
    let causal = model.causal
    let outside = try mask(s, width, on: q.device) { row, slot in
      slot < before * s - m || (causal && slot - before * s > row)
    }
    let blocked = try blocks.blockedWindows(context, before: before, after: 0).or(outside)
    let source = KeySource(logits: logits, blocked: blocked) { try $0.matmul(values) }
    return try blocks.joined(
      context.attended([source], dropout: model.attentionDropoutRate, layer: layer))
  }
}
