import Tensors

/// BigBird: blocks attend to their neighbours, to the first and last block, and to random blocks.
///
/// In units of blocks of b tokens, row block r attends to {r-1, r, r+1}, to the two global blocks and to
/// R random ones; the global blocks attend to all. Time is O(L·b·(5+R)·D) and memory O(L·b·(5+R)). The
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
  /// The keys of `model.attention`.
  public struct Configuration: Codable, Sendable {
    /// Tokens of a block, b, at least 1.
    public var blockSize = 64
    /// Random blocks of every row block, R, at least 0.
    public var numRandBlocks = 3
    /// Random blocks only begin within this many tokens, as in LRA's code (1024); 0 for everywhere.
    public var randomWithin = 0
    /// LRA's filling: at least one token, which is attended and makes the last global block.
    public var attendedFilling = false

    enum CodingKeys: String, CodingKey {
      case blockSize = "block_size"
      case numRandBlocks = "num_rand_blocks"
      case randomWithin = "random_within"
      case attendedFilling = "attended_filling"
    }
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "bigbird", summary: "window, global and random blocks", time: "L (5+R)b d",
    memory: "L (5+R)b", directions: [.bidirectional], paper: "2007.14062")
  /// Blocks of 64, three random ones.
  public static let defaults = Configuration()

  let heads: Heads
  let configuration: Configuration
  let dropoutRate: Double
  /// Block ids [n, n] by preference, one order for every row block.
  let plan: Parameter

  /// Four projections and the plan.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    guard configuration.blockSize >= 1 && configuration.numRandBlocks >= 0 else {
      throw AttentionError.badValue(
        Self.mechanism.name, "block_size is at least 1 and num_rand_blocks at least 0")
    }
    heads = try Heads(model, key: key)
    self.configuration = configuration
    dropoutRate = model.attentionDropoutRate
    let filling = configuration.attendedFilling ? 1 : 0
    let count = Blocks(size: configuration.blockSize, length: model.positions + filling).count
    plan = try .buffer(
      Tensor.normal([count, count], key: key["plan"]).sortingOrder(1).to(.float32))
  }

  /// [B, L, D] to [B, L, D].
  public func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let (q, k, v) = try heads.split(x)  // [B, H, L, E] each
    let count = plan.value.size(0)
    let flat = try plan.value.integers().map(Int.init)
    let orders = (0..<count).map { Array(flat[($0 * count)..<(($0 + 1) * count)]) }
    let attended = try attend(q, k, v, context, orders: orders, layer: layer)
    return try heads.merged(attended.transposed(1, 2))  // [B, L, D]
  }

  /// The projections; the buffer `bigbird.plan` [n, n], block ids.
  public var parameters: [NamedParameter] {
    heads.parameters + [NamedParameter("bigbird.plan", plan)]
  }

  /// Queries, keys and values [B, H, L, E] to [B, H, L, E].
  ///
  /// - Parameter orders: for every row block the blocks it likes best, first the best.
  func attend(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ context: Context, orders: [[Int]], layer: Int
  ) throws -> Tensor {
    let (b, h, length) = (q.size(0), q.size(1), q.size(2))
    let size = configuration.blockSize
    let filling = configuration.attendedFilling
    let blocks = Blocks(size: size, length: length + (filling ? 1 : 0))
    let n = blocks.count
    let cut = { (x: Tensor) in
      try x.padded(after: n * size - length, 2).reshaped([b * h * n, size * x.size(3)])
    }  // one row for each block of each head
    let real =
      filling
      ? [Int](repeating: n, count: b)
      : context.lengths.map {
        max(1, ($0 + size - 1) / size)
      }
    let lists = real.map { count in
      (0..<n).map { slots(of: $0, among: count, orders: orders) }
    }  // [B][n][S]
    let width = 5 + configuration.numRandBlocks
    let index = { (rows: [[Int]], stride: Int) in
      // Rows of the flattened [B, H, stride] blocks; a missing block (-1) is read from block 0.
      let flat = (0..<(b * h)).flatMap { head in
        rows[head / h].map { Int64(head * stride + max(0, $0)) }
      }
      return try Tensor.from(flat, [flat.count]).to(q.device)
    }
    let chosen = try index(lists.map { Array($0.joined()) }, n)
    let gathered = { (x: Tensor) in
      try cut(x).picked(chosen, 0).reshaped([b, h, n, width * size, x.size(3)])
    }
    let flags = try blockedTokens(context, filled: n * size)  // [B, n b]
    let near = try KeySource(
      cut(q).reshaped([b, h, n, size, q.size(3)]), gathered(k), gathered(v), scale: heads.scale,
      blocked: blockedSlots(flags, lists))
    let rows = try context.attended([near], dropout: dropoutRate, layer: layer)  // [B, H, n, b, E]

    // The two global row blocks over all keys.
    let globals = real.map { [0, $0 - 1] }
    let all = { (x: Tensor) in try x.padded(after: n * size - length, 2) }
    let full = try KeySource(
      cut(q).picked(index(globals, n), 0).reshaped([b, h, 2 * size, q.size(3)]), all(k), all(v),
      scale: heads.scale, blocked: flags.reshaped([b, 1, 1, n * size]))
    let ends = try context.attended([full], dropout: dropoutRate, layer: layer)
      .reshaped([b, h, 2, size, v.size(3)])
    let place = real.map { count in (0..<n).map { $0 == 0 ? n : $0 == count - 1 ? n + 1 : $0 } }
    return try Tensor.concatenated([rows, ends], 2)  // [B, H, n + 2, b, E]
      .reshaped([b * h * (n + 2), size * v.size(3)]).picked(index(place, n + 2), 0)
      .reshaped([b, h, n * size, v.size(3)]).slice(0..<length, 2)
  }

  /// The blocks that a row block attends to, each once, filled up with -1 to 5 + R.
  func slots(of row: Int, among count: Int, orders: [[Int]]) -> [Int] {
    let fixed = Set([0, row - 1, row, row + 1, count - 1].filter { (0..<count).contains($0) })
    let within = configuration.randomWithin
    let random = (row < orders.count ? orders[row] : [])
      .filter { $0 < count && !fixed.contains($0) }
      .filter { within == 0 || $0 * configuration.blockSize < within }
      .prefix(configuration.numRandBlocks)
    let list = fixed.sorted() + random
    return list + [Int](repeating: -1, count: 5 + configuration.numRandBlocks - list.count)
  }

  /// [B, filled]: true at padding; the filling is padding unless it is attended.
  private func blockedTokens(_ context: Context, filled: Int) throws -> Tensor {
    let batch = context.lengths.count
    let flags =
      configuration.attendedFilling
      ? try context.blockedKeys(upTo: context.length)?
        .padded(after: filled - context.length, 1)
      : try context.blockedKeys(upTo: filled)
    let known = try flags ?? .zeros([1, filled], .bool, on: context.device)
    return try known.expanded([batch, filled])
  }

  /// [B, 1, n, 1, (5 + R) b]: slots that are missing, and padding in the others.
  private func blockedSlots(_ flags: Tensor, _ lists: [[[Int]]]) throws -> Tensor {
    let (batch, n, size) = (lists.count, lists[0].count, configuration.blockSize)
    let ids = lists.enumerated().flatMap { row, blocks in
      blocks.joined().map { Int64(row * n + max(0, $0)) }
    }
    let missing = lists.joined().joined().map { $0 < 0 }
    let padding = try flags.reshaped([batch * n, size])
      .picked(.from(ids, [ids.count]).to(flags.device), 0)  // [B n S, b]
    return try padding.or(.from(missing, [missing.count, 1]).to(flags.device))
      .reshaped([batch, 1, n, 1, -1])
  }
}
