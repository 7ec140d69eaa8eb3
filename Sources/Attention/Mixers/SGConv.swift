import Foundation
import Tensors

/// SGConv: a long convolution whose kernel is made of a few numbers at every scale, and falls with distance.
///
/// Scale i of S has d numbers a channel, stretched by linear interpolation 2^max(0, i-1) times and
/// multiplied by `decay`^(S-1-i); all scales in a row are a kernel of d 2^(S-1) elements, S being the least
/// number for the longest sequence. It is divided by `kernel_norm`, its norm at first. Of two directions the
/// kernel of later positions begins at lag 1. O(L log L) time, O(d D log L) parameters. Padding counts as
/// zeros.
///
/// Li and others 2022, arXiv 2210.09298, section 3, and the authors' code.
///
/// Tensors under `blocks.{i}.mixer`; c 1 when causal and else 2:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `scales` | [S, c, D, d] | |
/// | `kernel_norm` | [c, D, 1] | buffer |
/// | `d` | [D] | |
public struct SGConv: Mixer {
  /// The keys of `model.mixer`.
  public struct Configuration: ModelKeys {
    var kernelSize = 64
    var decay = 2.0

    /// What each key is.
    public static let keys: [ModelKey<Configuration>] = [
      .init("kernel_dim", \.kernelSize, "Numbers d of a scale and channel, at least 1."),
      .init("decay", \.decay, "What a scale is weaker by than the one before, above 0."),
    ]

    /// What keys are that are not given.
    public static let defaults = Configuration()
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "sgconv", summary: "structured long convolution", time: "L log L d", memory: "L d",
    directions: [.bidirectional, .causal], paper: "2210.09298", attentionDropout: false)
  /// A gated linear unit behind it, no MLP.
  public static let family = BlockFamily.gated

  let scales: Parameter  // [S, c, D, d]
  let norm: Parameter  // [c, D, 1]
  let through: Parameter  // [D]
  let decay: Double
  /// What stretches each scale.
  let tables: [Tensor]

  /// Scales and D normal.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    let (size, sides) = (configuration.kernelSize, model.causal ? 1 : 2)
    try StateSpace.require(size >= 1, Self.mechanism, "kernel_dim is at least 1, not \(size)")
    try StateSpace.require(
      configuration.decay > 0, Self.mechanism, "decay is above 0, not \(configuration.decay)")
    try StateSpace.requirePlaces(model, Self.mechanism)
    decay = configuration.decay
    var count = 1
    while size << (count - 1) < model.positions { count += 1 }
    scales = try .normal(
      [count, sides, model.embDim, size], deviation: 1, key: key["scales"], role: .state
    ).tiedToLength()
    let (drawn, stretches) = (scales.value, try Self.tables(count, size))
    tables = stretches
    let kernel = try withoutGradient {
      try Self.kernel(drawn, decay: configuration.decay, stretches)
    }
    norm = try .buffer((kernel * kernel).sum([2], keep: true).squareRoot())
    through = try .normal([model.embDim], deviation: 1, key: key["d"])
  }

  /// The kernel that scales [S, c, D, d] stand for, before its norm: [c, D, d 2^(S-1)].
  ///
  /// - Parameter tables: those of as many scales.
  static func kernel(_ scales: Tensor, decay: Double, _ tables: [Tensor]) throws -> Tensor {
    let parts = try tables.enumerated().map { index, table in
      try scales.select(index, 0).matmul(table.to(scales.elementType).to(scales.device))
        * pow(decay, Double(tables.count - 1 - index))
    }
    return try .concatenated(parts, 2)
  }

  /// What stretches each of some scales of `size` numbers; float32 holds these shares exactly.
  static func tables(_ count: Int, _ size: Int) throws -> [Tensor] {
    try (0..<count).map { try interpolation(size, 1 << max(0, $0 - 1)).to(.float32) }
  }

  /// [d, d stretch] float64: what linear interpolation between the middles of cells takes from each of them.
  private static func interpolation(_ size: Int, _ stretch: Int) throws -> Tensor {
    var values = [Double](repeating: 0, count: size * size * stretch)
    for place in 0..<(size * stretch) {
      let at = max(0, (Double(place) + 0.5) / Double(stretch) - 0.5)
      let (low, share) = (Int(at), at - at.rounded(.down))
      values[low * size * stretch + place] += 1 - share
      values[min(low + 1, size - 1) * size * stretch + place] += share
    }
    return try .from(values, [size, size * stretch])
  }

  /// [B, L, D] to [B, L, D].
  public func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let kernel = try Self.kernel(scales.value, decay: decay, tables) / norm.value
    let wide = try x.widened()
    return try wide.convolved(kernel.slice(0..<x.size(1), 2), context) + wide * through.value
  }

  /// `scales`, `kernel_norm`, `d`.
  public var parameters: [NamedParameter] {
    [
      NamedParameter("scales", scales), NamedParameter("kernel_norm", norm),
      NamedParameter("d", through),
    ]
  }
}
