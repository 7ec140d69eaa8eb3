import Attention
import Foundation
import Tensors

/// Times training steps of one model at one length, on bytes drawn by key.
///
/// A step is what training does: forward, loss, backward, clipping if the recipe clips, AdamW. Every
/// row has exactly the wanted length, as in the efficiency table of Tay and others 2020 (arXiv
/// 2011.04006, section 3.4).
public struct Benchmark: Sendable {
  /// A number with its spread over steps.
  public struct Spread: Codable, Sendable, Equatable {
    /// The middle value.
    public var median: Double
    /// The smallest value.
    public var min: Double
    /// The largest value.
    public var max: Double

    /// The spread of some values, of which there is at least one.
    init(_ values: [Double]) {
      let sorted = values.sorted()
      let middle = sorted.count / 2
      median = sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
      min = sorted.first ?? 0
      max = sorted.last ?? 0
    }
  }

  /// What was measured at one length.
  public struct Case: Codable, Sendable, Equatable {
    /// The model.
    public var model: String
    /// Tokens per row.
    public var length: Int
    /// Training steps per second.
    public var stepsPerS: Spread
    /// Peak resident memory above what the process held before the model was built.
    public var peakBytes: Int
    /// The paper's steps per second on its hardware; nil where it gives none.
    public var paper: Double?
    /// The loss of the last step, for comparisons.
    public var loss: Double
  }

  /// The recipe; its `data.max_length` is the length measured.
  public let recipe: Recipe
  /// Steps that count.
  public let steps: Int
  /// Steps before them.
  public let warmup: Int

  /// A measurement of a recipe at its own `max_length`.
  public init(_ recipe: Recipe, steps: Int, warmup: Int = 2) {
    self.recipe = recipe
    self.steps = steps
    self.warmup = warmup
  }

  /// Measures in this process.
  public func run(device: Device) throws -> Case {
    let before = Machine.peakBytes
    try recipe.requireMemory(on: device)
    let runner = try ModelRunner(recipe, device: device)
    let updater = try Updater(runner)
    var rates: [Double] = []
    var loss = 0.0
    for step in 1...(warmup + steps) {
      let batch = Batch.drawn(step, recipe)
      let clock = ContinuousClock.now
      loss = try updater.update(batch).loss
      try Engine.synchronize(device)
      if step > warmup { rates.append(1 / (ContinuousClock.now - clock).seconds) }
    }
    let length = recipe.data.maxLength
    return Case(
      model: recipe.model.modelType, length: length, stepsPerS: Spread(rates),
      peakBytes: max(0, Machine.peakBytes - before),
      paper: PaperSpeed.stepsPerSecond(recipe.model.modelType, length: length), loss: loss)
  }

  /// The exponent a of time ~ L^a, fitted to the medians of a model's cases.
  ///
  /// - Returns: nil with fewer than two lengths.
  public static func exponent(_ cases: [Case]) -> Double? {
    guard Set(cases.map(\.length)).count > 1 else { return nil }
    let x = cases.map { log(Double($0.length)) }
    let y = cases.map { -log($0.stepsPerS.median) }
    let (meanX, meanY) = (x.reduce(0, +) / Double(x.count), y.reduce(0, +) / Double(y.count))
    let covariance = zip(x, y).reduce(0) { $0 + ($1.0 - meanX) * ($1.1 - meanY) }
    return covariance / x.reduce(0) { $0 + ($1 - meanX) * ($1 - meanX) }
  }
}

/// Table 2 of Tay and others 2020: training steps per second on byte-level text, 4x4 TPU v3 chips.
enum PaperSpeed {
  private static let lengths = [1000, 2000, 3000, 4000]
  private static let table: [String: [Double]] = [
    "transformer": [8.1, 4.9, 2.3, 1.4], "local": [9.2, 8.4, 7.4, 7.4],
    "linformer": [9.3, 9.1, 8.5, 7.7], "reformer": [4.4, 2.2, 1.5, 1.1],
    "sinkhorn": [9.1, 7.9, 6.6, 5.3], "synthesizer": [8.7, 5.7, 6.6, 1.9],
    "bigbird": [7.4, 3.9, 2.7, 1.5], "linear": [9.1, 9.3, 8.6, 7.8],
    "performer": [9.5, 9.4, 8.7, 8.0],
  ]

  /// The paper's figure; 1K stands for 1,000 or 1,024 tokens.
  static func stepsPerSecond(_ model: String, length: Int) -> Double? {
    let row = lengths.firstIndex { length == $0 || length == $0 / 1000 * 1024 }
    return row.flatMap { table[model]?[$0] }
  }
}

extension Batch {
  /// A batch of full rows of tokens drawn by step, with drawn labels.
  static func drawn(_ step: Int, _ recipe: Recipe) -> Batch {
    let (count, length) = (recipe.train.batchSize, recipe.data.maxLength)
    let model = recipe.modelConfiguration
    let rows = count * model.numTowers
    var state = UInt64(step) &* 0x9e37_79b9_7f4a_7c15
    func below(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((state >> 33) % UInt64(bound))
    }
    return Batch(
      number: step, positions: Array(0..<count), towers: model.numTowers,
      tokens: (0..<(rows * length)).map { _ in Int32(1 + below(model.vocabularySize - 1)) },
      lengths: [Int32](repeating: Int32(length), count: rows),
      labels: (0..<count).map { _ in Int32(below(model.numClasses)) }, length: length,
      globalCount: count)
  }
}
