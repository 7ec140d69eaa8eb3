import Datasets
import Foundation

/// The required attention span of a run, as `span.json` in its folder holds it.
///
/// The span of a head is the mean distance |i - j| between a position and what it attends to,
/// weighted by attention, over the real positions of validation examples.
public struct SpanReport: Codable, Sendable, Equatable {
  /// The heads of a layer, in tokens.
  public struct Layer: Codable, Sendable, Equatable {
    /// The span of each head.
    public var heads: [Double]

    /// A layer of these heads.
    public init(heads: [Double]) { self.heads = heads }
  }

  /// The split.
  public var split: String
  /// The checkpoint's step.
  public var step: Int
  /// Sequences measured; documents of pairs count each.
  public var examples: Int
  /// From the first layer to the last.
  public var layers: [Layer]
  /// The mean over layers and heads.
  public var mean: Double
  /// What uniform attention gives: the mean of (n^2 - 1) / (3 n) over the real lengths n.
  public var uniform: Double

  /// A report of its parts.
  public init(
    split: String, step: Int, examples: Int, layers: [Layer], mean: Double, uniform: Double
  ) {
    self.split = split
    self.step = step
    self.examples = examples
    self.layers = layers
    self.mean = mean
    self.uniform = uniform
  }

  /// Writes `span.json` into a run's folder.
  public func save(in folder: RunFolder) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    let json = try encoder.encode(self)
    try Publication.publish(folder.spanPath) { try $0.write(Array(json) + [10]) }
  }

  /// What a run's folder holds; nil when there is none, or it is not one.
  public static func read(_ folder: RunFolder) -> SpanReport? {
    guard let data = FileManager.default.contents(atPath: folder.spanPath),
      let found = try? JSONDecoder().decode(SpanReport.self, from: data),
      (found.layers.flatMap(\.heads) + [found.mean, found.uniform]).allSatisfy({ $0.isFinite })
    else { return nil }
    return found
  }
}
