import Foundation
import Tensors
import Testing

@testable import Attention

/// What hiding positions anywhere in a row must do, whatever the mechanism or architecture.
@Suite(.serialized) struct HiddenPropertyTests {
  /// Two rows of 17: hidden first, in runs as long as a small block, last, and one by one.
  private static let flags: [[Bool]] = [
    [1, 0, 0, 1, 1, 1, 1, 1, 0, 0, 1, 0, 0, 0, 1, 1, 1],
    [0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0],
  ].map { $0.map { $0 == 1 } }

  private func context(
    _ flags: [[Bool]] = Self.flags, lengths: [Int]? = nil, training: Bool = false
  ) throws -> Context {
    let (rows, length) = (flags.count, flags[0].count)
    return try Context(
      lengths: lengths ?? [Int](repeating: length, count: rows), length: length,
      examples: Array(0..<rows), key: RandomKey(seed: 3)["training"][5], training: training,
      hidden: .from(Array(flags.joined()), [rows, length]))
  }

  /// [2, 17, 1]: 1 at tokens.
  private func real(_ flags: [[Bool]] = Self.flags) throws -> Tensor {
    try .from(flags.joined().map { $0 ? 0.0 : 1 }, [flags.count, flags[0].count, 1])
  }

  /// Outputs at tokens, and the gradients of parameters from them.
  private func step(_ mixer: any Mixer, _ x: Tensor, _ context: Context, _ real: Tensor) throws
    -> [Double]
  {
    // Something has a gradient even where there is no parameter.
    let leaf = try x.detached() * 1
    try leaf.requireGradient()
    let out = try mixer.callAsFunction(leaf, context, layer: 1).to(.float64) * real
    let loss = try (out * Inputs.fill(out.shape, 1.3, 0.4)).sum()
    let auxiliary = try context.effects.takeAuxiliaryLoss()
    try (auxiliary.map { try loss + $0.to(.float64) } ?? loss).backward()
    let gradients = try mixer.parameters.flatMap { named -> [Double] in
      let gradient = try named.parameter.value.gradient?.doubles()
      named.parameter.value.clearGradient()
      return gradient ?? [Double](repeating: 0, count: named.parameter.value.count)
    }
    return try out.doubles() + gradients
  }

  @Test(
    "what stands at hidden positions changes nothing, in outputs and gradients",
    arguments: MixerCase.all, [false, true])
  func content(example: MixerCase, training: Bool) throws {
    let mixer = try example.build()
    let x = try example.input([2, 17, 8])
    let hidden = try (real() * -1 + 1).to(x.elementType)
    let results = try [0.0, 3].map { size in
      let other = try example.input([2, 17, 8], 2.9) * size
      return try step(mixer, x + hidden * other, context(training: training), real())
    }
    #expect(difference(results[1], results[0]) < example.tolerance)
    #expect(results[0].contains { abs($0) > 1e-3 })
  }

  @Test(
    "positions that are hidden behind the last token are as padding", arguments: MixerCase.all)
  func tail(example: MixerCase) throws {
    let mixer = try example.build()
    let x = try example.input([2, 17, 8])
    let flags = [9, 13].map { end in (0..<17).map { $0 >= end } }
    let found = try step(mixer, x, context(flags), real(flags))
    let none = [[Bool]](repeating: .init(repeating: false, count: 17), count: 2)
    let expected = try step(mixer, x, Inputs.context([9, 13], 17), real(flags))
    #expect(difference(found, expected) < example.tolerance)
    let nothing = try step(mixer, x, context(none, lengths: [9, 13]), real(flags))
    #expect(difference(nothing, expected) < example.tolerance)
  }

  @Test(
    "where places do not matter, a row with hidden positions gives what it gives without them",
    arguments: MixerCase.all.filter {
      // Padding counts in the sums of filled rows, and in causal ones it counts from where it stands.
      !($0.causal && $0.keys["filled_rows"] != nil)
        && [
          "transformer", "linear", "performer", "performer_relu", "taylor", "kernelized", "luna",
          "reformer", "routing_transformer", "skyformer",
        ].contains($0.entry.mechanism.name)
    })
  func shorter(example: MixerCase) throws {
    let mixer = try example.build()
    let x = try example.input([2, 17, 8])
    let whole = try mixer.callAsFunction(x, context(), layer: 0)
    for (row, flags) in Self.flags.enumerated() {
      let places = try Tensor.from(
        flags.indices.filter { !flags[$0] }.map(Int64.init), [flags.filter { !$0 }.count])
      let count = places.size(0)
      let short = try x.slice(row..<(row + 1), 0).picked(places, 1)
      let alone = try mixer.callAsFunction(
        short, Inputs.context([count], count, examples: [row]), layer: 0)
      let expected = try whole.slice(row..<(row + 1), 0).picked(places, 1)
      #expect(difference(try alone.doubles(), try expected.doubles()) < example.tolerance)
    }
  }

  @Test(
    "what tokens stand at hidden positions changes nothing in any architecture",
    arguments: ArchitectureCase.all)
  func architectures(example: ArchitectureCase) throws {
    let encoder = try example.build()
    let results = try [2, 9].map { token -> [Double] in
      let ids = Self.flags.flatMap { row in
        row.enumerated().map { Int64($1 ? token : 1 + ($0 * 7 + 3) % 15) }
      }
      let (features, after) = try encoder.callAsFunction(.from(ids, [2, 17]), context())
      let weights = try after.meanWeights(.float64)
      let pooled = try weights.matmul(features.to(.float64))
      try (pooled * Inputs.fill(pooled.shape, 1.3, 0.4)).sum().backward()
      let gradients = try encoder.parameters.flatMap { named -> [Double] in
        let gradient = try named.parameter.value.gradient?.doubles()
        named.parameter.value.clearGradient()
        // The table's rows of the two tokens have the gradient of other positions only.
        return gradient ?? [Double](repeating: 0, count: named.parameter.value.count)
      }
      return try pooled.doubles() + gradients
    }
    #expect(difference(results[1], results[0]) < example.tolerance)
    #expect(results[0].contains { abs($0) > 1e-3 })
  }
}
