import Tensors
import Testing

/// Numbers that only look random, in 0..<bound.
private struct Draws {
  var state: UInt64
  mutating func next(_ bound: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int(state >> 33) % bound
  }
}

/// Groups of any size that share no query, for each of some plans; some queries are in none.
private func groups(_ plans: Int, queries: Int, keys: Int, coded: Bool) -> AttentionPlan {
  var draws = Draws(state: UInt64(plans * 31 + queries))
  var builder = AttentionPlan.Builder()
  for _ in 0..<plans {
    var rest = Array(0..<queries)
    for index in rest.indices { rest.swapAt(index, draws.next(queries)) }
    rest.removeLast(queries / 10)
    while !rest.isEmpty {
      let own = rest.prefix(1 + draws.next(90))
      rest.removeFirst(own.count)
      let seen = (0..<draws.next(150)).map { _ in draws.next(8) == 0 ? -1 : draws.next(keys) }
      if coded {
        let bounds = (0..<queries).map { _ in draws.next(40)...(40 + draws.next(40)) }
        builder.add(
          queries: own, keys: seen, shared: min(seen.count, draws.next(3)), bounds: { bounds[$0] },
          code: { place, key in (place * 7 + max(0, key) * 3) % 80 })
      } else {
        builder.add(queries: own, keys: seen)
      }
    }
    builder.endPlan()
  }
  return AttentionPlan(builder)
}

/// Rounds in which every query is in at most one group, with codes and things to avoid.
private func rounds(_ count: Int, _ plans: Int, queries: Int, keys: Int) -> AttentionPlan {
  var draws = Draws(state: UInt64(count * 31 + queries))
  var builder = AttentionPlan.Builder()
  builder.avoidances = [.init(), .init()]
  for _ in 0..<plans {
    for round in 0..<count {
      var rest = Array(Int32(0)..<Int32(queries))
      for index in rest.indices { rest.swapAt(index, draws.next(queries)) }
      rest.removeLast(queries / 5)
      while !rest.isEmpty {
        let own = Array(rest.prefix(1 + draws.next(90)))
        rest.removeFirst(own.count)
        let seen = (0..<draws.next(100)).map { _ in
          draws.next(8) == 0 ? -1 : Int32(draws.next(keys))
        }
        let numbers = { (count: Int, bound: Int) in
          (0..<count).map { _ in Int32(draws.next(bound)) }
        }
        builder.add(
          round: round, queries: own, lows: numbers(own.count, 40),
          highs: numbers(own.count, 40).map { 40 + $0 }, keys: seen, codes: numbers(seen.count, 80))
        for index in builder.avoidances.indices {
          let lows = numbers(own.count, 80)
          builder.avoidances[index].lows += lows
          builder.avoidances[index].highs += lows.map { $0 - 1 + Int32(draws.next(40)) }
          builder.avoidances[index].codes += numbers(seen.count, 80)
        }
      }
    }
    builder.endPlan()
  }
  return AttentionPlan(builder)
}

@Suite(.serialized) struct AttentionPlanTests {
  struct Case: CustomTestStringConvertible, Sendable {
    var plans: Int
    var queries = 150
    var keys = 130
    var width = 16
    var valueWidth = 24
    var coded = false
    var lengths: [Int]?
    var dropout = 0.0
    var testDescription: String {
      "\(plans) plans, Lq \(queries), Lk \(keys), E \(width), \(valueWidth), coded \(coded), "
        + "lengths \(lengths.map { "\($0)" } ?? "all"), dropout \(dropout)"
    }
  }

  static let cases = [
    Case(plans: 1), Case(plans: 1, coded: true), Case(plans: 2, width: 5, valueWidth: 1),
    Case(plans: 4, coded: true, lengths: [130, 71]), Case(plans: 1, lengths: [0, 130]),
    Case(plans: 4, width: 33, valueWidth: 40, dropout: 0.2), Case(plans: 1, queries: 3, keys: 2),
    Case(plans: 2, queries: 129, keys: 300, width: 64, valueWidth: 64, coded: true, dropout: 0.1),
  ]

