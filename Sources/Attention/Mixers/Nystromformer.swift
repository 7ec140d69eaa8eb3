import Tensors

/// Nyströmformer: the softmax matrix from m landmarks, the means of m segments of the sequence.
///
/// `softmax(Q K̃ᵀ) softmax(Q̃ K̃ᵀ)⁺ softmax(Q̃ Kᵀ) V` plus a depthwise convolution of V, in O(L·m·D) time and
/// O(L·D) memory; the inverse is an iteration. A segment has the length that cuts the longest
/// sequence in m, its landmark is the mean of its real tokens, and segments without tokens take no part:
/// so padding changes nothing. Every output mixes all positions: the mechanism cannot be causal.
/// Dropout on probabilities acts on the first factor. With segments of one token it is softmax attention
/// but for the error of the iteration.
///
/// Xiong and others 2021, arXiv 2102.03902, equations 13 to 15.
///
/// Tensors under `blocks.{i}.attn`:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `{q,k,v}` | [H E, D] + [H E] | projections to heads |
/// | `out` | [D, H E] + [D] | projection back |
/// | `nystromformer.conv` | [H, 1, K] | convolution of values, K wide, around each token |
public struct Nystromformer: Mixer {
  /// The keys of `model.mixer`.
  public struct Configuration: ModelKeys {
    var numLandmarks = 128
    var convKernelSize = 35
    var iterations = 6
    var segmentsFromBatch = false
    var globalInit = false
    var filledRows = false
    var uniformConvInit = false

    /// What each key is.
    public static let keys: [ModelKey<Configuration>] = [
      .init(
        "num_landmarks", \.numLandmarks,
        "Landmarks m, at least 1; the authors' code for LRA has 128."),
      .init(
        "conv_kernel_size", \.convKernelSize,
        "Width of the convolution of values, odd; 0 for none."),
      .init(
        "iterations", \.iterations,
        "Iterations of the inverse, at least 1; 6 as published, about 20 converge."),
      .init(
        "segments_from_batch", \.segmentsFromBatch,
        "The authors' segments: of the batch's padded length, padding counted as zeros."),
      .init(
        "global_init", \.globalInit,
        "The authors' start of the iteration: one maximum over the whole batch."),
      .init(
        "filled_rows", \.filledRows,
        """
        As mlpen/Nystromformer's code for LRA (LRA/code/attention_nystrom.py), whose rows are \
        all filled to P positions, the next power of two of `max_length`. A landmark is the sum \
        of P / m positions over their number, where padding counts as zeros, and landmarks \
        without tokens are zeros that take part in both softmaxes. m divides P; from P on it is \
        softmax attention. That code has no attention dropout: here landmarks behind the batch \
        are kept or not together. As released it does not run, for `run_tasks.py` never sets the \
        `seq_len` that it reads; taken is P.
        """),
      .init(
        "uniform_conv_init", \.uniformConvInit,
        """
        The convolution begins with U(-1/√K, 1/√K), as `torch.nn.Conv2d` does; otherwise with \
        N(0, 1/K).
        """),
    ]

    /// What keys are that are not given.
    public static let defaults = Configuration()
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "nystromformer", summary: "softmax from m landmarks", time: "L m d", memory: "L d",
    directions: [.bidirectional], paper: "2102.03902")

  let heads: Heads
  let convolution: Parameter?  // [H, 1, K]
  let configuration: Configuration
  let positions: Int
  let filledLength: Int
  let dropoutRate: Double

