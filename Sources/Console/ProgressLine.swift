import Foundation

/// One line on stderr that says how far work is.
///
/// On a terminal the line is rewritten, at most ten times a second; elsewhere a plain line appears every
/// 30 s; with `--quiet` nothing. Safe to use from several threads.
public final class ProgressLine: @unchecked Sendable {
  private let lock = NSLock()
  private let quiet: Bool
  private let terminal: Bool
  private let interval: Double
  private var last: Double
  private var visible = false
  private var phase = ""
  private var phaseBegan = 0.0
  private var phaseFrom = 0

  /// A line that shows nothing yet.
  public init(quiet: Bool = false) {
    self.quiet = quiet
    terminal = Terminal.Stream.error.isTerminal
    interval = terminal ? 0.1 : 30
    last = terminal ? -1 : ProgressLine.now()
  }

  /// Shows a text when it is time for one; the text is made only then.
  public func show(_ text: () -> String) {
    guard !quiet else { return }
    lock.withLock { emit(text) }
  }

  /// Shows how much is done as a bar with rate and remaining time.
  ///
  /// - Parameters:
  ///   - label: what is being worked on; a new one starts rate and time anew.
  ///   - done: how much is done, at most `total`.
  public func show(_ label: String, done: Int, of total: Int) {
    guard !quiet else { return }
    lock.withLock {
      let now = ProgressLine.now()
      if label != phase {
        phase = label
        phaseBegan = now
        phaseFrom = done
      }
      let elapsed = now - phaseBegan
      let rate = elapsed > 0.05 ? Double(done - phaseFrom) / elapsed : 0
      emit {
        ProgressLine.bar(
          label: label, done: done, total: total, rate: rate, drawn: terminal,
          columns: terminal ? Terminal.columns(of: .error) : Terminal.width)
      }
    }
  }

  /// Removes the line from the terminal; call it before anything else is printed.
  public func clear() {
    lock.withLock {
      if visible { Terminal.write("\r\u{1B}[2K", to: .error) }
      visible = false
      last = terminal ? -1 : last
    }
  }

  private func emit(_ text: () -> String) {
    let now = ProgressLine.now()
    guard now - last >= interval else { return }
    last = now
    if terminal {
      Terminal.write("\r\u{1B}[2K" + text(), to: .error)
      visible = true
    } else {
      Terminal.err(text())
    }
  }

  /// The bar's line: `train  ━━━━╸━━━  68 %  65 312/96 000  121 k/s  1 s left`.
  static func bar(
    label: String, done: Int, total: Int, rate: Double, drawn: Bool, columns: Int
  ) -> String {
    let share = total > 0 ? min(1, Double(done) / Double(total)) : 1
    var parts = [
      Format.pad(Format.percent(share, decimals: 0), 5, right: true),
      "\(Format.count(done))/\(Format.count(total))",
    ]
    if rate > 0 {
      parts.append(Format.rate(rate))
      let left = (Double(total - done) / rate).rounded(.up)
      parts.append(left < 10 ? "\(Int(left)) s left" : "\(Format.seconds(left)) left")
    }
    let rest = parts.joined(separator: "  ")
    let width = min(30, columns - label.count - rest.count - 5)
    guard drawn, width >= 8 else { return "\(label)  \(rest)" }
    let filled = Int(share * Double(width))
    let head = filled < width ? "╸" : ""
    let bar = String(repeating: "━", count: filled) + head
    let track = String(repeating: "━", count: width - filled - head.count)
    return "\(label)  \(bar)\(Paint.standardError.dim(track))  \(rest)"
  }

  private static func now() -> Double {
    Double(DispatchTime.now().uptimeNanoseconds) / 1e9
  }
}
