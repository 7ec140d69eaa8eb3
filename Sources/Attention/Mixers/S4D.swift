import Foundation
import Tensors

/// S4D: a diagonal linear state-space model for every channel, which is a convolution as long as the sequence.
///
/// `x'(t) = A x(t) + u(t)`, `y(t) = 2 Re(C x(t)) + D u(t)` with A diagonal and complex, held over steps dt, is
/// `y = K * u + D u` with `K_j = 2 Re Σ_n C_n (e^{dt A_n} - 1) / A_n e^{dt A_n j}`. Both directions have a kernel
/// of their own; that of later positions begins at lag 1. O(L log L) time by Fourier transforms, and a
/// kernel by one real product of two tables of powers. It knows order by itself. Padding counts as zeros.
///
/// Gu, Gupta, Goel and Ré 2022, arXiv 2206.11893, with zero-order hold and A = -e^a + i b; the blocks around
/// it are those of S4, see `GatedBlock`.
///
/// Tensors under `blocks.{i}.mixer`; N is `d_state`, n = N / 2, c 1 when causal and else 2, G `n_ssm` or D:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `log_dt` | [D] | |
/// | `log_a_real` | [G, n] | ln of -Re A |
/// | `a_imag` | [G, n] | Im A; none with `init` real |
/// | `c` | [c, D, n, 2] | real and imaginary parts |
/// | `d` | [D] | |
public struct S4D: Mixer {
  /// The keys of `model.mixer`.
  public struct Configuration: ModelKeys {
    var initial = Spectrum.legs
    var stateSize = 64
    var copies = 0
    var leastStep = 0.001
    var mostStep = 0.1
    var rescale = 1.0

    /// What each key is.
    public static let keys: [ModelKey<Configuration>] = [
      .init(
        "init", \.initial,
        """
        Where A begins: legs, the eigenvalues of HiPPO-LegS; inv, their law -1/2 + i N/π (N/(2n+1) - 1); \
        lin, -1/2 + i π n; real, -(n + 1).
        """),
      .init("d_state", \.stateSize, "Size N of the state of a channel: N / 2 complex modes, even."),
      .init(
        "n_ssm", \.copies,
        "Copies of A that channels share in turn; a divisor of emb_dim, or 0 for one a channel."),
      .init("dt_min", \.leastStep, "Least step dt at first, above 0; steps are log-uniform."),
      .init("dt_max", \.mostStep, "Largest step at first."),
      .init(
        "rescale", \.rescale,
        """
        What steps are divided by in use, above 0: 4 for images of four times the side, with weights \
        of a run on the smaller ones.
        """),
    ]

    /// What keys are that are not given.
    public static let defaults = Configuration()
  }

  /// The eigenvalues that a state begins with.
  public enum Spectrum: String, Sendable, CaseIterable {
    case legs, inv, lin, real

    /// Re A and Im A of the first n modes of a state of size 2 n.
    func modes(_ n: Int) throws -> [(real: Double, imaginary: Double)] {
      let size = Double(2 * n)
      return switch self {
      case .legs: try Self.legs(2 * n).map { (-0.5, $0) }
      case .inv: (0..<n).map { (-0.5, size / .pi * (size / Double(2 * $0 + 1) - 1)) }
      case .lin: (0..<n).map { (-0.5, .pi * Double($0)) }
      case .real: (0..<n).map { (-Double($0 + 1), 0) }
      }
    }

    /// The positive imaginary parts of the eigenvalues of HiPPO-LegS's normal part, upwards.
    ///
    /// That part plus 1/2 is skew with entries ±√((2i+1)(2j+1)) / 2: they are its singular values, each
    /// there twice.
    static func legs(_ size: Int) throws -> [Double] {
      let entries = (0..<(size * size)).map { place -> Double in
        let (i, j) = (place / size, place % size)
        let magnitude = (Double(2 * i + 1) * Double(2 * j + 1)).squareRoot() / 2
        return i == j ? 0 : i > j ? -magnitude : magnitude
      }
      let values = try Tensor.from(entries, [size, size]).singularValues().doubles().sorted()
      return stride(from: 0, to: size, by: 2).map { values[$0] }
    }
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "s4d", summary: "diagonal state space by channel", time: "L log L d",
    memory: "L d", directions: [.bidirectional, .causal], paper: "2206.11893",
    attentionDropout: false)
  /// A gated linear unit behind it, no MLP.
  public static let family = BlockFamily.gated

