/// The parameters of one image size that LRA fixes; lengths are pixels.
///
/// Tay et al. 2020, arXiv 2011.04006: docstrings of `lra_benchmarks/data/pathfinder.py`.
struct PathfinderGeometry: Sendable, Equatable {
  let size: Int
  let padding: Int
  /// Subpixels per pixel when dashes and markers are drawn.
  let antialias = 2
  let paddleLength: Int
  /// Twice the thickness of a dash: its width in subpixels.
  let lineWidth: Int
  let margins: [Int]
  let seedDistance: Int
  /// Twice the radius of a marker.
  let markerDiameter: Int
  let continuity: String
  let targetContrast: Double
  /// Not multiplied by the dashes' contrast, as in the reference: at 32 distractors are brighter.
  let distractorContrast: Double
  /// Distractors times their dashes.
  let distractorBudget: Int
  let paddleRetrials = 2
  let distractorRetrials = 4

  static let all = [
    PathfinderGeometry(
      size: 32, padding: 1, paddleLength: 2, lineWidth: 1, margins: [1], seedDistance: 7,
      markerDiameter: 3, continuity: "1.0", targetContrast: 1.5, distractorContrast: 2,
      distractorBudget: 20),
    PathfinderGeometry(
      size: 64, padding: 1, paddleLength: 5, lineWidth: 2, margins: [1], seedDistance: 12,
      markerDiameter: 5, continuity: "1.8", targetContrast: 0.8, distractorContrast: 0.8,
      distractorBudget: 22),
    PathfinderGeometry(
      size: 128, padding: 1, paddleLength: 5, lineWidth: 3, margins: [2, 3], seedDistance: 20,
      markerDiameter: 6, continuity: "1.8", targetContrast: 0.9, distractorContrast: 0.9,
      distractorBudget: 35),
    PathfinderGeometry(
      size: 256, padding: 22, paddleLength: 5, lineWidth: 4, margins: [3], seedDistance: 27,
      markerDiameter: 10, continuity: "1.8", targetContrast: 1, distractorContrast: 1,
      distractorBudget: 30),
  ]

  var continuityValue: Double { continuity == "1.0" ? 1 : 1.8 }

  /// The half side of a dash's sprite, whose centre is the dash's start.
  func halfSide(margin: Int) -> Int { paddleLength + (lineWidth + 1) / 2 + margin }
}
