/// The name of a disc, which looks for a free place near it.
struct PlotLabel {
  /// A rectangle of a drawing.
  struct Box {
    var left: Double
    var top: Double
    var right: Double
    var bottom: Double

    func overlaps(_ other: Box) -> Bool {
      left < other.right && other.left < right && top < other.bottom && other.top < bottom
    }
  }

  let number: Int
  let text: String
  /// The centre of the disc.
  let x: Double
  let y: Double
  let radius: Double

  /// About how wide a name is.
  static func width(_ text: String) -> Double { 6.1 * Double(text.count) }

  /// Names beside their discs, or as near as there is room, then with a line to the disc.
  static func placed(_ labels: [PlotLabel], in area: Box) -> Markup {
    var taken: [Box] = []
    var markup: Markup = ""
    for label in labels.sorted(by: { ($0.y, $0.x) < ($1.y, $1.x) }) {
      let free = label.candidates.first { candidate in
        candidate.left >= area.left && candidate.right <= area.right
          && candidate.top >= area.top && candidate.bottom <= area.bottom
          && !taken.contains { $0.overlaps(candidate) }
      }
      guard let box = free else { continue }
      taken.append(box)
      markup += label.drawn(box)
    }
    return markup
  }

  /// Right and left of the disc, then above and below in growing distances.
  private var candidates: [Box] {
    let width = PlotLabel.width(text)
    let steps = [0.0] + (1...24).flatMap { [-6.0 * Double($0), 6.0 * Double($0)] }
    return steps.flatMap { step -> [Box] in
      let top = y + step - 6
      let right = x + radius + 4
      let left = x - radius - 4 - width
      return [right, left, x - width / 2].filter { step != 0 || $0 != x - width / 2 }.map {
        Box(left: $0, top: top, right: $0 + width, bottom: top + 12)
      }
    }
  }

  private func drawn(_ box: Box) -> Markup {
    let middle = (box.top + box.bottom) / 2
    let isBeside = abs(middle - y) < radius
    let near = box.left > x ? box.left - 2 : box.right < x ? box.right + 2 : x
    let edge = middle > y ? box.top + 1 : box.bottom - 1
    let lead: Markup =
      isBeside
      ? ""
      : """
      <line class="lead" x1="\(x)" y1="\(y)" x2="\(near)" y2="\(near == x ? edge : middle)"/>
      """
    return """
      \(lead)<text class="label c\(number % 8)" x="\(box.left)" y="\(middle + 4)">\(text)</text>
      """
  }
}
