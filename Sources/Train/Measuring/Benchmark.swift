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

  /// Measures in this process; operations are counted in a step and a pass of their own, untimed.
  public func run(device: Device) throws -> Case {
    let before = Machine.peakBytes
    try recipe.requireMemory(on: device)
    let runner = try ModelRunner(recipe, device: device)
    let updater = try Updater(runner)
    var loss = 0.0
    var load = OtherLoad()
    let rates = try timed(device, begin: { load = OtherLoad() }) { batch in
      loss = try updater.update(batch).loss
    }
    let peak = max(0, Machine.peakBytes - before)
    let forward = try timed(device, begin: {}) { batch in
      try withoutGradient {
        _ = try runner.measured(batch, examples: 0..<batch.count, step: 0, training: false)
      }
    }
    let length = recipe.data.maxLength
    let others = load.share()
    let batch = Batch.drawn(warmup + steps + 1, recipe)
    let forwardFlops = try Engine.countingOperations {
      try withoutGradient {
        _ = try runner.measured(batch, examples: 0..<batch.count, step: 0, training: false)
      }
    }
    let flops = try Engine.countingOperations { _ = try updater.update(batch) }
    let spread = Spread(rates)
    return Case(
      model: recipe.model.modelType, length: length, stepsPerS: spread, peakBytes: peak,
      paper: PaperSpeed.stepsPerSecond(recipe.model.modelType, length: length), loss: loss,
      forwardPerS: Spread(forward), parameters: runner.network.parameters.valueCount,
      flops: flops, forwardFlops: forwardFlops, otherLoad: others,
      disturbed: others > 0.1 || spread.min < 0.8 * spread.median)
  }

  /// Does its steps when told to, so that they can be timed in turn with another program's.
  ///
  /// `ready` gets the number of trained values and the floating-point operations of a step;
  /// `next` says how many steps to do, nil to end; `done` gets the loss of the last of them and the peak
  /// memory in bytes above what the process held at the beginning.
  public func pace(
    device: Device, ready: (_ parameters: Int, _ flops: Double) -> Void, next: () -> Int?,
    done: (_ loss: Double, _ peakBytes: Int) -> Void
  ) throws {
    let before = Machine.peakBytes
    try recipe.requireMemory(on: device)
    let runner = try ModelRunner(recipe, device: device)
    let updater = try Updater(runner)
    let batch = Batch.drawn(1, recipe)
    let flops = try Engine.countingOperations { _ = try updater.update(batch) }
    ready(runner.network.parameters.valueCount, flops)
    while let steps = next() {
      var loss = 0.0
      for _ in 0..<steps { loss = try updater.update(batch).loss }
      try Engine.synchronize(device)
      done(loss, max(0, Machine.peakBytes - before))
    }
  }

  /// Repetitions per second of some work on drawn batches; the first ones do not count.
  private func timed(
    _ device: Device, begin: () -> Void, _ work: (Batch) throws -> Void
  ) throws -> [Double] {
    var rates: [Double] = []
    for step in 1...(warmup + steps) {
      let batch = Batch.drawn(step, recipe)
      if step == warmup + 1 { begin() }
      let clock = ContinuousClock.now
      try work(batch)
      try Engine.synchronize(device)
      if step > warmup { rates.append(1 / (ContinuousClock.now - clock).seconds) }
    }
    return rates
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
