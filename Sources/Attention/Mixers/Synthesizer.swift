import Tensors

/// Synthesizer: attention logits that are learned or made from each token alone.
///
/// `softmax(B) V`, where B is a sum of parts:
/// - `dense`: row i is `W₂ ReLU(W₁ xᵢ + b₁) + b₂`;
/// - `random`: a trained [H, L, L] tensor, whatever the input;
/// - `factorized_dense`: `Bᵢⱼ = aᵢ,(j mod a) · bᵢ,(j div a)`, both made from xᵢ, a b at least L;
/// - `factorized_random`: `R₁ R₂` of rank k;
/// - dot products `Q Kᵀ / √E`, unless they are ignored.
///
/// Time is O(L²). All parts but two are dot products, so that a sum of them is attention of
/// `[Q / √E, R₁, ReLU(W₁ x + b₁), 1]` over `[K, R₂ᵀ, W₂, b₂]`, with memory O(L); `random` adds its tensor, its
/// gradient and what the optimizer keeps of it, and only `factorized_dense` holds logits and weights. Parameters are
/// tied to the longest length, and cut for shorter ones. Padded keys are not attended; a causal token sees itself
/// and earlier ones.
///
/// Tay and others 2021, arXiv 2005.00743, section 3; a mixture adds logits, as in LRA's code.
///
/// Tensors under `blocks.{i}.attn`:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `{q,k}` | [H E, D] + [H E] | for dot products |
/// | `v` | [H E, D] + [H E] | values |
/// | `out` | [D, H E] + [D] | projection back |
/// | `synthesizer.hidden` | [H E, D] + [H E] | `dense`: W₁, b₁ |
/// | `synthesizer.logits` | [L, E] + [L] | `dense`: W₂, b₂, shared by heads |
/// | `synthesizer.random` | [H, L, L] | `random` |
/// | `synthesizer.factors` | [H E, D] + [H E] | `factorized_dense`: the hidden layer |
/// | `synthesizer.logits1` | [a, E] + [a] | `factorized_dense`: its first factor |
/// | `synthesizer.logits2` | [b, E] + [b] | `factorized_dense`: its second factor |
/// | `synthesizer.random1` | [H, L, k] | `factorized_random`: R₁ |
/// | `synthesizer.random2` | [H, k, L] | `factorized_random`: R₂ |
public struct Synthesizer: Mixer {
  /// The keys of `model.mixer`.
  public struct Configuration: ModelKeys {
    var synthesizerMode = "random"
    var ignoreDotProduct = true
    var k = 32
    var uniformPaddedQueries = false

    /// What each key is.
    public static let keys: [ModelKey<Configuration>] = [
      .init(
        "synthesizer_mode", \.synthesizerMode,
        "Parts of B joined by `+`, such as `dense+random`."),
      .init(
        "ignore_dot_product", \.ignoreDotProduct,
        "Whether B has no dot products; LRA's code effectively has them."),
      .init("k", \.k, "Rank of `factorized_random`, at least 1."),
      .init(
        "uniform_padded_queries", \.uniformPaddedQueries,
        """
        Queries at padding attend to all positions alike, as in LRA's code, which masks them \
        too.
        """),
    ]

    /// What keys are that are not given.
    public static let defaults = Configuration()
  }

  /// Logits, weights and the gradient of either, unless the kernel makes them; of `random` its tensor, its
  /// gradient and two moments.
  public static func heldMatrices(_ configuration: Configuration) -> Double {
    let parts = configuration.synthesizerMode.split(separator: "+")
    return (parts.contains { $0 == Part.factorizedDense.rawValue } ? 3 : 0)
      + (parts.contains { $0 == Part.random.rawValue } ? 4 : 0)
  }

  /// A part of B.
  enum Part: String, CaseIterable {
    case dense, random
    case factorizedDense = "factorized_dense"
    case factorizedRandom = "factorized_random"
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "synthesizer", summary: "logits learned, or of one token", time: "L^2 d",
    memory: "L^2", directions: [.bidirectional, .causal], paper: "2005.00743")

  /// A part of B with its parameters.
  private enum Logits {
    /// Linear D to H E, then E to L, shared by heads.
    case dense(Linear, Linear)
    /// [H, L, L].
    case random(Parameter)
    /// Linear D to H E, then E to a and E to b.
    case factorizedDense(Linear, Linear, Linear)
    /// [H, L, k] and [H, k, L].
    case factorizedRandom(Parameter, Parameter)

