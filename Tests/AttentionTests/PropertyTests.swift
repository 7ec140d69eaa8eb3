import Foundation
import Tensors
import Testing

@testable import Attention

/// A mechanism in one direction and with some of its keys: every line of the registry is in the list.
struct MixerCase: CustomTestStringConvertible, Sendable {
  let entry: MixerEntry
  let causal: Bool
  let keys: [String: ConfigurationValue]
  /// Whether it does what released code does, which may see padding and the rest of the batch.
  var isReleased = false

  static let maxLength = 40

  static let all: [MixerCase] = mixers.flatMap { entry in
    entry.mechanism.directions.flatMap { direction in
      smallKeys(entry.mechanism.name).map {
        MixerCase(entry: entry, causal: direction == .causal, keys: $0)
      }
    }
  }

  /// The same and what released code does, in the direction it has.
  static let withReleased: [MixerCase] =
    all
    + mixers.flatMap { entry in
      (released[entry.mechanism.name] ?? []).map {
        MixerCase(entry: entry, causal: false, keys: $0, isReleased: true)
      }
    }

  /// Sizes at which a mechanism's blocks, windows and buckets really cut a sequence of 40 tokens.
  static func smallKeys(_ name: String) -> [[String: ConfigurationValue]] {
    variants[name] ?? [[:]]
  }

  var testDescription: String {
    let keys = keys.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
    return ([entry.mechanism.name] + (causal ? ["causal"] : []) + keys).joined(separator: ", ")
  }

  /// Whether the causal order is that of tokens; the 2d Image Transformer's is a raster over blocks,
  /// which its own tests compare pixel by pixel.
  var inTokenOrder: Bool {
    entry.mechanism.name != "image_transformer" || keys["form"] == .string("1d")
  }

  /// Whether it goes through a Fourier transform, which leaves rounding where zeros should be.
  var transforms: Bool {
    ["s4d", "s5", "lru", "long_conv", "sgconv"].contains(entry.mechanism.name)
  }

  /// Whether gradients are those of the function: memories of Transformer-XL and the Compressive
  /// Transformer carry none on purpose; their own tests compare gradients.
  var differentiable: Bool {
    switch entry.mechanism.name {
    case "transformer_xl": keys["memory_length"] == .integer(0)
    case "compressive_transformer": false
    default: true
    }
  }

  /// float64, but for what runs on our own kernels.
  var precise: Bool { entry.mechanism.name != "transformer" }
  var tolerance: Double { precise ? 1e-9 : 2e-5 }

  func model(width: Int = 8, maxLength: Int = maxLength) -> ModelConfiguration {
    var model = ModelConfiguration()
    (model.embDim, model.qkvDim, model.mlpDim, model.numHeads) = (width, width, width, 2)
    model.maxLength = maxLength
    model.modelType = entry.mechanism.name
    model.mixer = keys
    model.causal = causal
    return model
  }

  /// The mechanism with stirred parameters, since some begin at 0 or 1, where mistakes do not show.
  func build(width: Int = 8, maxLength: Int = maxLength) throws -> any Mixer {
    let mixer = try entry.build(model(width: width, maxLength: maxLength), RandomKey(seed: 11))
    for (index, named) in mixer.parameters.enumerated() {
      let parameter = named.parameter
      if parameter.role != .buffer {
        let noise = try Inputs.fill(parameter.value.shape, 37 + Double(index), 0.3) * 0.1
        try withoutGradient {
          try parameter.value.copy(from: parameter.value + noise.to(.float32))
        }
      }
      if precise { try parameter.convert(to: .float64) }
    }
    return mixer
  }

  func input(_ shape: [Int], _ a: Double = 0.7, _ b: Double = 0.1) throws -> Tensor {
    let x = try Inputs.fill(shape, a, b)
    return precise ? x : try x.to(.float32)
  }
}

/// What every mechanism of the registry must do, whatever it is.
@Suite(.serialized) struct PropertyTests {
  private func run(_ mixer: any Mixer, _ x: Tensor, _ context: Context) throws -> Tensor {
    try mixer(x, context, layer: 1)
  }

