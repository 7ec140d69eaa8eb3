import Tensors

/// Transformer-XL: segments read one after the other, each with a memory of the tokens before it.
///
/// A token attends to its segment and to the M tokens before the segment, whose states (the inputs of the
/// same layer) carry no gradient. Since a whole sequence is at hand, all segments are computed at once: the
/// outputs are those of reading segment by segment. Places enter as distances:
/// `((q_i + u)·k_j + (q_i + w)·R_{i-j} W_r) / √E`, with fixed sinusoids R. Time is O(L·(s + M)·H·D), memory
/// O(L·H·D). Causal as published; the bidirectional form sees all of its segment. Padded keys are
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
  /// The keys of `model.mixer`.
  public struct Configuration: ModelKeys {
    var segmentLength = 256
    var memoryLength = 256

    /// What each key is.
    public static let keys: [ModelKey<Configuration>] = [
      .init("segment_length", \.segmentLength, "Tokens of a segment, s, at least 1."),
      .init("memory_length", \.memoryLength, "Tokens of the memory, M, at least 0."),
    ]

    /// What keys are that are not given.
    public static let defaults = Configuration()
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "transformer_xl", summary: "segments and memory, by distance",
    time: "L (s+M) d", memory: "L h d", directions: [.bidirectional, .causal],
    paper: "1901.02860")

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
    let length = q.size(2)
    let blocks = Blocks(size: min(configuration.segmentLength, length), length: length)
    let memoryLength = blocks.count > 1 ? configuration.memoryLength : 0
    let all = memoryLength > 0 ? [own, memory] : [own]
    let (queries, keys) = try distance.widened(q, all.map { $0.0 }, project: project)
    return try context.attended(
      queries, .concatenated(keys, 2), .concatenated(all.map { $0.1 }, 2),
      by: plan(blocks, memoryLength, context), scale: heads.scale,
      dropout: model.attentionDropoutRate, layer: layer)
  }

  /// A group for each segment: the tokens before it, from the rows of the memory, and its own.
  private func plan(_ blocks: Blocks, _ memoryLength: Int, _ context: Context) throws
    -> AttentionPlan
  {
    let (size, length, causal) = (blocks.size, blocks.length, model.causal)
    return try context.plan("\(configuration) \(causal) \(length)", ragged: true) { groups, shown in
      for first in stride(from: 0, to: length, by: size) {
        let own = first..<min(first + size, length)
        let past = (max(0, first - memoryLength)..<first).map { shown($0) < 0 ? -1 : length + $0 }
        guard causal else {
          groups.add(queries: own, keys: past + own.map(shown))
          continue
        }
        groups.add(
          queries: own, keys: past + own.map(shown), shared: past.count, bounds: { 0...$0 },
          code: { _, key in key })
      }
    }
  }
}
