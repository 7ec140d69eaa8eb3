/// A drawing with two axes: lines, points and labels, as inline SVG.
struct Plot {
  /// A line through points, with a mark at each when there are few.
  struct Line {
    /// Decides the colour and the dashes.
    let number: Int
    /// What stands at its end; empty for none.
    let label: String
    /// What a pointer over it shows.
    let title: String
    let points: [(x: Double, y: Double)]
    var hasMarks = false
  }

  /// A disc whose area says something.
  struct Disc {
    let number: Int
    let label: String
    let title: String
    let x: Double
    let y: Double
    let radius: Double
  }

  let title: String
  let x: Axis
  let y: Axis
  let xLabel: String
  let yLabel: String
  var lines: [Line] = []
  var discs: [Disc] = []
  /// Ranges of values with how many fall into each.
  var bars: [(from: Double, through: Double, count: Double)] = []
  /// Level lines with a name, such as a baseline.
  var levels: [(y: Double, label: String)] = []
  var height = 300.0

  static let width = 480.0
  private let left = 56.0
  /// Room for the names at the ends of lines.
  private var right: Double {
    let longest = lines.map { PlotLabel.width($0.label) }.max() ?? 0
    return lines.isEmpty ? 70 : min(170, max(40, longest + 12))
  }
  private let top = 14.0
  private let bottom = 44.0

  init(_ title: String, x: Axis, y: Axis, xLabel: String, yLabel: String) {
    self.title = title
    self.x = x
    self.y = y
    self.xLabel = xLabel
    self.yLabel = yLabel
  }

  /// The colour and the dashes of a number; they repeat after forty.
  static func style(_ number: Int) -> String { "c\(number % 8) d\(number / 8 % 5)" }

  /// The drawing.
  var svg: Markup {
    var body = frame
    for level in levels {
      let y = down(level.y)
      body += """
        <line class="level" x1="\(left)" y1="\(y)" x2="\(Plot.width - right)" y2="\(y)"/>\
        <text class="tick" x="\(left + 4)" y="\(y - 4)">\(level.label)</text>
        """
    }
    for bar in bars {
      let (from, to) = (across(bar.from), across(bar.through))
      let y = down(bar.count)
      body += """
        <rect class="bar" x="\(from)" y="\(y)" width="\(max(0.5, to - from - 1))" \
        height="\(height - bottom - y)"/>
        """
    }
    body += lines.map(drawn).joined()
    body += discs.sorted { $0.radius > $1.radius }.map(drawn).joined()
    body += labels
    return """
      <svg viewBox="0 0 \(Plot.width) \(height)" role="img" aria-label="\(title)">\
      <title>\(title)</title>\(body)</svg>
      """
  }

  private func across(_ value: Double) -> Double {
    left + x.place(value) * (Plot.width - left - right)
  }

  private func down(_ value: Double) -> Double {
    height - bottom - y.place(value) * (height - top - bottom)
  }

  private var frame: Markup {
    var marks: Markup = ""
    let (end, floor) = (Plot.width - right, height - bottom)
    for tick in y.ticks {
      let place = down(tick.value)
      marks += """
        <line class="grid" x1="\(left)" y1="\(place)" x2="\(end)" y2="\(place)"/>\
        <text class="tick end" x="\(left - 6)" y="\(place + 4)">\(tick.label)</text>
        """
    }
    var free = -Double.infinity
    for tick in x.ticks {
      let place = across(tick.value)
      marks += """
        <line class="grid" x1="\(place)" y1="\(top)" x2="\(place)" y2="\(floor)"/>
        """
      let half = Double(tick.label.count) * 3.4 + 3
      guard place - half > free else { continue }
      free = place + half
      marks += """
        <text class="tick middle" x="\(place)" y="\(floor + 16)">\(tick.label)</text>
        """
    }
    let middle = (left + end) / 2
    let centre = (top + floor) / 2
    return marks + """
      <text class="name middle" x="\(middle)" y="\(height - 8)">\(xLabel)</text>\
      <text class="name middle" transform="rotate(-90 13 \(centre))" x="13" y="\(centre)">\(yLabel)</text>
      """
  }

  private func drawn(_ line: Line) -> Markup {
    let places = line.points.map { (across($0.x), down($0.y)) }
    let path = places.map { "\($0.0),\($0.1)" as Markup }
    let list = path.map(\.text).joined(separator: " ")
    let marks =
      line.hasMarks || places.count == 1
      ? places.map { "<circle class=\"mark\" cx=\"\($0.0)\" cy=\"\($0.1)\" r=\"3\"/>" as Markup }
      : []
    return """
      <g class="line \(Plot.style(line.number))"><title>\(line.title)</title>\
      <polyline points="\(list)"/>\(marks)</g>
      """
  }

  private func drawn(_ disc: Disc) -> Markup {
    """
    <g class="disc \(Plot.style(disc.number))"><title>\(disc.title)</title>\
    <circle cx="\(across(disc.x))" cy="\(down(disc.y))" r="\(disc.radius)"/></g>
    """
  }

  /// Names at the ends of lines, moved apart where they would overlap, and beside discs.
  private var labels: Markup {
    let named = lines.filter { !$0.label.isEmpty && !$0.points.isEmpty }
    let ends = named.map { line in (line, down(line.points.last?.y ?? 0)) }
      .sorted { $0.1 < $1.1 }
    let places = Plot.apart(
      ends.map(\.1), by: 12.5, within: (top + 2)...max(top + 2, height - bottom))
    let column = zip(ends, places).map { end, y -> Markup in
      """
      <text class="label c\(end.0.number % 8)" x="\(Plot.width - right + 6)" y="\(y + 4)">\(end.0.label)</text>
      """
    }
    let wanted = discs.map { disc in
      PlotLabel(
        number: disc.number, text: disc.label, x: across(disc.x), y: down(disc.y),
        radius: disc.radius)
    }
    let area = PlotLabel.Box(left: left, top: top, right: Plot.width, bottom: height - bottom)
    return column.joined() + PlotLabel.placed(wanted, in: area)
  }

  /// Places in rising order, moved so that neighbours keep a distance.
  static func apart(
    _ wanted: [Double], by distance: Double, within range: ClosedRange<Double>
  ) -> [Double] {
    var places = wanted
    for index in places.indices.dropFirst() {
      places[index] = max(places[index], places[index - 1] + distance)
    }
    // What was pushed out at the end goes back, and pushes those before it.
    var limit = range.upperBound
    for index in places.indices.reversed() where places[index] > limit {
      places[index] = limit
      limit -= distance
    }
    return places
  }
}
