import Datasets
import Foundation

/// Everything that a run writes into its folder while it goes on: metrics, TensorBoard events, words.
struct RunLogs {
  private let metrics: MetricsLog
  private let events: TensorBoardLog
  private let text: AppendLog

  init(_ folder: RunFolder, resumingAfter step: Int) throws {
    metrics = try MetricsLog(at: folder.metricsPath, resumingAfter: step)
    events = try TensorBoardLog(
      at: folder.eventsPath, resumingAfter: step, time: Date().timeIntervalSince1970)
    text = try AppendLog(at: folder.logPath)
  }

  func step(_ line: MetricsLine) throws {
    try metrics.append(line)
    try events.append(line, time: Date().timeIntervalSince1970)
  }

  func evaluation(_ found: Evaluation, split: String, step: Int, seconds: Double?) throws {
    let line = MetricsLine(
      step: step, split: split, loss: found.loss, accuracy: found.accuracy.value, seconds: seconds)
    try metrics.append(line, durable: true)
    try events.append(line, time: Date().timeIntervalSince1970)
    let percent = String(format: "%.2f", found.accuracy.value * 100)
    try text.append("step \(step)  \(split)  accuracy \(percent) %  loss \(found.loss)")
  }

  /// A line for people in `log.txt`.
  func note(_ words: String) throws { try text.append(words) }
}
