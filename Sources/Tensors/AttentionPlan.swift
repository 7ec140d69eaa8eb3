import CTorch

/// Who attends to whom: groups of queries and keys by position.
///
/// The queries of a group attend to its keys; a query that is in no group gives zeros. Keys are
/// positions, or -1 for none. In a plan with codes a query attends to those keys of its group whose code
/// lies in the query's bounds, and to the group's first `shared` keys.
///
/// Groups may be of several rounds: a query is in one group at most of each, and its softmax is over the
/// keys of all its groups, where avoidances can take away what an earlier round had.
///
/// A plan is for all examples and heads, for each example, or for each example and head.
public final class AttentionPlan {
  let handle: ct_plan

  /// Makes a plan out of groups.
  ///
  /// - Parameter groups: as the builder holds them.
  public init(_ builder: Builder) {
    let coded = builder.codes.count == builder.keys.count && !builder.codes.isEmpty
    handle = ct_plan_new(
      Int64(builder.groupStarts.count - 1), builder.groupStarts, builder.queryStarts,
      builder.keyStarts, builder.queries, builder.keys, builder.shared, builder.rounds,
      coded ? builder.lows : nil, coded ? builder.highs : nil, coded ? builder.codes : nil)
    for avoidance in builder.avoidances {
      precondition(
        avoidance.lows.count == builder.queries.count
          && avoidance.codes.count == builder.keys.count, "an avoidance is of all groups")
      ct_plan_avoid(handle, avoidance.lows, avoidance.highs, avoidance.codes)
    }
  }

  deinit { ct_plan_free(handle) }

  /// Keys that queries do not attend to: those whose code lies in the query's low...high.
  public struct Avoidance {
    /// Bounds of every query, group by group; 1...0 for none.
    public var lows: [Int32] = []
    /// The upper bounds.
    public var highs: [Int32] = []
    /// The code of every key, group by group.
    public var codes: [Int32] = []

    /// Of no query and no key yet.
    public init() {}

    /// Adds a group: of every query the code that it does not attend to, if any, and the codes of all keys.
    public mutating func add(queries: [Int?], codes: [Int]) {
      lows += queries.map { $0.map(Int32.init) ?? 1 }
      highs += queries.map { $0.map(Int32.init) ?? 0 }
      self.codes += codes.map(Int32.init)
    }
  }

  /// Groups on their way to a plan.
  public struct Builder {
    /// Avoidances, each of which has all groups when the plan is made.
    public var avoidances: [Avoidance] = []
    var groupStarts: [Int64] = [0]
    var queryStarts: [Int64] = [0]
    var keyStarts: [Int64] = [0]
    var queries: [Int32] = []
    var keys: [Int32] = []
    var shared: [Int32] = []
    var rounds: [Int32] = []
    var lows: [Int32] = []
    var highs: [Int32] = []
    var codes: [Int32] = []

    /// No group yet.
    public init() {}

    /// Adds a group whose queries attend to all of its keys.
    ///
    /// - Parameter keys: positions; -1 for none.
    public mutating func add(queries: some Sequence<Int>, keys: some Sequence<Int>) {
      add(0, queries: queries, keys: keys, bounds: { _ in 0...0 }, codes: nil)
    }

    /// Adds a group of a plan with codes; all groups of a plan have codes or none has.
    ///
    /// - Parameters:
    ///   - shared: how many of the first keys every query attends to.
    ///   - bounds: the codes that a query, by its position, attends to.
    ///   - code: a key's code by its place in the group and its position.
    public mutating func add(
      round: Int = 0, queries: some Sequence<Int>, keys: some Sequence<Int>, shared: Int = 0,
      bounds: (_ query: Int) -> ClosedRange<Int>,
      code: @escaping (_ place: Int, _ key: Int) -> Int
    ) {
      add(round, queries: queries, keys: keys, shared: shared, bounds: bounds, codes: code)
    }

    private mutating func add(
      _ round: Int, queries: some Sequence<Int>, keys: some Sequence<Int>, shared: Int = 0,
      bounds: (Int) -> ClosedRange<Int>, codes code: ((Int, Int) -> Int)?
    ) {
      for query in queries {
        self.queries.append(Int32(query))
        guard code != nil else { continue }
        let range = bounds(query)
        lows.append(Int32(range.lowerBound))
        highs.append(Int32(range.upperBound))
      }
      var place = 0
      for key in keys {
        self.keys.append(Int32(key))
        if let code { codes.append(Int32(code(place, key))) }
        place += 1
      }
      self.shared.append(Int32(shared))
      rounds.append(Int32(round))
      queryStarts.append(Int64(self.queries.count))
      keyStarts.append(Int64(self.keys.count))
    }

    /// Adds a group of a round with codes, from numbers that are there already.
    ///
    /// - Parameters:
    ///   - queries: positions, and the bounds of each, `lows` and `highs`.
    ///   - keys: positions, -1 for none, and the code of each.
    public mutating func add(
      round: Int, queries: some Collection<Int32>, lows: some Collection<Int32>,
      highs: some Collection<Int32>, keys: some Collection<Int32>, codes: some Collection<Int32>
    ) {
      self.queries.append(contentsOf: queries)
      self.lows.append(contentsOf: lows)
      self.highs.append(contentsOf: highs)
      self.keys.append(contentsOf: keys)
      self.codes.append(contentsOf: codes)
      shared.append(0)
      rounds.append(Int32(round))
      queryStarts.append(Int64(self.queries.count))
      keyStarts.append(Int64(self.keys.count))
    }

    /// Ends the groups of an example, or of an example's head; the last one must be ended too.
    public mutating func endPlan() { groupStarts.append(Int64(queryStarts.count - 1)) }
  }
}

extension Tensor {
  /// Softmax attention over tiles, in O(L) memory, each query over the keys that a plan gives it.
  ///
  /// - Parameters:
  ///   - self: queries [B, Lq, H, E]; or, when there are no keys and values, queries, keys and values side
  ///     by side, [B, L, 3, H, E].
  ///   - keysAndValues: [B, Lk, H, E] and [B, Lk, H, Ev].
  ///   - bias: [H, Lq, Lk], added to the logits, for keys and values apart; a plan has one group then, of
  ///     all queries and with a place for every key.
  ///   - plan: nil for all keys.
  ///   - queryLengths: [B] int64 on the CPU; queries from a row's length on give zeros. nil: all are real.
  ///   - keyLengths: alike; keys from a row's length on are not attended.
  ///   - causal: without a plan, whether a query attends to its own and earlier positions only.
  ///   - scale: what the logits are multiplied by, above 0.
  ///   - dropout: rate on the probabilities, by counter (key, example, head, round, query's position,
  ///     place of the key in its group, which is its position without a plan).
  /// - Returns: [B, Lq, H, Ev].
  public func attention(
    over keysAndValues: (Tensor, Tensor)? = nil, bias: Tensor? = nil, plan: AttentionPlan? = nil,
    queryLengths: Tensor? = nil, keyLengths: Tensor? = nil, causal: Bool = false, scale: Double,
    dropout: Double = 0, key: RandomKey = RandomKey(seed: 0), examples: Tensor? = nil
  ) throws -> Tensor {
    try Tensor(
      ct_attention(
        handle, keysAndValues?.0.handle, keysAndValues?.1.handle, bias?.handle, plan?.handle,
        queryLengths?.handle, keyLengths?.handle, causal ? 1 : 0, scale, dropout,
        examples?.handle, key.bits))
  }
}
