import Tensors

/// What a batch is, and where in the model and in training we are.
public class Context {
  /// Positions up to each row's last token, padding behind it not counted.
  public let lengths: [Int]
  /// The positions of each row's tokens where some are hidden; nil where all up to `lengths` are tokens.
  let shown: [[Int]]?
  /// Positions in each row, padding counted: L.
  public let length: Int
  /// [B] int64 on the CPU; nil when no row is padded, which lets kernels skip every check.
  public let lengthTensor: Tensor?
  /// [B, L]: further positions that are padding, wherever they stand; nil for none.
  public let hidden: Tensor?
  /// Documents of an example: rows are all first documents, then all second ones.
  public let towers: Int
  /// [B] int64 on the CPU: the examples' positions in their split, the counters of random numbers.
  public let examples: Tensor
  /// The key of this step's random numbers.
  public let key: RandomKey
  /// Whether dropout is on.
  public let training: Bool
  /// Where the batch is.
  public let device: Device
  /// Measures how far queries look, when it is set.
  public var span: AttentionSpan?
  /// Processes that share the batch; statistics of it are theirs together.
  public let ranks: Int
  /// Takes auxiliary losses and statistics.
  public let effects: StepEffects
  /// What a mechanism hands from layer to layer within this pass, by its name.
  var carried: [String: Tensor] = [:]
  /// Plans that all layers share, by name.
  var plans: [String: AttentionPlan] = [:]
  private var realPositionFlags: Tensor?
  private var blocked: [Int: Tensor] = [:]

  /// - Parameters:
  ///   - lengths: real tokens of each row, at most `length`.
  ///   - length: positions of each row.
  ///   - examples: each row's position in its split.
  ///   - towers: documents of an example; rows are all first documents, then all second ones.
  ///   - ranks: processes that share the batch.
  ///   - effects: takes auxiliary losses and statistics of the step.
  ///   - hidden: [B, L], true at positions within a row that count as padding, as black pixels do in
  ///     LRA's code.
  public init(
    lengths: [Int], length: Int, examples: [Int], towers: Int = 1, key: RandomKey, training: Bool,
    device: Device = .cpu, ranks: Int = 1, effects: StepEffects = StepEffects(),
    hidden: Tensor? = nil
  ) throws {
    self.effects = effects
    self.ranks = ranks
    self.towers = towers
    let flags = try hidden?.to(.int64).to(.cpu).integers()
    shown = flags.map { flags in
      lengths.enumerated().map { row, end in
        (0..<end).filter { flags[row * length + $0] == 0 }
      }
    }
    let lengths = shown?.map { ($0.last ?? -1) + 1 } ?? lengths
    self.lengths = lengths
    self.length = length
    self.hidden = hidden
    self.key = key
    self.training = training
    self.device = device
    lengthTensor =
      lengths.allSatisfy { $0 == length }
      ? nil : try .from(lengths.map(Int64.init), [lengths.count])
    self.examples = try .from(examples.map(Int64.init), [examples.count])
  }

  /// The same batch with one more real position in front of every row, for a CLS vector.
  ///
  /// It is hidden where the first position is, as LRA's code has it.
  func withLeadingPosition() throws -> Context {
    let longer = try Context(
      lengths: lengths.map { $0 + 1 }, length: length + 1,
      examples: examples.integers().map(Int.init), towers: towers, key: key, training: training,
      device: device, ranks: ranks, effects: effects,
      hidden: hidden.map { try .concatenated([$0.slice(0..<1, 1), $0], 1) })
    longer.span = span
    return longer
  }

  /// The largest value of a batch, for mechanisms whose authors take it over all that passes the network
  /// together, which is one document of every example: [B, ...] to [B, 1, ...].
  func batchMaximum(_ x: Tensor) throws -> Tensor {
    let rows = x.size(0)
    let ones = [Int](repeating: 1, count: x.shape.count - 1)
    return try x.reshaped([towers, -1]).max(1).expanded([towers, rows / towers])
      .reshaped([rows] + ones)
  }

  /// Tokens of each row, hidden ones not counted.
  var tokenCounts: [Int] { shown?.map(\.count) ?? lengths }

  /// The mean over each row's tokens of what is 0 at padding: [B, L, D] to [B, 1, D], [B, H, L, E] to
  /// [B, H, 1, E]; 0 of a row without tokens.
  func tokenMean(_ x: Tensor) throws -> Tensor {
    let shape = [lengths.count] + [Int](repeating: 1, count: x.shape.count - 1)
    let shares = try Tensor.from(tokenCounts.map { 1 / Double(max(1, $0)) }, shape)
    return try x.sum([-2], keep: true) * shares.to(x.elementType).to(x.device)
  }