  /// Output and the gradients of queries, keys and values.
  private func run(_ example: Case, _ type: ElementType, _ plan: AttentionPlan?) throws
    -> [[Double]]
  {
    let sizes = [
      (example.queries, example.width), (example.keys, example.width),
      (example.keys, example.valueWidth),
    ]
    let inputs = try sizes.enumerated().map { index, size in
      let shape = [2, size.0, 2, size.1]
      let x = try Tensor.from(
        fill(shape, 0.7 + 0.6 * Double(index), 0.1).map { 1.5 * $0 }, shape
      ).to(.bfloat16).to(type)
      try x.requireGradient()
      return x
    }
    let out = try inputs[0].attention(
      over: (inputs[1], inputs[2]), plan: plan,
      keyLengths: example.lengths.map { try .from($0.map(Int64.init), [2]) },
      scale: 1 / Double(example.width).squareRoot(), dropout: example.dropout,
      key: RandomKey(seed: 5), examples: .from([Int64(3), 1_000_000_007], [2]))
    let shape = [2, example.queries, 2, example.valueWidth]
    let direction = try Tensor.from(fill(shape, 1.3, 0.4), shape)
    try (out.to(.float64) * direction).sum().backward()
    return try [out.doubles()]
      + inputs.map { try #require($0.gradient).to(.float64).doubles() }
  }

  @Test(
    "outputs and gradients equal those of library operations in float64, in every tier",
    arguments: tiers, cases)
  func agrees(tier: String, example: Case) throws {
    try Engine.use(tier: tier)
    let plan = groups(
      example.plans, queries: example.queries, keys: example.keys, coded: example.coded)
    let expected = try run(example, .float64, plan)
    let found = try run(example, .float32, plan)
    for (index, name) in ["out", "dq", "dk", "dv"].enumerated() {
      // torch's own float32 error is 1.5e-5 on such gradients
      #expect(relativeError(found[index], expected[index]) < 3e-5, "\(name)")
    }
    // bfloat16 rounds inputs (none here), probabilities and outputs to 8 bits.
    let half = try run(example, .bfloat16, plan)
    for (index, name) in ["out", "dq", "dk", "dv"].enumerated() {
      #expect(relativeError(half[index], expected[index]) < 4e-2, "bfloat16 \(name)")
    }
  }

  @Test(
    "so do those of several rounds, which are one softmax, with things to avoid",
    arguments: tiers,
    [
      (1, Case(plans: 1)), (3, Case(plans: 2, lengths: [130, 41])),
      (2, Case(plans: 4, width: 33, valueWidth: 40, dropout: 0.2)),
    ])
  func severalRounds(tier: String, example: (Int, Case)) throws {
    try Engine.use(tier: tier)
    let plan = rounds(
      example.0, example.1.plans, queries: example.1.queries, keys: example.1.keys)
    let expected = try run(example.1, .float64, plan)
    let found = try run(example.1, .float32, plan)
    let half = try run(example.1, .bfloat16, plan)
    for (index, name) in ["out", "dq", "dk", "dv"].enumerated() {
      #expect(relativeError(found[index], expected[index]) < 3e-5, "\(name)")
      #expect(relativeError(half[index], expected[index]) < 4e-2, "bfloat16 \(name)")
    }
  }

  @Test("two rounds of the same keys are one round, and a round that is avoided counts for nothing")
  func repeatedRound() throws {
    let example = Case(plans: 1)
    let all = (queries: Array(Int32(0)..<150), keys: Array(Int32(0)..<130))
    let plan = { (count: Int, avoids: Bool) in
      var builder = AttentionPlan.Builder()
      if avoids { builder.avoidances = [.init()] }
      for round in 0..<count {
        // The second round is half of the keys, all of which are avoided.
        let keys = avoids && round > 0 ? Array(all.keys[40..<90]) : all.keys
        builder.add(
          round: round, queries: all.queries, lows: all.queries.map { _ in 0 },
          highs: all.queries.map { _ in 130 }, keys: keys, codes: keys)
        if avoids {
          builder.avoidances[0].lows += all.queries.map { _ in round == 0 ? 1 : 40 }
          builder.avoidances[0].highs += all.queries.map { _ in round == 0 ? 0 : 89 }
          builder.avoidances[0].codes += keys
        }
      }
      builder.endPlan()
      return AttentionPlan(builder)
    }
    let one = try run(example, .float32, plan(1, false))
    for other in [
      try run(example, .float32, plan(2, false)), try run(example, .float32, plan(2, true)),
    ] {
      for (found, expected) in zip(other, one) { #expect(relativeError(found, expected) < 1e-5) }
    }
  }

  @Test("a plan of one group of everything is no plan at all", arguments: tiers)
  func everything(tier: String) throws {
    try Engine.use(tier: tier)
    let example = Case(plans: 1, queries: 200, keys: 170, lengths: [170, 60], dropout: 0.1)
    var builder = AttentionPlan.Builder()
    builder.add(queries: 0..<200, keys: 0..<170)
    builder.endPlan()
    #expect(try run(example, .float32, AttentionPlan(builder)) == run(example, .float32, nil))
  }

  @Test("as many threads as there are change no bit")
  func threads() throws {
    let example = Case(plans: 4, coded: true, dropout: 0.1)
    let plan = groups(4, queries: example.queries, keys: example.keys, coded: true)
    let many = try run(example, .float32, plan)
    let before = Engine.threads
    _ = try Engine.start(threads: 1)
    let one = try run(example, .float32, plan)
    _ = try Engine.start(threads: before)
    #expect(many == one)
  }

  @Test("a plan that is still in use by the backward pass may be let go")
  func lifetime() throws {
    let shape = [1, 40, 3, 1, 8]
    let x = try Tensor.from(fill(shape, 0.7, 0.1).map(Float.init), shape)
    try x.requireGradient()
    let y = try x.attention(
      plan: groups(1, queries: 40, keys: 40, coded: false), scale: 1)
    try y.sum().backward()
    #expect(try #require(x.gradient).floats().allSatisfy { $0.isFinite })
  }
}
