import Tensors

/// Kernelized attention: a Gaussian kernel in place of softmax, without normalisation.
///
/// `exp(-|q - k|² / 2√E) V`: the logits of softmax attention less half the squared lengths of query and key,
/// so that no row has to be divided by its sum. Time is O(L²·D); in float32 on the CPU the L x L matrix is
/// never stored. Padded keys are not attended; a causal token sees itself and earlier ones.
///
/// Chen and others 2021 (Skyformer), arXiv 2111.00035, section 4.1.
///
/// Tensors under `blocks.{i}.attn`:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `{q,k,v}` | [H E, D] + [H E] | projections to heads |
/// | `out` | [D, H E] + [D] | projection back |
public struct Kernelized: Mixer {
  /// It has no keys of its own.
  public struct Configuration: ModelKeys {
    /// What each key is.
    public static let keys: [ModelKey<Configuration>] = []

    /// What keys are that are not given.
    public static let defaults = Configuration()
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "kernelized", summary: "Gaussian kernel, not normalised", time: "L^2 d", memory: "L d",
    directions: [.bidirectional, .causal], paper: "2111.00035")

  let heads: Heads
  let causal: Bool
  let dropoutRate: Double

  /// Four projections and nothing else.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    heads = try Heads(model, key: key)
    causal = model.causal
    dropoutRate = model.attentionDropoutRate
  }

  /// [B, L, D] to [B, L, D].
  public func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let (q, k, v) = try heads.split(x)  // [B, H, L, E] each
    let attended = try attend(q, k, v, context, layer: layer)
    return try heads.merged(attended.transposed(1, 2))  // [B, L, D]
  }

  /// The projections.
  public var parameters: [NamedParameter] { heads.parameters }

  /// Queries, keys and values [B, H, L, E] to [B, H, L, E].
  func attend(_ q: Tensor, _ k: Tensor, _ v: Tensor, _ context: Context, layer: Int) throws
    -> Tensor
  {
    try context.gaussianAttention(
      q, k, v, scale: heads.scale, padded: true, causal: causal, dropout: dropoutRate, layer: layer)
  }
}

extension Context {
  /// `exp(-scale |q - k|² / 2) V`: queries [B, H, Q, E] over keys and values [B, H, K, E] to [B, H, Q, E].
  ///
  /// A kernel stores no weights; float64, CUDA and hidden positions take the composed form.
  ///
  /// - Parameters:
  ///   - padded: whether the keys are this batch's tokens, of which those at padding do not count.
  ///   - dropout: rate on the weights.
  func gaussianAttention(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, scale: Double, padded: Bool, causal: Bool = false,
    dropout rate: Double = 0, layer: Int = 0
  ) throws -> Tensor {
    if fusesPairs(q) {
      return try q.pairAttention(
        k, v, .gaussian, lengths: padded ? lengthTensor : nil, causal: causal, scale: scale,
        dropout: training ? rate : 0, key: key[layer]["attention.probability"], examples: examples)
    }
    let length = k.size(2)
    var logits = try gaussianExponents(q, k) * scale  // [B, H, Q, K]
    var blocked: Tensor?
    if padded {
      blocked = try blockedKeys(upTo: length).map { try $0.reshaped([$0.size(0), 1, 1, length]) }
    }
    if causal { blocked = try blocked.or(mask(length, length, on: q.device) { $1 > $0 }) }
    if let blocked { logits = try logits.filled(where: blocked, blockedLogit) }
    let weights = try dropout(logits.exp(), rate, layer: layer, site: "attention.probability")
    return try weights.matmul(v)
  }

  /// Whether the kernel for queries and other keys takes these: float32 on the CPU, no hidden positions.
  func fusesPairs(_ queries: Tensor) -> Bool {
    hidden == nil && queries.elementType == .float32 && queries.device == .cpu
  }
}

/// `-|a - b|² / 2` for all pairs: [..., N, E] and [..., M, E] to [..., N, M].
func gaussianExponents(_ a: Tensor, _ b: Tensor) throws -> Tensor {
  let lengths = { (x: Tensor) in try (x * x).sum([-1], keep: true) * 0.5 }
  return try a.matmul(b.transposed(-2, -1)) - lengths(a) - lengths(b).transposed(-2, -1)
}
