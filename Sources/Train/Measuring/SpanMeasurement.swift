import Attention
import Datasets
import Foundation
import Tensors

extension Run {
  /// Measures the required attention span of a checkpoint over random examples of a split.
  ///
  /// Tay and others 2020, arXiv 2011.04006, section 2.3: 1,000 random validation samples, the mean
  /// over all attention modules. The examples follow from the run's seed alone.
  /// - Parameters:
  ///   - examples: how many; the whole split when it has fewer.
  /// - Throws: `usage` for a model that does not weigh all pairs of tokens.
  public func span(
    checkpoint name: String, split: String, examples: Int, database: String, device: Device
  ) throws -> SpanReport {
    guard examples > 0 else { throw TrainError.noExamples(examples) }
    let (runner, data, step) = try prepared(name, database, nil, device)
    let source = SampledSource(
      try data.split(split), count: examples, seed: recipe.train.randomSeed)
    let span = AttentionSpan()
    runner.span = span
    var batches = 0
    _ = try runner.evaluate(
      source,
      isCancelled: {  // a first batch that gave nothing is enough
        batches += 1
        return batches > 1 && span.layers.isEmpty
      })
    guard !span.layers.isEmpty else { throw TrainError.noSpan(recipe.model.modelType) }
    let heads = span.layers.flatMap { $0 }
    let report = SpanReport(
      split: split, step: step, examples: span.sequences,
      layers: span.layers.map { SpanReport.Layer(heads: $0) },
      mean: heads.reduce(0, +) / Double(max(1, heads.count)), uniform: span.uniform)
    try report.save(in: folder)
    return report
  }
}

/// Some examples of another source, chosen at random by a seed, each at most once.
struct SampledSource<Source: ExampleSource>: ExampleSource {
  let source: Source
  let positions: [Int]
  let lengths: [Int32]
  let labels: [Int32]

  /// - Parameter count: how many; all when there are fewer.
  init(_ source: Source, count: Int, seed: Int) {
    self.source = source
    let order = Permutation(count: source.count, seed: seed, stream: 0x5350_414E)  // "SPAN"
    positions = (0..<min(count, source.count)).map { order[$0] }
    let (allLengths, allLabels) = (source.lengths, source.labels)
    lengths = positions.map { allLengths[$0] }
    labels = positions.map { allLabels[$0] }
  }

  var count: Int { positions.count }
  var isPairs: Bool { source.isPairs }

  func withSymbols<Result>(
    at position: Int, _ body: (UnsafeBufferPointer<UInt8>) throws -> Result
  ) throws -> Result {
    try source.withSymbols(at: positions[position], body)
  }

  func withParts<Result>(
    at position: Int, _ body: ([UnsafeBufferPointer<UInt8>]) throws -> Result
  ) throws -> Result {
    try source.withParts(at: positions[position], body)
  }
}
