import Tensors

/// Tokens in hash order, cut into chunks: who meets whom in a round of locality-sensitive hashing.
///
/// A token meets those of its bucket in its own chunk and in the one before; chunk 0 looks back at the
/// chunk of the row's last token. The plan has a round for each round of hashing, and its codes are ranks
/// in hash order, of which every limit is an interval.
struct HashOrder {
  /// Tokens of a chunk, c.
  let chunk: Int
  /// Whether a token meets itself and earlier ones only.
  let causal: Bool
  /// Whether a pair that meets in several rounds counts once.
  let countsOnce: Bool
  /// Whether tokens meet those of other buckets, and themselves, too.
  var unmasked = false
  /// Whether a token meets those of other buckets too, and chunk 0 looks back at the last chunk of the round
  /// before: rounds follow each other in a ring, as in transformers' LSHSelfAttention.
  var acrossBuckets = false
  /// Tokens of a row whose last chunk is the one before chunk 0; nil for the tokens that it has.
  var filledLength: Int?

  /// The plan of buckets [B, H, R, L] (int64, each below `most`), in which hidden tokens have no part.
  ///
  /// - Parameters:
  ///   - lengths: of every row; behind them nothing is shown.
  ///   - hidden: [B, L], not 0 at further tokens that are hidden; nil for none.
  func plan(_ buckets: Tensor, most: Int, lengths: [Int], hidden: Tensor?) throws -> AttentionPlan {
    let (batch, heads, rounds, length) = (
      buckets.size(0), buckets.size(1), buckets.size(2), buckets.size(3)
    )
    let numbers = try buckets.to(.cpu).integers()
    let flags = try hidden?.to(.int64).to(.cpu).integers()
    var orders: [[Round]] = []
    for pair in 0..<(batch * heads) {
      let row = pair / heads
      let shown = (0..<lengths[row]).filter { flags?[row * length + $0] ?? 0 == 0 }
      let lastChunk = max(0, (filledLength ?? shown.count) - 1) / chunk
      orders.append(
        (0..<rounds).map { round in
          let start = (pair * rounds + round) * length
          return Round(
            numbers[start..<(start + length)], shown, most: most, chunk: chunk,
            lastChunk: lastChunk, acrossBuckets: acrossBuckets)
        })
    }
    var builder = AttentionPlan.Builder()
    let avoided = unmasked ? 0 : countsOnce ? max(1, rounds - 1) : 1
    let wraps = countsOnce && rounds > 1 && orders.joined().contains { $0.wraps }
    builder.avoidances = Array(repeating: .init(), count: wraps ? 2 * avoided : avoided)
    for rounds in orders {
      for round in rounds.indices { add(round, of: rounds, avoided, to: &builder) }
      builder.endPlan()
    }
    return AttentionPlan(builder)
  }

  /// Adds the chunks of a sequence's round.
  private func add(
    _ index: Int, of rounds: [Round], _ avoided: Int, to builder: inout AttentionPlan.Builder
  ) {
    let round = rounds[index]
    for block in 0..<((round.tokens.count + chunk - 1) / chunk) {
      let own = round.ranks(of: block)
      let back = round.before(block)
      let behind =
        block == 0 && acrossBuckets ? rounds[(index + rounds.count - 1) % rounds.count] : round
      let others = behind.tokens[back == block ? 0..<0 : round.ranks(of: back)]
      let queries = round.tokens[own]
      let keys = round.tokens[own] + others
      let bounds = queries.map { seen(by: $0, in: round) }
      builder.add(
        round: index, queries: queries, lows: bounds.map(\.low), highs: bounds.map(\.high),
        keys: keys, codes: keys.map { round.rank[Int($0)] })
      for place in 0..<avoided {
        let ranks = index > 0 && countsOnce ? rounds[place].rank : round.rank
        builder.avoidances[place].add(
          queries.map { self.avoided(by: $0, place, index, rounds) },
          codes: keys.map { ranks[Int($0)] })
        guard builder.avoidances.count > avoided else { continue }
        let earlier = rounds[place]
        builder.avoidances[avoided + place].add(
          queries.map { place < index ? earlier.wrapped($0) : Round.nothing },
          codes: keys.map { earlier.rank[Int($0)] })
      }
    }
  }

  /// The ranks that a token sees in its own chunk and the one before.
  private func seen(by token: Int32, in round: Round) -> (low: Int32, high: Int32) {
    if unmasked { return (0, .max) }
    return (round.first[Int(token)], (causal ? round.rank : round.last)[Int(token)])
  }