  let logStep: Parameter  // [D]
  let logDecay: Parameter  // [G, n], ln of -Re A
  let frequency: Parameter?  // [G, n], Im A
  let output: Parameter  // [c, D, n, 2], C
  let through: Parameter  // [D], D
  let rescale: Double

  /// Steps log-uniform, C complex normal, D normal.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    let width = model.embDim
    let copies = configuration.copies == 0 ? width : configuration.copies
    let (least, most) = (configuration.leastStep, configuration.mostStep)
    try StateSpace.require(
      configuration.stateSize >= 2 && configuration.stateSize % 2 == 0, Self.mechanism,
      "d_state is even and at least 2, not \(configuration.stateSize)")
    try StateSpace.require(
      copies >= 1 && width % copies == 0, Self.mechanism,
      "n_ssm is 0 or divides emb_dim, \(width), not \(configuration.copies)")
    try StateSpace.require(model, steps: least, most, configuration.rescale, Self.mechanism)
    rescale = configuration.rescale
    let n = configuration.stateSize / 2
    let modes = try configuration.initial.modes(n)
    let all = { (value: (Double, Double) -> Double) in
      try Tensor.from(
        (0..<copies).flatMap { _ in modes.map { Float(value($0.real, $0.imaginary)) } },
        [copies, n])
    }
    logStep = try StateSpace.logSteps(width, least, most, key: key["log_dt"])
    logDecay = try .from(all { real, _ in log(-real) }, role: .state)
    frequency =
      configuration.initial == .real
      ? nil : try .from(all { _, imaginary in imaginary }, role: .state)
    output = try .normal(
      [model.causal ? 1 : 2, width, n, 2], deviation: 0.5.squareRoot(), key: key["c"])
    through = try .normal([width], deviation: 1, key: key["d"])
  }

  /// [B, L, D] to [B, L, D].
  public func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    try x.widened().convolved(kernels(x.size(1)), context)
  }

  /// The kernels of both directions, the second from lag 1 on, with D at lag 0: [c, D, L].
  func kernels(_ length: Int) throws -> Tensor {
    let type = output.value.elementType
    let (sides, width, n) = (output.value.size(0), output.value.size(1), output.value.size(2))
    let device = output.value.device
    // Of every channel and mode in float64, which costs nothing: dt A, and C (e^{dt A} - 1) / A.
    let spread = { (x: Tensor) in
      let copies = x.size(0)
      return try x.to(.float64).unsqueezed(0).expanded([width / copies, copies, n])
        .reshaped([width, n])
    }
    let a = Complex(
      try spread(logDecay.value).exp() * -1,
      try frequency.map { try spread($0.value) } ?? .zeros([width, n], .float64, on: device))
    let step = try (logStep.value.to(.float64).exp() * (1 / rescale)).unsqueezed(1)
    let rate = Complex(try step * a.re, try step * a.im)
    let weight = try Complex(parts: output.value.to(.float64))
      .times(rate.exponential().minusOne().over(a))  // [c, D, n]
    // K at i L2 + j is a product of powers of e^{dt A}, over modes: one of i, the other of j.
    let across = Int(Double(length).squareRoot().rounded(.up))
    let down = (length + across - 1) / across
    let right = try rate.powers(0..<across, every: 1, type)  // [D, n, across]
    let left = try rate.powers(0..<down, every: across, type).transposed(1, 2)  // [D, down, n]
      .unsqueezed(1).times(weight.to(type).transposed(0, 1).unsqueezed(2))  // [D, c, down, n]
    let rows = try Tensor.concatenated([left.re * 2, left.im * -2], -1)
      .reshaped([width, sides * down, 2 * n])
    let kernel = try rows.matmul(.concatenated([right.re, right.im], 1))  // [D, c down, across]
      .reshaped([width, sides, down * across]).slice(0..<length, 2).transposed(0, 1)
    let present = try through.value.reshaped([1, width, 1]).padded(after: length - 1, 2)
    return try kernel + (sides == 2 ? present.padded(after: 1, 0) : present)
  }

  /// `log_dt`, `log_a_real`, `a_imag`, `c`, `d`.
  public var parameters: [NamedParameter] {
    [NamedParameter("log_dt", logStep), NamedParameter("log_a_real", logDecay)]
      + (frequency.map { [NamedParameter("a_imag", $0)] } ?? [])
      + [NamedParameter("c", output), NamedParameter("d", through)]
  }
}
