import Datasets

/// Everything a run writes while it goes on: metrics, TensorBoard events, rows of the index.
struct RunLogs {
  private let metrics: MetricsLog
  private let events: TensorBoardLog
  private let table: RunTable
  private let run: String

  init(_ folder: RunFolder, resumingAfter step: Int, table: RunTable) throws {
    metrics = try MetricsLog(at: folder.metricsPath, resumingAfter: step)
    events = try TensorBoardLog(at: folder.eventsPath, resumingAfter: step)
    self.table = table
    run = folder.name
  }

  func step(_ line: MetricsLine) throws {
    try metrics.append(line)
    try events.append(
      step: line.step,
      [("train/loss", line.loss), ("train/accuracy", line.accuracy), ("train/learning_rate", line.learningRate)]
        .compactMap { name, value in value.map { (name, $0) } })
  }

  func evaluation(_ found: Evaluation, split: String, step: Int, seconds: Double?) throws {
    try metrics.append(
      MetricsLine(
        step: step, split: split, loss: found.loss, accuracy: found.accuracy.value, seconds: seconds),
      durable: true)
    try events.append(
      step: step, [("\(split)/loss", found.loss), ("\(split)/accuracy", found.accuracy.value)])
    try table.record(
      [("loss", found.loss), ("accuracy", found.accuracy.value)], of: run, step: step, split: split)
  }
}
