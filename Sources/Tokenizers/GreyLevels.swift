/// Images as grey levels: id = level + 1, 0 is padding.
///
/// The stored symbol is the level.
public enum GreyLevels {
  /// How many ids there are, padding included.
  public static let size = 257

  /// The grey level of a colour, 0...255: weights 0.2989, 0.5870, 0.1140 in integers.
  ///
  /// The weights add up to 0.9999, as in TensorFlow; scaled by 255.5 and truncated, which is rounding half
  /// up: 511 (2989 R + 5870 G + 1140 B) / 5 100 000.
  public static func level(red: UInt8, green: UInt8, blue: UInt8) -> UInt8 {
    let weighted = 2989 * Int(red) + 5870 * Int(green) + 1140 * Int(blue)
    return UInt8(511 * weighted / 5_100_000)
  }
}