  /// Four projections and the convolution.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    let size = configuration.convKernelSize
    guard configuration.numLandmarks >= 1 && configuration.iterations >= 1 else {
      throw AttentionError.badValue(
        Self.mechanism.name, "num_landmarks and iterations are at least 1")
    }
    guard size == 0 || (size > 0 && size % 2 == 1) else {
      throw AttentionError.badValue(
        Self.mechanism.name, "conv_kernel_size is odd or 0, not \(size)")
    }
    let (m, filled) = (configuration.numLandmarks, model.filledLength)
    let divides = filled % min(m, filled) == 0
    guard !configuration.filledRows || (divides && !configuration.segmentsFromBatch) else {
      throw AttentionError.badValue(
        Self.mechanism.name,
        "with filled_rows num_landmarks divides \(filled), and segments_from_batch is off")
    }
    heads = try Heads(model, key: key)
    convolution = size == 0 ? nil : try Self.filters(configuration, model, key: key["conv"])
    self.configuration = configuration
    positions = model.positions
    filledLength = filled
    dropoutRate = model.attentionDropoutRate
  }

  private static func filters(
    _ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey
  ) throws -> Parameter {
    let shape = [model.numHeads, 1, configuration.convKernelSize]
    let size = 1 / Double(configuration.convKernelSize).squareRoot()
    return try configuration.uniformConvInit
      ? .uniform(shape, bound: size, key: key) : .normal(shape, deviation: size, key: key)
  }

  /// [B, L, D] to [B, L, D].
  public func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let (q, k, v) = try heads.split(x)  // [B, H, L, E] each
    if context.fusesPairs(q) {
      var attended = try attend(q, k, v, context, layer: layer)
      if let convolution {
        let near = try v.rowConvolution(convolution.value, lengths: context.lengthTensor)
        attended = try attended + near
      }
      return try heads.merged(attended.transposed(1, 2))  // [B, L, D]
    }
    let real = try context.realPositions()  // [B, 1, L, 1]
    let values = try real.map { try v * $0 } ?? v
    var attended = try attend(q, k, values, context, layer: layer)
    if let convolution {
      let (b, h, length, e) = (v.size(0), v.size(1), v.size(2), v.size(3))
      let near = try values.permuted([0, 3, 1, 2]).reshaped([b * e, h, length])
        .convolved(convolution.value, padding: convolution.value.size(2) / 2, groups: h)
        .reshaped([b, e, h, length]).permuted([0, 2, 3, 1])  // [B, H, L, E]
      attended = try attended + near
    }
    return try heads.merged(attended.transposed(1, 2))  // [B, L, D]
  }

  /// The projections; `nystromformer.conv` [H, 1, K].
  public var parameters: [NamedParameter] {
    heads.parameters + (convolution.map { [NamedParameter("nystromformer.conv", $0)] } ?? [])
  }

  /// Queries, keys and values [B, H, L, E], values zero at padding, to [B, H, L, E].
  func attend(_ q: Tensor, _ k: Tensor, _ v: Tensor, _ context: Context, layer: Int) throws
    -> Tensor
  {
    if configuration.filledRows { return try attendFilled(q, k, v, context, layer: layer) }
    let (b, length) = (q.size(0), q.size(2))
    let longest = configuration.segmentsFromBatch ? length : positions
    let segment = (longest + configuration.numLandmarks - 1) / configuration.numLandmarks
    let blocks = Blocks(size: segment, length: length)
    let m = blocks.count
    let counts: [Int] =
      configuration.segmentsFromBatch
      ? .init(repeating: segment, count: b * m) : blocks.tokens(context).flatMap { $0 }
    let divisors = try Tensor.from(counts.map { Double(max(1, $0)) }, [b, 1, m, 1])
      .to(q.elementType).to(q.device)
    let empty = try Tensor.from(counts.map { $0 == 0 }, [b, 1, m, 1]).to(q.device)
    let real = try context.realPositions()
    let landmarks = { (x: Tensor) in
      try blocks.cut(real.map { try x * $0 } ?? x).sum([3]) / divisors  // [B, H, m, E]
    }
    let (queries, keys) = (try landmarks(q), try landmarks(k))
    let columns = try empty.transposed(2, 3)  // [B, 1, 1, m]
    let padding = try context.blockedKeys(upTo: length)
      .map { try $0.reshaped([$0.size(0), 1, 1, length]) }
    let weights = { (a: Tensor, c: Tensor, blocked: Tensor) in
      try (a.matmul(c.transposed(2, 3)) * heads.scale).filled(where: blocked, blockedLogit)
        .softmax(-1)
    }
    let core = try weights(queries, keys, columns).filled(where: empty.or(columns), 0)
    let inverse = try iterativeInverse(
      core, iterations: configuration.iterations,
      overAllOf: configuration.globalInit ? context : nil)
    if context.fusesPairs(q) {
      let far = try queries.pairAttention(
        k, v, .softmax, lengths: context.lengthTensor, scale: heads.scale)  // [B, H, m, E]
      // Without hidden positions all that are empty are behind the others.
      let segments = (0..<b).map { row in
        Int64(counts[(row * m)..<((row + 1) * m)].filter { $0 > 0 }.count)
      }
      return try q.pairAttention(
        keys, inverse.matmul(far).widened(), .softmax, lengths: .from(segments, [b]),
        scale: heads.scale,
        dropout: context.training ? dropoutRate : 0,
        key: context.key[layer]["attention.probability"],
        examples: context.examples)
    }
    let near = try weights(q, keys, columns).filled(where: columns, 0)  // [B, H, L, m]
    let none = try Tensor.zeros([1, 1, 1, length], .bool, on: q.device)
    let far = try weights(queries, k, padding ?? none)  // [B, H, m, L]
    let first = try context.dropout(
      near, dropoutRate, layer: layer, site: "attention.probability")
    return try first.matmul(inverse.matmul(far.matmul(v)))
  }
  /// The same for rows of P positions, see `Configuration.filledRows`.
  ///
  /// Landmarks behind the batch are c zeros. A vector over landmarks that does not tell them apart is one over
  /// the others and (1, ..., 1)/√c, and an orthonormal change of basis changes neither the product nor the
  /// iteration. So one landmark stands for the c: in a softmax its weight counts c times, as logits greater by
  /// ln c say.
  private func attendFilled(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ context: Context, layer: Int
  ) throws -> Tensor {
    let (h, length) = (q.size(1), q.size(2))
    if configuration.numLandmarks >= filledLength {
      return try context.attendedOwn(
        q, k, v, scale: heads.scale, dropout: dropoutRate, layer: layer)
    }
    let segment = filledLength / configuration.numLandmarks
    let blocks = Blocks(size: segment, length: length)
    let alike = configuration.numLandmarks - blocks.count
    let counts = [Double](repeating: 1, count: blocks.count) + (alike > 0 ? [Double(alike)] : [])
    let n = counts.count
    let times = try Tensor.from(counts, [n]).to(q.elementType).to(q.device)
    let real = try context.realPositions()
    let landmarks = { (x: Tensor) in
      try (blocks.cut(real.map { try x * $0 } ?? x).sum([3]) * (1 / Double(segment)))
        .padded(after: n - blocks.count, 2)  // [B, H, n, E]
    }
    let (queries, keys) = (try landmarks(q), try landmarks(k))
    let ratios = try times.squareRoot().reshaped([n, 1]) / times.squareRoot()  // [n, n]
    let logits = try queries.matmul(keys.transposed(2, 3)) * heads.scale + times.log()
    let core = try logits.softmax(-1)  // [B, H, n, n]
    let sums = try (core * times.reshaped([n, 1])).sum([2]) / times  // [B, H, n]
    let own = try sums.max(-1).unsqueezed(-1)  // [B, H, 1, 1]
    let largest = try configuration.globalInit ? context.batchMaximum(own) : own
    let basic = try core * ratios
    let inverse = try iterativeInverse(
      basic, from: basic.transposed(2, 3) / largest, iterations: configuration.iterations)
    let root = try times.squareRoot().reshaped([n, 1])
    let far = try context.attendedOwn(
      queries, k, v, scale: heads.scale, dropout: 0, layer: layer)  // [B, H, n, E]
    let values = try inverse.matmul(far * root) / root
    return try context.attended(
      q, keys, values.widened(), bias: times.log().expanded([h, length, n]).contiguous(),
      scale: heads.scale, dropout: dropoutRate, layer: layer)
  }
}
