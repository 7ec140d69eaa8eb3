/// What an image shows, before any pixel is set.
struct PathfinderScene {
  /// A dash in its place.
  typealias Dash = OccupancyMaps.Dash

  /// 1: both markers are on one target.
  var label = 0
  /// The target that carries the origin marker.
  var marked = 0
  /// Which of the size's margins it has.
  var marginIndex = 0
  /// The attempt that was accepted, from 1.
  var attempt: UInt64 = 0
  /// The two targets, from their origin.
  var targets: [[Dash]] = [[], []]
  /// All dashes of the distractors.
  var distractors: [Dash] = []
  /// How many distractors were placed.
  var placed = 0
  /// Ink of one target lies on or beside ink of the other.
  var touching = false

  /// Where the marked target begins.
  var origin: (y: Int, x: Int) { tip(targets[marked].first) }
  /// The far end of the same target, or of the other one.
  var terminal: (y: Int, x: Int) { tip(targets[label == 1 ? marked : 1 - marked].last) }

  private func tip(_ dash: Dash?) -> (y: Int, x: Int) { dash.map { ($0.y, $0.x) } ?? (0, 0) }

  /// The example's meta text: canonical JSON.
  ///
  /// - Parameter maskBytes: the stored size of the mask; nil without one.
  func meta(margin: Int, maskBytes: Int?) -> String {
    let mask = maskBytes.map { "\"mask_bytes\":\($0)," } ?? ""
    return "{\"attempt\":\(attempt),\"distractors\":\(placed),\"margin\":\(margin),\(mask)"
      + "\"origin_x\":\(origin.x),\"origin_y\":\(origin.y),\"terminal_x\":\(terminal.x),"
      + "\"terminal_y\":\(terminal.y),\"touching\":\(touching ? 1 : 0)}"
  }
}
