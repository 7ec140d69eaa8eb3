import Foundation
import Tensors

/// S5: one diagonal linear state-space model that all channels feed and read.
///
/// `x'(t) = Λ x(t) + B u(t)`, `y(t) = 2 Re(C x(t)) + D u(t)` held over steps dt, one a state:
/// `h_t = e^{Λ dt} h_{t-1} + (e^{Λ dt} - 1) / Λ B u_t`. P is the size of the state, of which one of every
/// conjugate pair is kept. In both directions the reverse states see the present too. O(L P (D + 1)) time
/// by a scan. Padding counts as zeros.
///
/// Smith, Warrington and Linderman 2023, arXiv 2208.04933; initial values as in the authors' code: Λ the
/// eigenvalues of HiPPO-LegS of size P / J, J times. Its matrices B and C, drawn real and turned by the
/// eigenvectors, which are orthonormal, are drawn here in the basis that they end in: the same distribution
/// but for the cut of its tails.
///
/// Tensors under `blocks.{i}.mixer`; n = P / 2, c 1 when causal and else 2:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `{lambda_re,lambda_im}` | [n] | |
/// | `log_step` | [n] | |
/// | `b` | [n, D, 2] | real and imaginary parts |
/// | `c` | [c, D, n, 2] | |
/// | `d` | [D] | |
public struct S5: Mixer {
  /// The keys of `model.mixer`.
  public struct Configuration: ModelKeys {
    var stateSize = 64
    var blocks = 1
    var outputInit = OutputInit.lecun
    var leastStep = 0.001
    var mostStep = 0.1
    var rescale = 1.0
    var clipped = false
    var decayedInput = false

    /// What each key is.
    public static let keys: [ModelKey<Configuration>] = [
      .init("ssm_size", \.stateSize, "Size P of the state: P / 2 complex modes."),
      .init(
        "blocks", \.blocks, "Copies J of HiPPO-LegS's eigenvalues of size P / J, which is even."),
      .init(
        "c_init", \.outputInit,
        """
        Variance of C: lecun 1 / (D P), trunc_standard 1 / P, complex_normal 1/2 of each part.
        """),
      .init("dt_min", \.leastStep, "Least step dt at first, above 0; steps are log-uniform."),
      .init("dt_max", \.mostStep, "Largest step at first."),
      .init("rescale", \.rescale, "What steps are divided by in use, above 0."),
      .init("clip_eigs", \.clipped, "Real parts of Λ are at most -0.0001 in use."),
      .init(
        "decayed_b", \.decayedInput,
        "B learns at the base rate and decays as C does (BfastandCdecay of the authors' code)."),
    ]

    /// What keys are that are not given.
    public static let defaults = Configuration()
  }

  /// What C is drawn from.
  public enum OutputInit: String, Sendable, CaseIterable {
    case lecun
    case truncStandard = "trunc_standard"
    case complexNormal = "complex_normal"
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "s5", summary: "one state space of all channels", time: "L N d",
    memory: "L N",
    directions: [.bidirectional, .causal], paper: "2208.04933", attentionDropout: false)
  /// A gated linear unit behind it, no MLP.
  public static let family = BlockFamily.gated

  let real: Parameter  // [n], Re Λ
  let imaginary: Parameter  // [n], Im Λ
  let logStep: Parameter  // [n]
  let input: Parameter  // [n, D, 2], B
  let output: Parameter  // [c, D, n, 2], C
  let through: Parameter  // [D], D
  let rescale: Double
  let isClipped: Bool

  /// Eigenvalues of HiPPO-LegS; B, C, D and steps drawn by key.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    let (size, blocks, width) = (configuration.stateSize, configuration.blocks, model.embDim)
    let (least, most) = (configuration.leastStep, configuration.mostStep)
    try StateSpace.require(
      blocks >= 1 && size >= 2 && size % (2 * max(1, blocks)) == 0, Self.mechanism,
      "ssm_size is a multiple of 2 blocks, not \(size) with \(blocks)")
    try StateSpace.require(model, steps: least, most, configuration.rescale, Self.mechanism)
    (rescale, isClipped) = (configuration.rescale, configuration.clipped)
    let n = size / 2
    let frequencies = try S4D.Spectrum.legs(size / blocks)
    real = try .from(.full([n], -0.5), role: .state)
    imaginary = try .from(
      .from((0..<n).map { Float(frequencies[$0 % (size / blocks / 2)]) }, [n]), role: .state)
    logStep = try StateSpace.logSteps(n, least, most, key: key["log_step"])
    input = try .normal(
      [n, width, 2], deviation: (0.5 / Double(size)).squareRoot(), key: key["b"],
      role: configuration.decayedInput ? .weight : .state)
    let variance =
      switch configuration.outputInit {
      case .lecun: 1 / Double(width * size)
      case .truncStandard: 1 / Double(size)
      case .complexNormal: 0.5
      }
    output = try .normal(
      [model.causal ? 1 : 2, width, n, 2], deviation: variance.squareRoot(), key: key["c"])
    through = try .normal([width], deviation: 1, key: key["d"])
  }

  /// [B, L, D] to [B, L, D].
  public func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let wide = try x.widened()
    return try recurrence()(wide, context) + wide * through.value
  }

  /// The recurrence that it is after discretisation by zero-order hold.
  func recurrence() throws -> DiagonalRecurrence {
    let re = try real.value.to(.float64)
    let lambda = Complex(
      isClipped ? try (re * -1).clamped(least: 1e-4) * -1 : re, try imaginary.value.to(.float64))
    let step = try logStep.value.to(.float64).exp() * (1 / rescale)
    let rate = Complex(try lambda.re * step, try lambda.im * step)
    let held = try rate.exponential().minusOne().over(lambda).unsqueezed(1)  // [n, 1]
    return DiagonalRecurrence(
      rate: rate, input: try Complex(parts: input.value).to(.float64).times(held),
      output: try (0..<output.value.size(0)).map { try Complex(parts: output.value.select($0, 0)) },
      factor: 2)
  }

  /// `lambda_re`, `lambda_im`, `log_step`, `b`, `c`, `d`.
  public var parameters: [NamedParameter] {
    [
      NamedParameter("lambda_re", real), NamedParameter("lambda_im", imaginary),
      NamedParameter("log_step", logStep), NamedParameter("b", input),
      NamedParameter("c", output), NamedParameter("d", through),
    ]
  }
}
