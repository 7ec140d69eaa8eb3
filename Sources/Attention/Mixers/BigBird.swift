import Tensors

/// BigBird: blocks attend to their neighbours, to the first and last block, and to random blocks.
///
/// In units of blocks of b tokens, row block r attends to {r-1, r, r+1}, to the two global blocks and to
/// R random ones; the global blocks attend to all. Time is O(L·b·(5+R)·D) and memory O(L·D). The
/// last global block is the one that holds a row's last token, so padding changes nothing. Random
/// blocks: row block r has an order of all blocks, drawn once per layer for the longest sequence, and
/// takes the first R of it that exist and are not attended anyway. Each key counts once.
/// The mechanism cannot be causal.
///
/// Zaheer and others 2020, arXiv 2007.14062, section 2 and appendix D.
///
/// Tensors under `blocks.{i}.attn`:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `{q,k,v}` | [H E, D] + [H E] | projections to heads |
/// | `out` | [D, H E] + [D] | projection back |
/// | `bigbird.plan` | [n, n] | buffer: for each row block all blocks by preference |
public struct BigBird: Mixer {
  /// The keys of `model.mixer`.
  public struct Configuration: ModelKeys {
    var blockSize = 64
    var numRandBlocks = 3
    var randomWithin = 0
    var attendedFilling = false
    var filledRows = false

    /// What each key is.
    public static let keys: [ModelKey<Configuration>] = [
      .init("block_size", \.blockSize, "Tokens of a block, b, at least 1."),
      .init("num_rand_blocks", \.numRandBlocks, "Random blocks of every row block, R, at least 0."),
      .init(
        "random_within", \.randomWithin,
        """
        Random blocks only begin within this many tokens, as in LRA's code (1024); 0 for \
        everywhere.
        """),
      .init(
        "attended_filling", \.attendedFilling,
        "LRA's filling: at least one token, which is attended and makes the last global block."),
      .init(
        "filled_rows", \.filledRows,
        """
        Blocks are those of a row filled to the next power of two of `max_length`, as in \
        Skyformer's code (src/models/attention_bigbird.py, after transformers): its last block \
        is the last global one, and random ones may be padding, which is not attended. Left: \
        that code draws random blocks anew in every pass, for each head.
        """),
    ]

    /// What keys are that are not given.
    public static let defaults = Configuration()
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "bigbird", summary: "window, global and random blocks", time: "L (5+R)b d",
    memory: "L d", directions: [.bidirectional], paper: "2007.14062")

  let heads: Heads
  let configuration: Configuration
  let dropoutRate: Double
  /// Block ids [n, n] by preference, one order for every row block.
  let plan: Parameter
  /// Blocks of a filled row; nil where rows end with their tokens.
  let filledCount: Int?

  /// Four projections and the plan.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    guard configuration.blockSize >= 1 && configuration.numRandBlocks >= 0 else {
      throw AttentionError.badValue(
        Self.mechanism.name, "block_size is at least 1 and num_rand_blocks at least 0")
    }
    guard !(configuration.filledRows && configuration.attendedFilling) else {
      throw AttentionError.badValue(
        Self.mechanism.name, "filled_rows and attended_filling exclude each other")
    }
    heads = try Heads(model, key: key)
    self.configuration = configuration
    dropoutRate = model.attentionDropoutRate
    let filling = configuration.attendedFilling ? 1 : 0
    let longest = configuration.filledRows ? model.filledLength : model.positions + filling
    let count = Blocks(size: configuration.blockSize, length: longest).count
    filledCount = configuration.filledRows ? count : nil
    plan = try .buffer(
      Tensor.normal([count, count], key: key["plan"]).sortingOrder(1).to(.float32))
  }

  /// [B, L, D] to [B, L, D].
  public func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let count = plan.value.size(0)
    let flat = try plan.value.integers().map(Int.init)
    let orders = (0..<count).map { Array(flat[($0 * count)..<(($0 + 1) * count)]) }
    let attended = try attend(heads.packed(x, narrow: true), context, orders: orders, layer: layer)
    return try heads.merged(attended)  // [B, L, D]
  }

  /// The projections; the buffer `bigbird.plan` [n, n], block ids.
  public var parameters: [NamedParameter] {
    heads.parameters + [NamedParameter("bigbird.plan", plan)]
  }

  /// Queries, keys and values [B, L, 3, H, E] to [B, L, H, E].
  ///
  /// - Parameter orders: for every row block the blocks it likes best, first the best.
  func attend(_ qkv: Tensor, _ context: Context, orders: [[Int]], layer: Int) throws -> Tensor {
    let (length, size) = (qkv.size(1), configuration.blockSize)
    let blocks = Blocks(
      size: size, length: length + (configuration.attendedFilling ? 1 : 0))
    let filled = blocks.paddedLength
    let hidden = try context.hidden.map { try $0.to(.int64).to(.cpu).integers() }
    var groups = AttentionPlan.Builder()
    let alike = hidden == nil && Set(context.lengths).count == 1
    for (row, real) in context.lengths.prefix(alike ? 1 : context.lengths.count).enumerated() {
      // Filling is attended where LRA attends to it; padding within a row never is.
      let shown = { (key: Int) in
        if key >= length { return configuration.attendedFilling ? key : -1 }
        return key < real && hidden?[row * length + key] ?? 0 == 0 ? key : -1
      }
      let count =
        filledCount
        ?? (configuration.attendedFilling ? blocks.count : max(1, (real + size - 1) / size))
      for block in 0..<min(count, blocks.count) {
        let own = (block * size)..<min((block + 1) * size, length)
        let everything = block == 0 || block == count - 1
        let keys =
          everything
          ? (0..<min(filled, count * size)).map(shown)
          : slots(of: block, among: count, orders: orders).flatMap { slot in
            (slot * size..<(slot + 1) * size).map(shown)
          }
        groups.add(queries: own, keys: keys)
      }
      groups.endPlan()
    }
    // Attended filling has a row of its own, of zeros.
    let longer =
      configuration.attendedFilling ? try qkv.padded(after: filled - length, 1) : qkv
    return try longer.attention(
      plan: AttentionPlan(groups), scale: heads.scale,
      dropout: context.training ? dropoutRate : 0,
      key: context.key[layer]["attention.probability"], examples: context.examples
    ).slice(0..<length, 1)
  }

  /// The blocks that a row block attends to, each once: the fixed ones and R random ones.
  func slots(of row: Int, among count: Int, orders: [[Int]]) -> [Int] {
    let fixed = Set([0, row - 1, row, row + 1, count - 1].filter { (0..<count).contains($0) })
    let within = configuration.randomWithin
    let random = (row < orders.count ? orders[row] : [])
      .filter { $0 < count && !fixed.contains($0) }
      .filter { within == 0 || $0 * configuration.blockSize < within }
      .prefix(configuration.numRandBlocks)
    return fixed.sorted() + random
  }
}
