import Tensors

/// Routing Transformer: tokens attend within clusters of similar content.
///
/// Queries and keys have unit length, so that logits are at most 1/√E and each cluster's softmax is nearly
/// uniform. Deviation: the authors' layer norm gives them length √E and logits up to √E; `layer_norm_length`
/// does that. Each of C centroids takes the w = L/C queries and the w keys most
/// like it, which attend to each other; a token in several clusters gets the mean of its outputs, a token
/// in none gets zeros. With C about √L time is O(L·√L·D). C and w come from the longest length, and
/// padding is chosen last and not attended, so it changes nothing. The choice of the most similar looks
/// at the whole sequence: the mechanism cannot be strictly causal.
///
/// Centroids are saved but have no gradient: after each training step they move towards the mean of the
/// vectors of the whole step that were nearest to them, over all parts of the batch and all ranks
/// (`StepEffects`), so that neither decides where they go.
///
/// Roy and others 2021, arXiv 2003.05997, sections 4.1 and 4.2.
///
/// Tensors under `blocks.{i}.attn`:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `{q,k,v}` | [H E, D] + [H E] | projections to heads; no `q` with `share_qk` |
/// | `out` | [D, H E] + [D] | projection back |
/// | `routing_transformer.centroids` | [H, c, E] | buffer: c unit vectors |
public struct RoutingTransformer: Mixer {
  /// The keys of `model.mixer`.
  public struct Configuration: ModelKeys {
    var numClusters = 0
    var window = 0
    var decay = 0.999
    var shareQK = false
    var layerNormLength = false

    /// What each key is.
    public static let keys: [ModelKey<Configuration>] = [
      .init("num_clusters", \.numClusters, "Clusters C; 0 for the root of the longest length."),
      .init("window", \.window, "Tokens of a cluster, w; 0 for longest length / C."),
      .init("decay", \.decay, "Share of the old centroid in an update, in 0...1."),
      .init("share_qk", \.shareQK, "One projection for queries and keys."),
      .init(
        "layer_norm_length", \.layerNormLength,
        """
        Queries and keys have length √E, as after the authors' layer norm without gain and \
        offset.
        """),
    ]

    /// What keys are that are not given.
    public static let defaults = Configuration()
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "routing_transformer", summary: "softmax in clusters of content",
    time: "L^1.5 d", memory: "L^1.5", directions: [.bidirectional], paper: "2003.05997")

  let heads: Heads
  let centroids: Parameter  // [H, C, E], unit rows
  let window: Int
  let configuration: Configuration
  let dropoutRate: Double