  private func gradients(_ mixer: any Mixer) throws -> [Double] {
    try mixer.parameters.flatMap { named -> [Double] in
      let gradient = try named.parameter.value.gradient?.doubles()
      named.parameter.value.clearGradient()
      return gradient ?? [Double](repeating: 0, count: named.parameter.value.count)
    }
  }

  @Test("any length gives an output of its shape", arguments: MixerCase.withReleased)
  func shapes(example: MixerCase) throws {
    let mixer = try example.build()
    for length in Array(1...23) + [32, 33, 39, 40] {
      let x = try example.input([2, length, 8])
      let out = try run(mixer, x, Inputs.context([length, max(1, length / 2)], length))
      #expect(out.shape == [2, length, 8])
      #expect(try out.doubles().allSatisfy { $0.isFinite }, "length \(length)")
    }
  }

  @Test(
    "an empty row and huge logits leave outputs and gradients finite",
    arguments: MixerCase.withReleased)
  func finite(example: MixerCase) throws {
    let mixer = try example.build()
    for (lengths, size) in [([0, 9], 1.0), ([0, 0], 1), ([9, 5], 60), ([9, 9], 60)] {
      let x = try example.input([2, 9, 8]) * size
      try x.requireGradient()
      let out = try run(mixer, x.detached() + x * 1 - x.detached(), Inputs.context(lengths, 9))
      try (out * example.input([2, 9, 8], 1.3)).sum().backward()
      let all = try out.doubles() + (#require(x.gradient).doubles()) + gradients(mixer)
      #expect(all.allSatisfy { $0.isFinite }, "lengths \(lengths), size \(size)")
    }
  }

  @Test(
    "a padded row gives what its truncation gives, in outputs and parameter gradients",
    arguments: MixerCase.all, [1, 7, 13, 24])
  func padding(example: MixerCase, real: Int) throws {
    let mixer = try example.build()
    let x = try example.input([1, 40, 8])
    var results: [[Double]] = []
    for (length, garbage) in [(real, 0.0), (33, 0), (40, 3)] {
      let tail = try example.input([1, length - real, 8], 2.9) * garbage
      let row = try Tensor.concatenated([x.slice(0..<real, 1), tail], 1)
      try row.requireGradient()
      let out = try run(mixer, row, Inputs.context([real], length)).slice(0..<real, 1)
      try (out * example.input([1, real, 8], 1.3)).sum().backward()
      results.append(try out.doubles() + gradients(mixer))
    }
    #expect(difference(results[1], results[0]) < example.tolerance, "zeros behind")
    #expect(difference(results[2], results[0]) < example.tolerance, "other content behind")
    #expect(results[0].contains { abs($0) > 1e-3 })
  }

  @Test("no output depends on its row's place or on the other rows", arguments: MixerCase.all)
  func batchOrder(example: MixerCase) throws {
    let mixer = try example.build()
    let (a, b) = (try example.input([1, 21, 8]), try example.input([1, 21, 8], 1.9, 0.5))
    for training in [false, true] {
      let context = { (lengths: [Int], examples: [Int]) in
        try Inputs.context(lengths, 21, training: training, examples: examples)
      }
      let both = try run(mixer, .concatenated([a, b], 0), context([21, 10], [4, 9]))
      let swapped = try run(mixer, .concatenated([b, a], 0), context([10, 21], [9, 4]))
      let tolerance = example.tolerance
      for (row, other) in [(0, 1), (1, 0)] {
        let real = row == 0 ? 21 : 10
        let part = try both.select(row, 0).slice(0..<real, 0).doubles()
        let found = try swapped.select(other, 0).slice(0..<real, 0).doubles()
        #expect(difference(found, part) < tolerance, "row \(row), training \(training)")
        let alone = try run(
          mixer, (row == 0 ? a : b).slice(0..<real, 1),
          Inputs.context([real], real, training: false, examples: [row == 0 ? 4 : 9]))
        if !training { #expect(difference(try alone.doubles(), part) < tolerance, "alone \(row)") }
      }
    }
  }

  @Test("the same call twice gives the same numbers", arguments: MixerCase.withReleased)
  func determinism(example: MixerCase) throws {
    for training in [false, true] {
      let out = try (0..<2).map { _ in
        try run(
          example.build(), example.input([2, 13, 8]),
          Inputs.context([13, 6], 13, training: training)
        ).doubles()
      }
      #expect(out[0] == out[1])
    }
  }

  @Test(
    "a causal output has exactly no gradient from later tokens, but for a transform's rounding",
    arguments: MixerCase.all.filter { $0.causal && $0.inTokenOrder })
  func causality(example: MixerCase) throws {
    let mixer = try example.build()
    var reached = 0
    for position in [0, 1, 6, 11, 16] {
      let x = try example.input([1, 17, 8])
      try x.requireGradient()
      let out = try run(mixer, x, Inputs.context([17], 17))
      try (out.slice(position..<(position + 1), 1) * example.input([1, 1, 8], 1.3)).sum().backward()
      let gradient = try #require(x.gradient).doubles()
      let most = example.transforms ? 1e-6 * (gradient.map { abs($0) }.max() ?? 0) : 0
      let zero = gradient[((position + 1) * 8)...].allSatisfy { abs($0) <= most }
      #expect(zero, "position \(position)")
      reached += gradient[..<((position + 1) * 8)].filter { abs($0) > most }.count
      // A change that gradients do not see, such as another order or another maximum.
      let tail = try example.input([1, 16 - position, 8], 2.9) * 5
      let changed = try Tensor.concatenated([x.detached().slice(0..<(position + 1), 1), tail], 1)
      let other = try run(mixer, changed, Inputs.context([17], 17)).slice(0..<(position + 1), 1)
      let before = try out.slice(0..<(position + 1), 1).doubles()
      #expect(difference(try other.doubles(), before) < example.tolerance, "position \(position)")
    }
    #expect(reached > 60)
  }

  @Test(
    "gradients equal central differences",
    arguments: MixerCase.all.filter { $0.differentiable })
  func gradientCheck(example: MixerCase) throws {
    let (length, width, step) = (8, 4, example.precise ? 1e-6 : 1e-2)
    let mixer = try example.build(width: width, maxLength: length)
    let x = try example.input([2, length, width])
    let direction = try example.input([2, length, width], 1.3, 0.4)
    let loss = { (x: Tensor) in
      let real = try Tensor.from(
        (0..<16).map { $0 < 13 ? 1.0 : 0 }, [2, length, 1])
      let context = try Inputs.context([length, 5], length)
      return try (run(mixer, x, context) * direction * real).sum()
    }
    let leaf = try x.detached() * 1
    try leaf.requireGradient()
    try loss(leaf).backward()
    let found = try #require(leaf.gradient)
    let tolerance = example.precise ? 2e-6 : 3e-3
    // Along the whole input, along each parameter, each by a direction of its own.
    let slope = { (value: Tensor, ray: Tensor, at: (Tensor) throws -> Double) in
      (try at(value + ray * step) - at(value - ray * step)) / (2 * step)
    }
    for index in 0..<6 {
      let ray = try example.input(x.shape, 0.9 + Double(index), 0.2)
      let expected = try withoutGradient { try slope(x, ray) { try loss($0).item() } }
      let along = try (found * ray).sum().item()
      #expect(abs(along - expected) < tolerance * max(1, abs(expected)), "input, ray \(index)")
    }
    for named in mixer.parameters where named.parameter.role != .buffer {
      let value = named.parameter.value
      let kept = try value.detached() * 1
      let ray = try example.input(value.shape, 0.9, 0.2)
      let expected = try withoutGradient {
        try slope(kept, ray) {
          try value.copy(from: $0)
          return try loss(x).item()
        }
      }
      try withoutGradient { try value.copy(from: kept) }
      let along = try value.gradient.map { try ($0 * ray).sum().item() } ?? 0
      #expect(abs(along - expected) < tolerance * max(1, abs(expected)), "\(named.name)")
    }
  }
}