  /// [B, 1, L]: 1/n at each of a row's n tokens, 0 at padding; a product with it is the mean.
  func meanWeights(_ type: ElementType) throws -> Tensor {
    var values = [Double](repeating: 0, count: lengths.count * length)
    for (row, count) in tokenCounts.enumerated() {
      for place in shown?[row] ?? Array(0..<lengths[row]) {
        values[row * length + place] = 1 / Double(count)
      }
    }
    return try Tensor.from(values, [lengths.count, 1, length]).to(type).to(device)
  }

  /// The positions of each row's tokens by their number, hidden ones not counted: int64 [B, ...] alike.
  ///
  /// - Parameter ranks: numbers below the row's count of tokens; 0 in a row without.
  func places(ofRanks ranks: Tensor) throws -> Tensor {
    guard let shown else { return ranks }
    let table = shown.flatMap { row in
      (row + [Int](repeating: 0, count: length - row.count)).map(Int64.init)
    }
    let flat = try ranks.reshaped([lengths.count, -1])
    return try Tensor.from(table, [lengths.count, length]).to(ranks.device)
      .gathered(flat, 1).reshaped(ranks.shape)
  }

  /// [B, 1, L]: 1 at each real position, 0 at padding; a product with it is the sum.
  func sumWeights() throws -> Tensor {
    try realPositions()?.reshaped([lengths.count, 1, length])
      ?? .full([lengths.count, 1, length], 1, on: device)
  }

  /// [B, 1, L, 1]: 1 at real positions and 0 at padding; nil when no row is padded.
  func realPositions() throws -> Tensor? {
    if lengthTensor == nil && hidden == nil { return nil }
    if let realPositionFlags { return realPositionFlags }
    if hidden != nil, let blocked = try blockedKeys(upTo: length) {
      let flags = try blocked.not().to(.float32).reshaped([lengths.count, 1, length, 1])
      realPositionFlags = flags
      return flags
    }
    let values = lengths.flatMap { real in (0..<length).map { Float($0 < real ? 1 : 0) } }
    let flags = try Tensor.from(values, [lengths.count, 1, length, 1]).to(device)
    realPositionFlags = flags
    return flags
  }

  /// [B, L] bool: whether there is a token; nil when there is one everywhere.
  func realFlags() throws -> Tensor? {
    try blockedKeys(upTo: length)?.not().expanded([lengths.count, length]).contiguous()
  }

  /// [B, length] (or [1, length] when all rows are alike): true where there is no token, which no
  /// query may attend to; nil when there is one everywhere.
  ///
  /// - Parameter length: positions to tell of, this batch's or more.
  func blockedKeys(upTo length: Int) throws -> Tensor? {
    if lengthTensor == nil && hidden == nil && length == self.length { return nil }
    if let known = blocked[length] { return known }
    let ends = try lengthTensor ?? .from([Int64(self.length)], [1])
    var mask = try ends.reshaped([-1, 1]).atMost(.integers(0..<length).reshaped([1, length]))
      .to(device)
    if let hidden {
      let shown = try hidden.slice(0..<min(length, self.length), 1)
      mask = try mask.or(shown.padded(after: length - shown.size(1), 1))
    }
    blocked[length] = mask
    return mask
  }

  /// What queries at padding get where LRA's code masks queries too: the mean of all values.
  ///
  /// It adds -1e10 to every logit of such a query, after which they are all alike in float32.
  ///
  /// - Parameters:
  ///   - attended: [B, H, L, E], replaced at padding.
  ///   - values: [B, H, L, E], those at padding included.
  func uniformAtPadding(_ attended: Tensor, _ values: Tensor) throws -> Tensor {
    guard let blocked = try blockedKeys(upTo: length) else { return attended }
    let mean = try values.sum([2], keep: true) * (1 / Double(length))  // [B, H, 1, E]
    return try mean.chosen(
      where: blocked.reshaped([blocked.size(0), 1, length, 1]), else: attended)
  }

  /// Dropout at a named site of a layer, on request of whole channels of an example.
  ///
  /// - Parameter tied: whether every position of [B, L, D] has the same channels dropped.
  func dropout(
    _ x: Tensor, _ rate: Double, layer: Int, site: String, tiedToLength tied: Bool
  ) throws -> Tensor {
    guard tied && training && rate > 0 else {
      return try dropout(x, rate, layer: layer, site: site)
    }
    let ones = try Tensor.full([x.size(0), 1, x.size(2)], 1, x.elementType, on: x.device)
    return try x * dropout(ones, rate, layer: layer, site: site)
  }

  /// Dropout at a named site of a layer.
  func dropout(
    _ x: Tensor, _ rate: Double, layer: Int, site: String, addedTo residual: Tensor? = nil
  ) throws -> Tensor {
    try x.dropout(
      training ? rate : 0, key: key[layer][site], examples: examples, addedTo: residual)
  }

  /// Dropout at named sites of a layer, for an operation that does it itself.
  func dropout(_ rate: Double, layer: Int, sites: String...) -> FusedDropout {
    FusedDropout(training ? rate : 0, keys: sites.map { key[layer][$0] }, examples: examples)
  }
}
