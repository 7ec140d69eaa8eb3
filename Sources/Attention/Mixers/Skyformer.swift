import Tensors

/// Skyformer: kernelized attention from m sampled queries and keys.
///
/// The Gaussian kernel of all queries and keys is approximated through m landmarks W, half of them queries and
/// half keys: `κ(Q, W) (κ(W, W) + γ I)⁻¹ κ(W, K) V`, in O(L·m·D) time and O(L·D) memory; the inverse is an
/// iteration on the matrix scaled by its row sums. Landmarks are sampled among a row's real tokens: new ones in
/// every training step, by step and example; evaluation uses numbers of the checkpoint. A token that is
/// sampled several times is computed once. Padded keys are not attended. Every output mixes all
/// positions: the mechanism cannot be causal. There are no probabilities, so attention dropout has
/// nothing to act on.
///
/// Chen and others 2021, arXiv 2111.00035, section 4.2; γ, the scaling and 6 iterations as in the
/// authors' code. Deviation: the iteration on C begins with Cᵀ / (‖C‖₁ ‖C‖∞) for each matrix; theirs begins
/// with Cᵀ / ‖C‖₁ and the largest norm of the whole batch (`global_init`).
///
/// Tensors under `blocks.{i}.attn`:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `{q,k,v}` | [H E, D] + [H E] | projections to heads |
/// | `out` | [D, H E] + [D] | projection back |
/// | `skyformer.samples` | [m] | buffer: landmark is token ⌊number · length⌋ |
public struct Skyformer: Mixer {
  /// The keys of `model.mixer`.
  public struct Configuration: ModelKeys {
    var numFeatures = 128
    var gamma = 0.1
    var iterations = 6
    var globalInit = false

    /// What each key is.
    public static let keys: [ModelKey<Configuration>] = [
      .init("nb_features", \.numFeatures, "Landmarks m, even, at least 2."),
      .init("gamma", \.gamma, "Added to the diagonal, γ, above 0."),
      .init("iterations", \.iterations, "Iterations of the inverse, at least 1."),
      .init(
        "global_init", \.globalInit,
        """
        The authors' start of the iteration (src/models/attention_skyformer.py): Cᵀ over one \
        number, the largest sum of a column in the whole batch.
        """),
    ]

    /// What keys are that are not given.
    public static let defaults = Configuration()
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "skyformer", summary: "Gaussian kernel from m landmarks", time: "L m d", memory: "L d",
    directions: [.bidirectional], paper: "2111.00035",
    attentionDropout: false)

  let heads: Heads
  let samples: Parameter  // [m], in 0..<1
  let configuration: Configuration

