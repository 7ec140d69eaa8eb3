import CMPFR

/// Functions that decide bytes: correctly rounded, so the same on every machine.
///
/// The system's own differ between versions and even CPU features, and one last bit flips a `ceil` in
/// ten to twenty cases per preset.
enum ExactMath {
  static func sin(_ angle: Double) -> Double { lra_exact_sin(angle) }
  static func cos(_ angle: Double) -> Double { lra_exact_cos(angle) }
  static func atan2(_ y: Double, _ x: Double) -> Double { lra_exact_atan2(y, x) }
}

/// An angle with its exact direction: y runs downwards.
struct Direction: Sendable {
  /// In radians.
  let angle: Double
  let sine: Double
  let cosine: Double

  init(angle: Double) {
    self.angle = angle
    sine = ExactMath.sin(angle)
    cosine = ExactMath.cos(angle)
  }

  init(degrees: Int) { self.init(angle: Double(degrees) * Double.pi / 180) }

  /// The opposite direction, as the reference evaluates it.
  var reversed: Direction {
    Direction(angle: angle < 0 ? angle + Double.pi : angle - Double.pi)
  }
}
