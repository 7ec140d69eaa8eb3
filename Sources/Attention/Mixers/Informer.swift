import Foundation
import Tensors

/// Informer: only the queries with the sharpest attention attend, the others get the mean.
///
/// Each query is measured against U sampled keys: the largest logit less the mean one. The u sharpest queries
/// of a row attend to all keys, every other one gets the mean of the real values. U and u are c times the
/// logarithm of the longest length, so time is O(L·log L·D) and memory O(L·log L). Sampled keys are real ones:
/// new in every training step, by step and example; evaluation uses numbers of the checkpoint. The choice
/// carries no gradient. Padding is neither sampled, chosen nor attended. The choice looks at the whole
/// sequence: the mechanism cannot be causal.
///
/// Zhou and others 2021, arXiv 2012.07436, equation 4 and algorithm 1. Deviation: the mean is over the
/// sampled keys; the authors' code divides their sum by the padded length.
///
/// Tensors under `blocks.{i}.attn`:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `{q,k,v}` | [H E, D] + [H E] | projections to heads |
/// | `out` | [D, H E] + [D] | projection back |
/// | `informer.samples` | [L, U] | buffer: query's sampled key is token ⌊number · length⌋, in float32 |
public struct Informer: Mixer {
  /// The keys of `model.mixer`.
  public struct Configuration: ModelKeys {
    var factor = 5

    /// What each key is.
    public static let keys: [ModelKey<Configuration>] = [
      .init("factor", \.factor, "c, at least 1.")
    ]

    /// What keys are that are not given.
    public static let defaults = Configuration()
  }

  /// Its line in the list of models.
  public static let mechanism = Mechanism(
    name: "informer", summary: "softmax for the sharpest queries", time: "L log L d",
    memory: "L log L", directions: [.bidirectional], paper: "2012.07436")

  /// Queries measured at once.
  static let chunk = 512

  let heads: Heads
  let samples: Parameter  // [positions, U], in 0..<1
  let count: Int
  let dropoutRate: Double

  /// Four projections and the numbers of evaluation.
  public init(_ configuration: Configuration, _ model: ModelConfiguration, key: RandomKey) throws {
    guard configuration.factor >= 1 else {
      throw AttentionError.badValue(
        Self.mechanism.name, "factor is at least 1, not \(configuration.factor)")
    }
    heads = try Heads(model, key: key)
    count = configuration.factor * max(1, Int(log(Double(model.positions)).rounded(.up)))
    samples = try .buffer(
      (Tensor.uniform([model.positions, count], key: key["samples"]) + 1) * 0.5)
    dropoutRate = model.attentionDropoutRate
  }

  /// [B, L, D] to [B, L, D].
  public func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let (q, k, v) = try heads.split(x)  // [B, H, L, E] each
    let step = context.key[layer]["samples"]
    let numbers = try context.examples.integers().map { example in
      let all =
        context.training
        ? try (Tensor.uniform(samples.value.shape, key: step[Int(example)]) + 1) * 0.5
        : samples.value
      return try all.slice(0..<x.size(1), 0).unsqueezed(0)
    }
    let counts = context.tokenCounts
    let ends = try Tensor.from(counts.map { Float($0) }, [x.size(0), 1, 1])
    let top = try Tensor.from(counts.map { Int64(max(0, $0 - 1)) }, [x.size(0), 1, 1])
    let ranks = try (Tensor.concatenated(numbers, 0).to(.float32) * ends.to(x.device)).to(.int64)
    // Rounding must not reach the end.
    let last = try top.to(x.device)
    let kept = try ranks.chosen(where: ranks.atMost(last), else: last)  // [B, L, U]
    let sampled = try context.places(ofRanks: kept)
    let attended = try attend(q, k, v, context, sampled: sampled, layer: layer)
    return try heads.merged(attended.transposed(1, 2))  // [B, L, D]
  }

  /// The projections; the buffer `informer.samples` [positions, U].
  public var parameters: [NamedParameter] {
    heads.parameters + [NamedParameter("informer.samples", samples)]
  }

  /// Queries, keys and values [B, H, L, E] with sampled keys [B, L, U] to [B, H, L, E].
  func attend(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ context: Context, sampled: Tensor, layer: Int
  ) throws -> Tensor {
    let (b, h, length, e) = (q.size(0), q.size(1), q.size(2), v.size(3))
    let padding = try context.blockedKeys(upTo: length)
    let real = try context.realPositions()
    let chosen = try withoutGradient { () throws -> Tensor in
      let sharp = try sharpness(q, k, sampled)  // [B, H, L]
      let only = try padding.map {
        try sharp.filled(where: $0.reshaped([$0.size(0), 1, length]), -1e9)
      }
      return try (only ?? sharp).largest(min(count, length), 2)  // [B, H, u]
    }
    let mean = try context.tokenMean(real.map { try v * $0 } ?? v)  // [B, H, 1, E]
    let wide = try chosen.unsqueezed(3).expanded([b, h, chosen.size(2), q.size(3)])
    let attended = try context.attendedOwn(
      q.gathered(wide, 2), k, v, scale: heads.scale, dropout: dropoutRate, layer: layer)
    let place = try chosen.unsqueezed(3).expanded([b, h, chosen.size(2), e])
    return try mean.expanded([b, h, length, e]).adding(attended - mean, at: place, 2)
  }

  /// The largest logit of every query over its sampled keys, less their mean: [B, H, L].
  private func sharpness(_ q: Tensor, _ k: Tensor, _ sampled: Tensor) throws -> Tensor {
    let (b, h, length, e) = (q.size(0), q.size(1), q.size(2), q.size(3))
    let rows = try k.reshaped([b * h * length, e])
    let bases = try Tensor.from((0..<(b * h)).map { Int64($0 * length) }, [b, h, 1, 1])
      .to(q.device)
    // In chunks of queries, so that the gathered keys stay small.
    let parts = try stride(from: 0, to: length, by: Self.chunk).map { first in
      let range = first..<min(length, first + Self.chunk)
      let index = try sampled.slice(range, 1).unsqueezed(1) + bases  // [B, H, c, U]
      let keys = try rows.picked(index.reshaped([-1]), 0).reshaped(index.shape + [e])
      let logits = try keys.matmul(q.slice(range, 2).unsqueezed(4)).select(0, 4)  // [B, H, c, U]
      let mean = try logits.sum([3]) * (1 / Double(index.size(3)))
      return try logits.max(3).select(0, 3) - mean
    }
    return try parts.count == 1 ? parts[0] : .concatenated(parts, 2)
  }
}