  /// Four projections and the numbers of evaluation.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    let m = configuration.numFeatures
    guard m >= 2 && m % 2 == 0 && configuration.gamma > 0 && configuration.iterations >= 1 else {
      throw AttentionError.badValue(
        Self.mechanism.name, "nb_features is even, gamma above 0, iterations at least 1")
    }
    heads = try Heads(model, key: key)
    samples = try .buffer((Tensor.uniform([m], key: key["samples"]) + 1) * 0.5)
    self.configuration = configuration
  }

  /// [B, L, D] to [B, L, D].
  public func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let (q, k, v) = try heads.split(x)  // [B, H, L, E] each
    let fixed = try samples.value.doubles()
    let step = context.key[layer]["landmarks"]
    let numbers = try context.examples.integers().map { example in
      context.training
        ? try Tensor.uniform([fixed.count], key: step[Int(example)]).doubles().map { ($0 + 1) / 2 }
        : fixed
    }
    let places = zip(context.tokenCounts, numbers).enumerated().map { row, drawn in
      drawn.1.map { number in
        let rank = min(Int(number * Double(drawn.0)), max(0, drawn.0 - 1))
        return drawn.0 > 0 ? context.shown?[row][rank] ?? rank : 0
      }
    }
    let attended = try attend(q, k, v, context, places: places)
    return try heads.merged(attended.transposed(1, 2))  // [B, L, D]
  }

  /// The projections; the buffer `skyformer.samples` [m].
  public var parameters: [NamedParameter] {
    heads.parameters + [NamedParameter("skyformer.samples", samples)]
  }

  /// Queries, keys and values [B, H, L, E] to [B, H, L, E].
  ///
  /// - Parameter places: for every row m positions, of queries in the first half and keys in the
  ///   second.
  func attend(_ q: Tensor, _ k: Tensor, _ v: Tensor, _ context: Context, places: [[Int]]) throws
    -> Tensor
  {
    let (b, h, length, e) = (q.size(0), q.size(1), q.size(2), q.size(3))
    let half = configuration.numFeatures / 2
    let chosen = places.map { (Landmarks($0[..<half]), Landmarks($0[half...])) }
    let picked = { (x: Tensor, rows: [Landmarks]) in
      let count = rows.map(\.places.count).max() ?? 0
      let flat = (0..<(b * h)).flatMap { head in
        rows[head / h].filled(count).places.map { Int64(head * length + $0) }
      }
      return try x.reshaped([b * h * length, e]).picked(.from(flat, [flat.count]).to(q.device), 0)
        .reshaped([b, h, count, e])
    }
    let (first, second) = (chosen.map(\.0), chosen.map(\.1))
    let landmarks = try Tensor.concatenated(
      [picked(q, first), picked(k, second)], 2)  // [B, H, m, E]
    let m = landmarks.size(2)
    let sizes = [first, second].map { rows in rows.map(\.places.count).max() ?? 0 }
    let times = chosen.flatMap { $0.0.filled(sizes[0]).times + $0.1.filled(sizes[1]).times }
    let counts = try Tensor.from(times, [b, 1, m, 1]).to(q.elementType).to(q.device)
    let near = try (gaussianExponents(landmarks, landmarks) * heads.scale).exp()  // [B, H, m, m]
    let weighted = { (x: Tensor) in try (near * x.transposed(2, 3)).sum([3], keep: true) }
    let sums = try weighted(counts) + configuration.gamma  // [B, H, m, 1], of rows
    let scale = try sums.squareRoot()
    let ridge = try Tensor.full([1], configuration.gamma, q.elementType, on: q.device) / sums
    // Of a place that is drawn n times, one landmark takes the part of n equal ones.
    let share = try counts.squareRoot() / scale
    let identity = try mask(m, m, on: q.device) { $0 == $1 }.to(q.elementType)
    let core = try near * share * share.transposed(2, 3) + identity * ridge
    let norm = try (weighted(counts / scale) / scale + ridge).max(2).clamped(least: 1e-6)
    let divisor = try configuration.globalInit ? context.batchMaximum(norm) : norm * norm
    let inverse = try iterativeInverse(
      core, from: core.transposed(2, 3) / divisor, iterations: configuration.iterations)
    let far = try context.gaussianAttention(landmarks, k, v, scale: heads.scale, padded: true)
    let summary = try inverse.matmul(far * share).widened() * share  // [B, H, m, E]
    return try context.gaussianAttention(q, landmarks, summary, scale: heads.scale, padded: false)
  }

  /// The places that are drawn, each once, and how often.
  struct Landmarks {
    var places: [Int] = []
    var times: [Double] = []

    init(_ drawn: ArraySlice<Int>) {
      var index: [Int: Int] = [:]
      for place in drawn {
        if let known = index[place] {
          times[known] += 1
        } else {
          index[place] = places.count
          places.append(place)
          times.append(1)
        }
      }
    }

    /// With some that count nothing, up to a number that all rows share.
    func filled(_ count: Int) -> Landmarks {
      var longer = self
      while longer.places.count < count {
        longer.places.append(places[0])
        longer.times.append(0)
      }
      return longer
    }
  }
}
