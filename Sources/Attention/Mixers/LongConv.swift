import Tensors

/// LongConv: a convolution of every channel with a free kernel as long as the longest sequence, kept small and sparse.
///
/// `y = K * x + D x` with `K = sign(k) max(|k| - λ, 0)`, in each direction one; that of later positions begins
/// at lag 1. O(L log L) time, O(L D) parameters. Kernel dropout hides elements of K in training. Padding
/// counts as zeros.
///
/// Fu and others 2023, arXiv 2302.06646, section 3.
///
/// Tensors under `blocks.{i}.mixer`; c 1 when causal and else 2:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `kernel` | [c, D, L] | L the longest sequence |
/// | `d` | [D] | |
public struct LongConv: Mixer {
  /// The keys of `model.mixer`.
  public struct Configuration: ModelKeys {
    var squash = 0.003
    var dropout = 0.2
    var deviation = 0.002

    /// What each key is.
    public static let keys: [ModelKey<Configuration>] = [
      .init("lam", \.squash, "λ, which kernels are shrunk by, at least 0."),
      .init("kernel_dropout", \.dropout, "Dropout of kernels, in 0 ..< 1."),
      .init("kernel_deviation", \.deviation, "Deviation of the kernels' normal distribution."),
    ]

    /// What keys are that are not given.
    public static let defaults = Configuration()
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "long_conv", summary: "free kernels of full length", time: "L log L d",
    memory: "L d", directions: [.bidirectional, .causal], paper: "2302.06646",
    attentionDropout: false)
  /// A gated linear unit behind it, no MLP.
  public static let family = BlockFamily.gated

  let kernel: Parameter  // [c, D, L]
  let through: Parameter  // [D]
  let squash: Double
  let dropout: Double

  /// Kernels normal, D normal.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    (squash, dropout) = (configuration.squash, configuration.dropout)
    try StateSpace.require(squash >= 0, Self.mechanism, "lam is at least 0, not \(squash)")
    try StateSpace.require(
      (0..<1).contains(dropout), Self.mechanism,
      "kernel_dropout is at least 0 and below 1, not \(dropout)")
    try StateSpace.require(
      configuration.deviation > 0, Self.mechanism,
      "kernel_deviation is above 0, not \(configuration.deviation)")
    try StateSpace.requirePlaces(model, Self.mechanism)
    kernel = try .normal(
      [model.causal ? 1 : 2, model.embDim, model.positions], deviation: configuration.deviation,
      key: key["kernel"], role: .state
    ).tiedToLength()
    through = try .normal([model.embDim], deviation: 1, key: key["d"])
  }

  /// [B, L, D] to [B, L, D].
  public func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let all = kernel.value
    let small = try (all + -squash).relu() - (all * -1 + -squash).relu()
    // One draw a step, whatever the part: the counter is the number of the kernel, not of an example.
    let kept =
      context.training && dropout > 0
      ? try small.dropout(
        dropout, key: context.key[layer]["kernel"], examples: .integers(0..<all.size(0))) : small
    let wide = try x.widened()
    return try wide.convolved(kept.slice(0..<x.size(1), 2), context) + wide * through.value
  }

  /// `kernel`, `d`.
  public var parameters: [NamedParameter] {
    [NamedParameter("kernel", kernel), NamedParameter("d", through)]
  }
}

extension Tensor {
  /// The convolution of these rows [B, L, D] with kernels [c, D, L]: padding and hidden positions count as zeros and
  /// become 0.
  func convolved(_ kernel: Tensor, _ context: Context) throws -> Tensor {
    guard let real = try context.realFlags() else { return try longConvolution(kernel) }
    // The kernel knows padding behind a row by itself.
    if context.hidden == nil && elementType == .float32 && device == .cpu {
      return try longConvolution(kernel, lengths: context.lengthTensor)
    }
    let flags = try real.unsqueezed(-1).to(elementType)
    return try (self * flags).longConvolution(kernel) * flags
  }
}