  /// What a token avoids in a round: itself, unless it never meets another, or whom it met in an earlier
  /// round, itself among them.
  private func avoided(by token: Int32, _ place: Int, _ index: Int, _ rounds: [Round])
    -> (low: Int32, high: Int32)
  {
    if index > 0 && countsOnce { return place < index ? rounds[place].met(token) : Round.nothing }
    guard place == 0 && !(index == 0 && isLonely(token, rounds)) else { return Round.nothing }
    let rank = rounds[index].rank[Int(token)]
    return (rank, rank)
  }

  /// Whether a token meets nobody but itself in any round.
  private func isLonely(_ token: Int32, _ rounds: [Round]) -> Bool {
    rounds.allSatisfy { round in
      let (low, high) = round.met(token)
      let last = causal ? round.rank[Int(token)] : high
      let wrapped = causal ? Round.nothing : round.wrapped(token)
      return last - low + 1 == 1 && wrapped.low > wrapped.high
    }
  }

  /// A sequence's tokens in the order of one round.
  private struct Round {
    /// Shown tokens by (bucket, position).
    var tokens: [Int32] = []
    /// The place of every token in that order; -1 of hidden ones.
    var rank: [Int32]
    /// Of every token the ranks of its bucket's first and last token, or of all that it may meet.
    var first: [Int32]
    var last: [Int32]
    let chunk: Int
    let lastChunk: Int

    static let nothing: (low: Int32, high: Int32) = (1, 0)

    init(
      _ buckets: ArraySlice<Int64>, _ shown: [Int], most: Int, chunk: Int, lastChunk: Int,
      acrossBuckets: Bool
    ) {
      let bucket = { (token: Int) in Int(buckets[buckets.startIndex + token]) }
      var ends = [Int32](repeating: 0, count: most + 1)  // where buckets begin, then where they end
      for token in shown { ends[bucket(token) + 1] += 1 }
      for index in 0..<most { ends[index + 1] += ends[index] }
      let starts = ends
      tokens = [Int32](repeating: 0, count: shown.count)
      rank = [Int32](repeating: -1, count: buckets.count)
      (first, last) = (rank, rank)
      for token in shown {
        let place = ends[bucket(token)]
        tokens[Int(place)] = Int32(token)
        rank[token] = place
        ends[bucket(token)] += 1
      }
      for token in shown {
        first[token] = acrossBuckets ? 0 : starts[bucket(token)]
        last[token] = acrossBuckets ? Int32(shown.count - 1) : ends[bucket(token)] - 1
      }
      self.chunk = chunk
      self.lastChunk = lastChunk
    }

    func ranks(of block: Int) -> Range<Int> {
      min(block * chunk, tokens.count)..<min((block + 1) * chunk, tokens.count)
    }

    /// The chunk that a chunk looks back at; itself when there is no other.
    func before(_ block: Int) -> Int { block == 0 ? lastChunk : block - 1 }

    /// The ranks that a token meets, but for those at the other end.
    func met(_ token: Int32) -> (low: Int32, high: Int32) {
      let block = Int(rank[Int(token)]) / chunk
      let back = before(block)
      // With two chunks the last one is next to chunk 0.
      let isNear = abs(back - block) <= 1
      return (
        max(first[Int(token)], Int32((isNear ? min(back, block) : block) * chunk)),
        min(last[Int(token)], Int32(((isNear ? max(back, block) : block) + 1) * chunk - 1))
      )
    }

    /// The ranks that a token of chunk 0 meets at the other end.
    func wrapped(_ token: Int32) -> (low: Int32, high: Int32) {
      let block = Int(rank[Int(token)]) / chunk
      guard block == 0 && lastChunk > 1 else { return Self.nothing }
      let low = max(first[Int(token)], Int32(lastChunk * chunk))
      return low <= last[Int(token)] ? (low, last[Int(token)]) : Self.nothing
    }

    /// Whether some token does.
    var wraps: Bool {
      lastChunk > 1 && tokens.count > lastChunk * chunk
        && Int(last[Int(tokens[chunk - 1])]) >= lastChunk * chunk
    }
  }
}

extension AttentionPlan.Avoidance {
  fileprivate mutating func add(_ bounds: [(low: Int32, high: Int32)], codes: [Int32]) {
    lows += bounds.map(\.low)
    highs += bounds.map(\.high)
    self.codes += codes
  }
}