    /// Whether all examples have the same logits.
    var isOneForAll: Bool {
      switch self {
      case .random, .factorizedRandom: true
      case .dense, .factorizedDense: false
      }
    }
  }

  private let parts: [Logits]
  /// Queries and keys, when there are dot products.
  let dots: (query: Linear, key: Linear)?
  let value: Linear
  let out: Linear
  let uniformPaddedQueries: Bool
  let model: ModelConfiguration

  /// Values and output, and what the parts need.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    let words = configuration.synthesizerMode.split(separator: "+").map(String.init)
    let known = words.compactMap { Part(rawValue: $0) }
    guard known.count == words.count && Set(words).count == words.count && !words.isEmpty else {
      throw AttentionError.badValue(
        Self.mechanism.name,
        "synthesizer_mode joins \(Part.allCases.map(\.rawValue).joined(separator: ", ")) by +, "
          + "not \(configuration.synthesizerMode)")
    }
    guard configuration.k >= 1 else {
      throw AttentionError.badValue(Self.mechanism.name, "k is at least 1, not \(configuration.k)")
    }
    self.model = model
    uniformPaddedQueries = configuration.uniformPaddedQueries
    let (width, bias) = (model.qkvDim, model.qkvBias)
    value = try model.linear(model.embDim, width, bias: bias, key: key["v"])
    out = try model.linear(width, model.embDim, bias: bias, key: key["out"])
    dots =
      configuration.ignoreDotProduct
      ? nil
      : (
        try model.linear(model.embDim, width, bias: bias, key: key["q"]),
        try model.linear(model.embDim, width, bias: bias, key: key["k"])
      )
    parts = try known.map { try Self.part($0, rank: configuration.k, model, key: key) }
  }

  private static func part(_ part: Part, rank: Int, _ model: ModelConfiguration, key: RandomKey)
    throws -> Logits
  {
    let (h, e, longest) = (model.numHeads, model.headWidth, model.positions)
    let hidden = { (name: String) in try model.linear(model.embDim, h * e, key: key[name]) }
    let table = { (name: String, rows: Int, columns: Int) in
      // Xavier over the last two dimensions, as in LRA's code.
      try Parameter.normal(
        [h, rows, columns], deviation: (2 / Double(rows + columns)).squareRoot(), key: key[name]
      ).tiedToLength()
    }
    switch part {
    case .dense:
      return try .dense(
        hidden("hidden"), model.linear(e, longest, key: key["logits"]).tiedToLength())
    case .random: return try .random(table("random", longest, longest))
    case .factorizedRandom:
      return try .factorizedRandom(
        table("random1", longest, rank), table("random2", rank, longest))
    case .factorizedDense:
      let (a, b) = factors(of: longest)
      return try .factorizedDense(
        hidden("factors"), model.linear(e, a, key: key["logits1"]).tiedToLength(),
        model.linear(e, b, key: key["logits2"]).tiedToLength())
    }
  }

  /// [B, L, D] to [B, L, D].
  public func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    if let attended = try attendFused(x, context, layer: layer) {
      return try out(attended.reshaped([x.size(0), x.size(1), model.qkvDim]))
    }
    var logits = try self.logits(parts[0], x)  // [B or 1, H, L, L]
    for part in parts.dropFirst() { logits = try logits + self.logits(part, x) }
    if let dots {
      let scale = 1 / Double(model.headWidth).squareRoot()
      let (queries, keys) = (try placed(dots.query, x), try placed(dots.key, x))  // [B, H, L, E]
      logits = try logits + queries.matmul(keys.transposed(2, 3)) * scale
    }
    let values = try split(value, x)
    var attended = try attend(logits, values, context, layer: layer)  // [B, H, L, E]
    if uniformPaddedQueries { attended = try context.uniformAtPadding(attended, values) }
    return try out(attended.transposed(1, 2).reshaped([x.size(0), x.size(1), model.qkvDim]))
  }

  /// `q` and `k` with dot products; `v`, `out`; `synthesizer.*` of the parts.
  public var parameters: [NamedParameter] {
    let named = { (name: String, linear: Linear) in linear.parameters.prefixed(name) }
    var all = dots.map { named("q", $0.query) + named("k", $0.key) } ?? []
    all += named("v", value) + named("out", out)
    for part in parts {
      switch part {
      case .dense(let hidden, let logits):
        all += named("synthesizer.hidden", hidden) + named("synthesizer.logits", logits)
      case .random(let table): all.append(NamedParameter("synthesizer.random", table))
      case .factorizedDense(let factors, let a, let b):
        all += named("synthesizer.factors", factors)
        all += named("synthesizer.logits1", a) + named("synthesizer.logits2", b)
      case .factorizedRandom(let left, let right):
        all.append(NamedParameter("synthesizer.random1", left))
        all.append(NamedParameter("synthesizer.random2", right))
      }
    }
    return all
  }

  /// Values [B, H, L, E] weighted by the softmax of logits [B or 1, H, L, L].
  func attend(_ logits: Tensor, _ v: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let length = v.size(2)
    var blocked = try context.blockedKeys(upTo: length)
      .map { try $0.reshaped([$0.size(0), 1, 1, length]) }
    // Logits that do not depend on the input are one row of the batch, and so are their weights,
    // unless padding or dropout differs from row to row.
    let dropping = context.training && model.attentionDropoutRate > 0
    let rows = blocked == nil && !dropping ? logits.size(0) : v.size(0)
    if model.causal { blocked = try blocked.or(mask(length, length, on: v.device) { $1 > $0 }) }
    let own = try logits.expanded([rows, logits.size(1), length, length])
    let source = KeySource(logits: own, blocked: blocked) { try $0.matmul(v) }
    return try context.attended([source], dropout: model.attentionDropoutRate, layer: layer)
  }

  /// The fused kernel, which makes logits tile by tile: [B, L, D] to [B, L, H, E].
  ///
  /// - Returns: nil with `factorized_dense`, and for queries wider than the kernel's 4,096.
  func attendFused(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor? {
    let (b, length, h, e) = (x.size(0), x.size(1), model.numHeads, model.headWidth)
    let values = try value(x, narrow: true).apart(heads: h)  // [B, H, L, E]
    let isDropping = context.training && model.attentionDropoutRate > 0
    let isOne = dots == nil && parts.allSatisfy(\.isOneForAll) && !isDropping
    let together = isOne ? Self.together(b, width: e) : 1
    // A [1, 1, L, 1] or [1, H, L, k] as [B / m, H, L, ...].
    let whole = { (x: Tensor) in
      try x.to(values.elementType).expanded([b / together, h, length, x.size(3)])
    }
    var (queries, keys): ([Tensor], [Tensor]) = ([], [])
    var bias: Tensor?
    for part in parts {
      switch part {
      case .factorizedDense: return nil
      case .random(let table):
        bias = try table.value.slice(0..<length, 1).slice(0..<length, 2)  // [H, L, L]
      case .factorizedRandom(let left, let right):
        queries.append(try whole(left.value.slice(0..<length, 1).unsqueezed(0)))
        keys.append(
          try whole(right.value.slice(0..<length, 2).transposed(1, 2).contiguous().unsqueezed(0)))
      case .dense(let hidden, let logits):
        let one = try Tensor.full([1, 1, length, 1], 1, values.elementType, on: x.device)
        let rows = try hidden(x, narrow: true).apart(heads: h).relu()
        queries += try [logits.inner.map { try rows.linear($0.value, nil) } ?? rows, whole(one)]
        let columns = try [logits.weight.value, logits.bias?.value.unsqueezed(1)]
          .compactMap { try $0?.slice(0..<length, 0) }
        keys.append(try whole(.concatenated(columns, 1).unsqueezed(0).unsqueezed(0)))
      }
    }
    if let dots {
      queries.append(try placed(dots.query, x) * (1 / Double(e).squareRoot()))
      keys.append(try placed(dots.key, x))
    }
    if queries.isEmpty {
      let nothing = try Tensor.zeros([1, 1, length, 1], values.elementType, on: x.device)
      (queries, keys) = ([try whole(nothing)], [try whole(nothing)])
    }
    let q = try queries.count > 1 ? Tensor.concatenated(queries, 3) : queries[0]  // [B, H, L, K]
    let k = try keys.count > 1 ? Tensor.concatenated(keys, 3) : keys[0]
    guard q.size(3) <= 4096 else { return nil }
    var attended =
      try together > 1
      ? attendTogether(q, k, values, bias, together, context, layer: layer)
      : context.attendedOwn(
        q, k, values, bias: bias, ownQueries: true, causal: model.causal, scale: 1,
        dropout: model.attentionDropoutRate, layer: layer)  // [B, H, L, E]
    if uniformPaddedQueries { attended = try context.uniformAtPadding(attended, values) }
    return try attended.transposed(1, 2)
  }

  /// How many examples have their values side by side in `attendTogether`: a divisor of the batch.
  static func together(_ batch: Int, width: Int) -> Int {
    // Wide enough to share most of the weights' cost; the more, the fewer pieces there are for threads.
    (1...max(1, 640 / (width + 1))).last { batch % $0 == 0 } ?? 1
  }

  /// Weights that do not depend on the input are made once for several examples, whose values stand side
  /// by side; padding is taken off afterwards, by the share of the weights that fell on real tokens.
  ///
  /// - Parameters:
  ///   - q: [B / m, H, L, k], and k alike.
  ///   - values: [B, H, L, E].
  ///   - bias: [H, L, L], added to the logits.
  ///   - m: examples that stand side by side.
  /// - Returns: [B, H, L, E].
  private func attendTogether(
    _ q: Tensor, _ k: Tensor, _ values: Tensor, _ bias: Tensor?, _ m: Int, _ context: Context,
    layer: Int
  ) throws -> Tensor {
    let (b, h, length, e) = (values.size(0), values.size(1), values.size(2), values.size(3))
    let real = try context.realPositions()?.to(values.elementType)  // [B, 1, L, 1]
    let parts =
      try real.map {
        try Tensor.concatenated([values * $0, $0.expanded([b, h, length, 1])], 3)
      } ?? values  // [B, H, L, E or E + 1]
    let width = parts.size(3)
    let side = try parts.reshaped([b / m, m, h, length, width]).permuted([0, 2, 3, 1, 4])
      .reshaped([b / m, h, length, m * width])
    let attended = try context.attended(
      q, k, side, bias: bias, causal: model.causal, scale: 1, dropout: 0, layer: layer
    ).reshaped([b / m, h, length, m, width]).permuted([0, 3, 1, 2, 4])
      .reshaped([b, h, length, width])
    guard let real else { return attended }
    let share = try attended.slice(e..<(e + 1), 3).clamped(least: 1e-30)  // [B, H, L, 1]
    return try attended.slice(0..<e, 3) / share * real
  }

  /// Logits of one part: [B or 1, H, L, L].
  private func logits(_ part: Logits, _ x: Tensor) throws -> Tensor {
    let length = x.size(1)
    switch part {
    case .random(let table):
      return try table.value.slice(0..<length, 1).slice(0..<length, 2).unsqueezed(0)
    case .factorizedRandom(let left, let right):
      return try left.value.slice(0..<length, 1).matmul(right.value.slice(0..<length, 2))
        .unsqueezed(0)
    case .dense(let hidden, let logits):
      return try logits(split(hidden, x).relu()).slice(0..<length, 3)
    case .factorizedDense(let factors, let first, let second):
      let hidden = try split(factors, x).relu()
      let a = try first(hidden).unsqueezed(3)  // [B, H, L, 1, a]
      let b = try second(hidden).unsqueezed(4)  // [B, H, L, b, 1]
      return try (a * b).reshaped([x.size(0), model.numHeads, length, -1]).slice(0..<length, 3)
    }
  }

  /// The smallest a >= √n and b with a b >= n.
  static func factors(of n: Int) -> (Int, Int) {
    let a = Int(Double(n).squareRoot().rounded(.up))
    return (a, (n + a - 1) / a)
  }

  /// A projection to all heads, rotated when positions are: [B, L, D] to [B, H, L, E].
  private func placed(_ linear: Linear, _ x: Tensor) throws -> Tensor {
    if model.position != .rotary { return try split(linear, x) }
    let one = try linear(x).widened()
      .reshaped([x.size(0), x.size(1), 1, model.numHeads, model.headWidth])
    return try rotated(one).select(0, 2).transposed(1, 2)
  }

  /// A projection to all heads: [B, L, D] to [B, H, L, E].
  private func split(_ linear: Linear, _ x: Tensor) throws -> Tensor {
    try linear(x).widened().apart(heads: model.numHeads)
  }
}
