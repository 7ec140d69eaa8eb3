import Tensors

/// FNet: tokens are mixed by the discrete Fourier transform, with nothing trained.
///
/// `Re(F_L X F_D)` in O(L log L·D) time and O(L·D) memory. The transform depends on its length: sequences
/// are filled with zeros to the longest length, whatever the batch, so that padding changes nothing. Every
/// output mixes all positions: the mechanism cannot be causal. There are no probabilities, so attention
/// dropout has nothing to act on; there are no queries either, so rotary positions are no positions.
///
/// Lee-Thorp and others 2022, arXiv 2105.03824, equation 3. The paper's blocks normalise after the sum
/// (`norm: post`).
///
/// It has no tensors.
public struct FNet: Mixer {
  /// The keys of `model.mixer`.
  public struct Configuration: ModelKeys {
    var lengthFromBatch = false

    /// What each key is.
    public static let keys: [ModelKey<Configuration>] = [
      .init(
        "length_from_batch", \.lengthFromBatch,
        "The authors' transform over the batch's padded length, on which results then depend.")
    ]

    /// What keys are that are not given.
    public static let defaults = Configuration()
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "fnet", summary: "Fourier transform of the sequence", time: "L log L d",
    memory: "L d", directions: [.bidirectional], paper: "2105.03824",
    attentionDropout: false)

  let positions: Int
  let lengthFromBatch: Bool

  /// Nothing to draw.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    positions = model.positions
    lengthFromBatch = configuration.lengthFromBatch
  }

  /// [B, L, D] to [B, L, D].
  public func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let length = x.size(1)
    let real = try context.realPositions()?.select(0, 1)  // [B, L, 1]
    let wide = try x.widened()
    let tokens = try real.map { try wide * $0 } ?? wide
    let filling = lengthFromBatch ? 0 : positions - length
    return try tokens.padded(after: filling, 1).fourier2().slice(0..<length, 1)
  }

  /// None.
  public var parameters: [NamedParameter] { [] }
}
