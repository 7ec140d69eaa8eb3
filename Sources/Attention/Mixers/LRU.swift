import Foundation
import Tensors

/// LRU: a diagonal linear recurrence with complex coefficients, drawn from a ring.
///
/// `h_t = λ h_{t-1} + γ B x_t`, `y_t = Re(C h_t) + D x_t` with `λ = exp(-e^ν + i e^θ)` of N states. |λ| begins
/// uniform by area in a ring, its phase uniform up to a bound, `γ = √(1 - |λ|²)`, trained as its logarithm,
/// so that states of white input have variance 1. In both directions the reverse states see the present
/// too. O(L N (D + 1)) time by a scan. Padding counts as zeros.
///
/// Orvieto and others 2023, arXiv 2303.06349, section 3 and figure 1.
///
/// Tensors under `blocks.{i}.mixer`; c 1 when causal and else 2:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `{nu_log,theta_log,gamma_log}` | [N] | |
/// | `b` | [N, D, 2] | real and imaginary parts |
/// | `c` | [c, D, N, 2] | |
/// | `d` | [D] | |
public struct LRU: Mixer {
  /// The keys of `model.mixer`.
  public struct Configuration: ModelKeys {
    var stateSize = 64
    var leastRadius = 0.0
    var mostRadius = 0.99
    var mostPhase = 2 * Double.pi

    /// What each key is.
    public static let keys: [ModelKey<Configuration>] = [
      .init("d_state", \.stateSize, "Complex states N, at least 1."),
      .init("r_min", \.leastRadius, "Least |λ| at first, at least 0."),
      .init("r_max", \.mostRadius, "Largest |λ| at first, below 1."),
      .init("max_phase", \.mostPhase, "Largest phase of λ at first, above 0."),
    ]

    /// What keys are that are not given.
    public static let defaults = Configuration()
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "lru", summary: "complex linear recurrence", time: "L N d", memory: "L N",
    directions: [.bidirectional, .causal], paper: "2303.06349", attentionDropout: false)
  /// A gated linear unit behind it, no MLP.
  public static let family = BlockFamily.gated

  let nu: Parameter  // [N]
  let theta: Parameter  // [N]
  let gamma: Parameter  // [N]
  let input: Parameter  // [N, D, 2]
  let output: Parameter  // [c, D, N, 2]
  let through: Parameter  // [D]

  /// λ from a ring, B, C and D normal.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    let (n, width) = (configuration.stateSize, model.embDim)
    let (least, most) = (configuration.leastRadius, configuration.mostRadius)
    try StateSpace.require(n >= 1, Self.mechanism, "d_state is at least 1, not \(n)")
    try StateSpace.require(
      least >= 0 && least < most && most < 1, Self.mechanism,
      "0 <= r_min < r_max < 1 does not hold for \(least) and \(most)")
    try StateSpace.require(
      configuration.mostPhase > 0, Self.mechanism,
      "max_phase is above 0, not \(configuration.mostPhase)")
    try StateSpace.requirePlaces(model, Self.mechanism)
    // Uniform in (0, 1): the least value that float32 draws give is no 0.
    let unit = { (name: String) in
      try Tensor.uniform([n], key: key[name]).doubles().map { max(($0 + 1) / 2, 1e-7) }
    }
    let areas = try unit("nu_log").map { $0 * (most * most - least * least) + least * least }
    let floats = { (values: [Double]) in try Tensor.from(values.map(Float.init), [n]) }
    nu = try .from(floats(areas.map { log(-0.5 * log($0)) }), role: .state)
    theta = try .from(
      floats(unit("theta_log").map { log(configuration.mostPhase * $0) }), role: .state)
    gamma = try .from(floats(areas.map { 0.5 * log(1 - $0) }), role: .state)
    input = try .normal(
      [n, width, 2], deviation: (0.5 / Double(width)).squareRoot(), key: key["b"], role: .state)
    output = try .normal(
      [model.causal ? 1 : 2, width, n, 2], deviation: (1 / Double(n)).squareRoot(), key: key["c"])
    through = try .normal([width], deviation: 1, key: key["d"])
  }

  /// [B, L, D] to [B, L, D].
  public func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let wide = try x.widened()
    return try recurrence()(wide, context) + wide * through.value
  }

  /// The recurrence itself.
  func recurrence() throws -> DiagonalRecurrence {
    let scale = try gamma.value.exp().unsqueezed(1)  // [N, 1]
    let b = try Complex(parts: input.value)
    return DiagonalRecurrence(
      rate: Complex(
        try nu.value.to(.float64).exp() * -1, try theta.value.to(.float64).exp()),
      input: Complex(try b.re * scale, try b.im * scale),
      output: try (0..<output.value.size(0)).map { try Complex(parts: output.value.select($0, 0)) },
      factor: 1)
  }

  /// `nu_log`, `theta_log`, `gamma_log`, `b`, `c`, `d`.
  public var parameters: [NamedParameter] {
    [
      NamedParameter("nu_log", nu), NamedParameter("theta_log", theta),
      NamedParameter("gamma_log", gamma), NamedParameter("b", input),
      NamedParameter("c", output), NamedParameter("d", through),
    ]
  }
}
