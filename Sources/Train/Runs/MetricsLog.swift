import Datasets
import Foundation

/// One line of `metrics.jsonl`: a training step or an evaluation.
public struct MetricsLine: Codable, Sendable, Equatable {
  /// The step, counted from 1.
  public var step: Int
  /// `train`, `validation` or `test`.
  public var split: String
  /// Mean cross entropy in nats; nil when it is not finite.
  public var loss: Double?
  /// Share of right predictions, 0...1.
  public var accuracy: Double?
  /// The learning rate of the step; nil for an evaluation.
  public var learningRate: Double?
  /// Seconds that the step or the evaluation took.
  public var seconds: Double?
  /// Seconds of them that went into waiting for data.
  public var wait: Double?

  enum CodingKeys: String, CodingKey {
    case step, split, loss, accuracy
    case learningRate = "learning_rate"
    case seconds, wait
  }

  /// Makes a line; numbers that are not finite become nil.
  public init(
    step: Int, split: String, loss: Double?, accuracy: Double?, learningRate: Double? = nil,
    seconds: Double? = nil, wait: Double? = nil
  ) {
    func finite(_ value: Double?) -> Double? { value.flatMap { $0.isFinite ? $0 : nil } }
    self.step = step
    self.split = split
    self.loss = finite(loss)
    self.accuracy = finite(accuracy)
    self.learningRate = finite(learningRate)
    self.seconds = finite(seconds)
    self.wait = finite(wait)
  }

  /// The line as JSON: always the same keys in the same order, numbers with all their digits.
  public var json: String {
    func text(_ value: Double?) -> String { value.map { "\($0)" } ?? "null" }
    return "{\"step\": \(step), \"split\": \"\(split)\", \"loss\": \(text(loss)), "
      + "\"accuracy\": \(text(accuracy)), \"learning_rate\": \(text(learningRate)), "
      + "\"seconds\": \(text(seconds)), \"wait\": \(text(wait))}"
  }
}

/// The file `metrics.jsonl` of a run, which only grows.
public final class MetricsLog: Sendable {
  private let log: AppendLog
  /// Evaluations that stood there already: one that is done again says the same.
  private let evaluations: Set<String>

  /// Opens the log of a run, or makes it.
  ///
  /// - Parameter step: the step of the checkpoint that the run goes on from, 0 for a new run. Lines
  ///   after it, and a last line that was cut by a crash, are removed: their steps are done again.
  /// - Throws: `malformed` when a line in the middle is not one of ours; `DatasetError` when the
  ///   file cannot be written.
  public init(at path: String, resumingAfter step: Int) throws {
    let lines = try MetricsLog.parse(path)
    let kept = lines.prefix { $0.line.step <= step }
    log = try AppendLog(at: path, keeping: kept.last?.end ?? 0)
    evaluations = Set(
      kept.map(\.line).filter { $0.split != "train" }.map { MetricsLog.place(of: $0) })
  }

  /// Adds a line; an evaluation that stands there from before a resume is not repeated.
  ///
  /// - Parameter durable: waits until the disk has it; for evaluations.
  public func append(_ line: MetricsLine, durable: Bool = false) throws {
    if evaluations.contains(MetricsLog.place(of: line)) { return }
    try log.append(line.json, durable: durable)
  }

  private static func place(of line: MetricsLine) -> String { "\(line.step) \(line.split)" }

  /// The lines of a log, empty when there is none; a torn last line is left out.
  public static func read(_ path: String) throws -> [MetricsLine] {
    try parse(path).map(\.line)
  }

  /// The evaluations of a log; lines of training steps, nearly all there are, are passed over unread.
  static func evaluations(_ path: String) throws -> [MetricsLine] {
    let mark = Data("\"split\": \"train\"".utf8)
    return try parse(path) { $0.range(of: mark) == nil }.map(\.line)
  }

  private static func parse(
    _ path: String, where isWanted: (Data) -> Bool = { _ in true }
  ) throws -> [(line: MetricsLine, end: Int)] {
    guard let bytes = FileManager.default.contents(atPath: path) else { return [] }
    let decoder = JSONDecoder()
    var lines: [(line: MetricsLine, end: Int)] = []
    var start = bytes.startIndex
    var number = 0
    while let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
      number += 1
      let text = bytes[start..<end]
      start = end + 1
      guard isWanted(text) else { continue }
      guard let line = try? decoder.decode(MetricsLine.self, from: text) else {
        throw TrainError.brokenLog(path, line: number)
      }
      lines.append((line, start))
    }
    return lines
  }
}