  /// Four projections and the centroids.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    guard
      configuration.numClusters >= 0 && configuration.window >= 0
        && (0...1).contains(configuration.decay)
    else {
      throw AttentionError.badValue(
        Self.mechanism.name, "num_clusters and window are at least 0, decay is in 0...1")
    }
    heads = try Heads(model, key: key)
    let longest = model.positions
    let root = Int(Double(longest).squareRoot().rounded())
    let clusters = configuration.numClusters > 0 ? configuration.numClusters : max(1, root)
    window =
      configuration.window > 0 ? configuration.window : (longest + clusters - 1) / clusters
    let drawn = try Tensor.normal(
      [model.numHeads, clusters, model.headWidth], key: key["centroids"])
    centroids = try .buffer(Self.unit(drawn))
    self.configuration = configuration
    dropoutRate = model.attentionDropoutRate
  }

  /// [B, L, D] to [B, L, D].
  public func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let (q, k, v) = try heads.split(x)  // [B, H, L, E] each
    let queries = try Self.unit(configuration.shareQK ? k : q)
    let keys = configuration.shareQK ? queries : try Self.unit(k)
    let attended = try attend(queries, keys, v, context, layer: layer)
    if context.training {
      try withoutGradient { try count([queries, keys], context) }
    }
    return try heads.merged(attended.transposed(1, 2))  // [B, L, D]
  }

  /// The projections, `q` but with `share_qk`; the buffer `routing_transformer.centroids` [H, C, E].
  public var parameters: [NamedParameter] {
    let used = heads.parameters.filter { !configuration.shareQK || !$0.name.hasPrefix("q.") }
    return used + [NamedParameter("routing_transformer.centroids", centroids)]
  }

  /// Unit queries and keys and values [B, H, L, E] to [B, H, L, E].
  func attend(_ q: Tensor, _ k: Tensor, _ v: Tensor, _ context: Context, layer: Int) throws
    -> Tensor
  {
    let (b, h, length, e) = (q.size(0), q.size(1), q.size(2), v.size(3))
    let clusters = centroids.value.size(1)
    let w = min(window, length)
    let padding = try context.blockedKeys(upTo: length)
    let members = { (x: Tensor) in
      // [B, H, C, w]: the most similar tokens of each centroid, padding last.
      try withoutGradient { () throws -> Tensor in
        let likeness = try centroids.value.matmul(x.transposed(2, 3))  // [B, H, C, L]
        let real = try padding.map {
          try likeness.filled(where: $0.reshaped([$0.size(0), 1, 1, length]), -1e9)
        }
        return try (real ?? likeness).largest(w, 3)
      }
    }
    let (rows, columns) = (try members(q), try members(k))
    let bases = try Tensor.from((0..<(b * h)).map { Int64($0 * length) }, [b, h, 1, 1]).to(q.device)
    let picked = try q.reshaped([b * h * length, q.size(3)])
      .picked((rows + bases).reshaped([-1]), 0).reshaped([b, h, clusters * w, q.size(3)])
    // Twice √E over √E.
    let scale = configuration.layerNormLength ? 1 / heads.scale : heads.scale
    let outputs = try context.attended(
      picked, k, v, by: plan(columns, context), scale: scale, dropout: dropoutRate,
      layer: layer
    ).to(q.elementType)  // [B, H, C w, E]
    let places = try rows.reshaped([b, h, clusters * w, 1])
    let sums = try Tensor.zeros([b, h, length, e], q.elementType, on: q.device)
      .adding(outputs, at: places.expanded([b, h, clusters * w, e]), 2)
    let counts = try Tensor.zeros([b, h, length, 1], q.elementType, on: q.device)
      .adding(.full([b, h, clusters * w, 1], 1, q.elementType, on: q.device), at: places, 2)
    return try sums / counts.clamped(least: 1)
  }

  /// The w queries of each cluster, in their order, with the keys of the cluster [B, H, C, w].
  private func plan(_ keys: Tensor, _ context: Context) throws -> AttentionPlan {
    let (pairs, heads, clusters, w) = (
      keys.size(0) * keys.size(1), keys.size(1), keys.size(2), keys.size(3)
    )
    let numbers = try keys.to(.cpu).integers().map(Int.init)
    let hidden = try context.blockedKeys(upTo: context.length)?.to(.int64).to(.cpu)
    let flags = try hidden?.expanded([pairs / heads, context.length]).integers()
    var builder = AttentionPlan.Builder()
    for pair in 0..<pairs {
      for cluster in 0..<clusters {
        let first = (pair * clusters + cluster) * w
        builder.add(
          queries: (cluster * w)..<((cluster + 1) * w),
          keys: numbers[first..<(first + w)].lazy.map { key in
            flags?[pair / heads * context.length + key] ?? 0 != 0 ? -1 : key
          })
      }
      builder.endPlan()
    }
    return AttentionPlan(builder)
  }

  /// Adds the real vectors [B, H, L, E] that are nearest to each centroid to the step's statistics.
  private func count(_ vectors: [Tensor], _ context: Context) throws {
    let old = centroids.value
    let (h, clusters, e) = (old.size(0), old.size(1), old.size(2))
    var sums = try Tensor.zeros([h, clusters, e + 1], old.elementType, on: old.device)
    for x in vectors {
      let length = x.size(2)
      let nearest = try old.matmul(x.transposed(2, 3)).argmax(2)  // [B, H, L]
      let ids = try Tensor.integers(0..<clusters, on: old.device).reshaped([clusters, 1])
      var member = try nearest.unsqueezed(2).equal(ids).to(old.elementType)  // [B, H, C, L]
      if let real = try context.realPositions() {
        member = try member * real.reshaped([real.size(0), 1, 1, length]).to(old.elementType)
      }
      // The sum of a centroid's vectors, and behind it how many they are.
      sums =
        try sums
        + .concatenated([member.matmul(x).sum([0]), member.sum([0, 3]).unsqueezed(2)], 2)
    }
    try context.effects.add(statistic: sums, of: centroids) { try follow($0) }
  }

  /// Moves each centroid towards the mean of its vectors: their sums and counts [H, C, E + 1].
  private func follow(_ sums: Tensor) throws {
    let old = centroids.value
    let e = old.size(2)
    let counts = try sums.slice(e..<(e + 1), 2)  // [H, C, 1]
    let means = try sums.slice(0..<e, 2) / counts.clamped(least: 1)
    let moved = try Self.unit(old * configuration.decay + means * (1 - configuration.decay))
    let alone = try counts.less(than: .full([], 0.5, old.elementType, on: old.device))
    try old.copy(from: old.chosen(where: alone, else: moved))
  }

  /// Rows of length 1.
  private static func unit(_ x: Tensor) throws -> Tensor {
    try x / ((x * x).sum([-1], keep: true) + 1e-12).squareRoot()
  }
}
