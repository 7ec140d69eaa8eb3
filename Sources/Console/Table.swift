/// Rows with aligned columns, two spaces between them, no rules.
public struct Table: Sendable {
  /// A column's heading and side.
  public struct Column: Sendable {
    let title: String
    let right: Bool

    /// Text stands on the left.
    public static func text(_ title: String) -> Column { Column(title: title, right: false) }
    /// Numbers stand on the right.
    public static func number(_ title: String) -> Column { Column(title: title, right: true) }
  }

  private let columns: [Column]
  private var rows: [[String]] = []

  /// A table without rows.
  public init(_ columns: [Column]) {
    self.columns = columns
  }

  /// Appends a row of one cell per column.
  public mutating func add(_ cells: [String]) {
    precondition(cells.count == columns.count, "a row has one cell per column")
    rows.append(cells)
  }

  /// The lines; a header when a column has a title.
  public var text: String {
    let titled = columns.contains { !$0.title.isEmpty }
    let lines = (titled ? [columns.map(\.title)] : []) + rows
    let widths = columns.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
    return lines.map { cells in
      var line = ""
      for (column, cell) in cells.enumerated() {
        if column > 0 { line += "  " }
        line += Format.pad(cell, widths[column], right: columns[column].right)
      }
      while line.last == " " { line.removeLast() }
      return line
    }.joined(separator: "\n")
  }
}

/// A histogram as horizontal bars.
public struct Bars: Sendable {
  private var rows: [(label: String, value: Int)] = []

  /// Bars without rows.
  public init() {}

  /// Appends a bar.
  public mutating func add(_ label: String, _ value: Int) { rows.append((label, value)) }

  /// One line per bar: label, bar, count and share; the longest bar has `width` characters.
  public func text(width: Int = 40, indent: Int = 2) -> String {
    let labels = rows.map(\.label.count).max() ?? 0
    let counts = rows.map { Format.count($0.value) }
    let digits = counts.map(\.count).max() ?? 0
    let greatest = max(1, rows.map(\.value).max() ?? 1)
    let total = max(1, rows.reduce(0) { $0 + $1.value })
    return zip(rows, counts).map { row, count in
      let eighths = row.value * width * 8 / greatest
      let share = Format.percent(Double(row.value) / Double(total))
      return String(repeating: " ", count: indent) + Format.pad(row.label, labels, right: true)
        + "  " + Format.pad(Bars.bar(eighths), width) + "  "
        + Format.pad(count, digits, right: true) + "  " + Format.pad(share, 7, right: true)
    }.joined(separator: "\n")
  }

  private static func bar(_ eighths: Int) -> String {
    let parts = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]
    return String(repeating: "█", count: eighths / 8) + parts[eighths % 8]
  }
}
