import Foundation
import Tensors
import Testing

@testable import Attention

@Suite(.serialized) struct GatedBlockTests {
  private func model(_ change: (inout ModelConfiguration) -> Void = { _ in }) -> ModelConfiguration
  {
    var model = ModelConfiguration()
    (model.modelType, model.embDim, model.maxLength) = ("s4d", 6, 20)
    (model.normType, model.mixer, model.position) = (.batch, ["d_state": .integer(4)], .none)
    (model.dropoutRate, model.headHidden) = (0, false)
    change(&model)
    return model
  }

  /// SplitMix64 (Steele and others 2014).
  private struct RowGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
      state &+= 0x9e37_79b9_7f4a_7c15
      var x = (state ^ (state >> 30)) &* 0xbf58_476d_1ce4_e5b9
      x = (x ^ (x >> 27)) &* 0x94d0_49bb_1331_11eb
      return x ^ (x >> 31)
    }
  }

  private func ids(_ rows: Int, _ length: Int) throws -> Tensor {
    try .from((0..<(rows * length)).map { Int64(1 + $0 * 7 % 15) }, [rows, length])
  }

  @Test("in training, padding counts neither in outputs nor in statistics")
  func padding() throws {
    for norm in ModelConfiguration.Norm.allCases {
      let configuration = model { $0.norm = norm }
      let classifier = try Classifier(configuration, key: RandomKey(seed: 0))
      let short = try ids(3, 11)
      let long = try short.padded(after: 6, 1)
      let tail = try long.slice(0..<11, 1)
      #expect(try tail.integers() == short.integers())
      let first = try classifier(short, Inputs.context([11, 11, 11], 11, training: true))
      let padded = try classifier(long, Inputs.context([11, 11, 11], 17, training: true))
      #expect(difference(try first.doubles(), try padded.doubles()) < 1e-5)
    }
  }

  @Test("running averages move by a tenth to the batch's statistics, and evaluation takes them")
  func running() throws {
    let norm = try BatchNorm(3, eps: 1e-5, together: true)
    let x = try Inputs.fill([2, 8, 3], 1.1, 0.2).to(.float32)
    let context = try Inputs.context([8, 8], 8, training: true)
    _ = try norm(x, context)
    try context.effects.applyStatistics()
    let values = try x.doubles()
    for channel in 0..<3 {
      let own = stride(from: channel, to: 48, by: 3).map { values[$0] }
      let mean = own.reduce(0, +) / 16
      let variance = own.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 15
      #expect(abs(try norm.mean.value.doubles()[channel] - 0.1 * mean) < 1e-6)
      #expect(abs(try norm.variance.value.doubles()[channel] - (0.9 + 0.1 * variance)) < 1e-6)
    }
    let evaluated = try norm(x, Inputs.context([8, 8], 8)).doubles()
    let (mean, variance) = (try norm.mean.value.doubles(), try norm.variance.value.doubles())
    let expected = values.enumerated().map {
      ($0.element - mean[$0.offset % 3]) / (variance[$0.offset % 3] + 1e-5).squareRoot()
    }
    #expect(difference(evaluated, expected) < 1e-5)
  }

  @Test("a gate is full, or half of either kind", arguments: ModelConfiguration.Gate.allCases)
  func gates(gate: ModelConfiguration.Gate) throws {
    let configuration = model { ($0.gate, $0.normType) = (gate, .layer) }
    let block = try #require(
      try configuration.blocks(1, key: RandomKey(seed: 0))[0] as? GatedBlock)
    let x = try Inputs.fill([1, 5, 6], 1.1, 0.2).to(.float32)
    let context = try Inputs.context([5], 5)
    let mixed = try block.mixer(block.norm(x, context), context, layer: 0)
    let active = try mixed.gelu()
    let w = try block.gate(active)
    let expected =
      switch gate {
      case .full: try x + w.slice(0..<6, -1) * w.slice(6..<12, -1).sigmoid()
      case .half1: try x + active * w.sigmoid()
      case .half2: try x + mixed * w.sigmoid()
      }
    #expect(difference(try block(x, context, layer: 0).doubles(), try expected.doubles()) < 1e-6)
  }

  @Test(
    "the kernel gives what the composed form gives in float64, under dropout",
    arguments: ModelConfiguration.Gate.allCases, ModelConfiguration.Activation.allCases)
  func fused(gate: ModelConfiguration.Gate, activation: ModelConfiguration.Activation) throws {
    for (width, norm) in [(21, ModelConfiguration.Norm.pre), (32, .post)] {
      var configuration = model { ($0.gate, $0.activation, $0.norm) = (gate, activation, norm) }
      (configuration.embDim, configuration.dropoutRate) = (width, 0.3)
      let steps = try [ElementType.float32, .float64].map { try step(configuration, $0) }
      #expect(steps[0].count == steps[1].count && steps[0].count > 8)
      for (one, other) in zip(steps[0], steps[1]) {
        let size = other.values.map { abs($0) }.max() ?? 0
        let off = difference(one.values, other.values)
        #expect(off <= 1e-4 * max(size, 0.1), "\(one.name): \(off) of \(size)")
      }
    }
  }

  /// What a block's step of training gives, and all its gradients.
  private func step(_ configuration: ModelConfiguration, _ type: ElementType) throws
    -> [(name: String, values: [Double])]
  {
    let block = try configuration.blocks(1, key: RandomKey(seed: 0))[0]
    for named in block.parameters { try named.parameter.convert(to: type) }
    let x = try Inputs.fill([2, 101, configuration.embDim], 0.7, 0.1).to(.float32).to(type)
    try x.requireGradient()
    let y = try block(x, Inputs.context([101, 70], 101, training: true), layer: 1)
    try (y * Inputs.fill(y.shape, 1.3, 0.4).to(type)).sum().backward()
    let gradients = try block.parameters.compactMap { named in
      try named.parameter.value.gradient.map { (name: named.name, values: try $0.doubles()) }
    }
    return [("output", try y.doubles()), ("input", try x.gradient?.doubles() ?? [])] + gradients
  }

  @Test("tied dropout drops whole channels of an example")
  func tied() throws {
    let context = try Inputs.context([9, 9], 9, training: true)
    let x = try Tensor.full([2, 9, 40], 1)
    let y = try context.dropout(x, 0.5, layer: 0, site: "gate.out", tiedToLength: true).floats()
    for row in 0..<2 {
      for channel in 0..<40 {
        let column = (0..<9).map { y[(row * 9 + $0) * 40 + channel] }
        #expect(Set(column).count == 1 && [0, 2].contains(column[0]))
      }
    }
    #expect(Set(y).count == 2)
  }

  @Test("values enter by a linear layer, from 0 to 1 or from -1 to 1")
  func values() throws {
    for (input, expected) in [
      (ModelConfiguration.Input.values, [0, 0.5, 1]), (.centredValues, [-1, 0, 1]),
    ] {
      let configuration = model { ($0.input, $0.vocabularySize) = (input, 257) }
      let embedding = try Embedding(configuration, key: RandomKey(seed: 0))
      let context = try Inputs.context([3], 3)
      let x = try embedding(.from([1, 128, 256].map(Int64.init), [1, 3]), context).0
      let layer = try #require(embedding.value)
      let level = expected.enumerated().map {
        $0.offset == 1 ? (input == .values ? 127.0 / 255 : -1.0 / 255) : $0.element
      }
      let found = try layer(Tensor.from(level.map(Float.init), [1, 3, 1]))
      #expect(difference(try x.doubles(), try found.doubles()) < 1e-6)
      #expect(embedding.parameters.map(\.name) == ["value.weight", "value.bias"])
    }
  }

  /// A symbol of four, marked among 128: the smallest task that needs to look far (250 steps of a state-space model).
  @Test("S4D learns to recall a marked symbol", arguments: [S4D.Spectrum.legs, .lin])
  func markedRecall(initial: S4D.Spectrum) throws {
    _ = try Engine.start(threads: 2)
    let (length, rows, steps) = (128, 32, 250)
    var configuration = model {
      ($0.embDim, $0.numLayers, $0.maxLength) = (32, 2, length)
      ($0.vocabularySize, $0.numClasses) = (9, 4)
      $0.mixer = ["d_state": .integer(16), "init": .string(initial.rawValue)]
      ($0.initial.linear, $0.initial.tokenDeviation) = (.torch, 1)
    }
    configuration.normType = .batch
    let classifier = try Classifier(configuration, key: RandomKey(seed: 0))
    let optimizer = try AdamW(
      ParameterGroup.groups(
        of: classifier.parameters, weightDecay: 0.01, exempt: [],
        rateFactors: [.state: 0.25, .step: 0.25]), .init())
    var generator = RowGenerator(state: 5)
    var right = 0
    for step in 1...(steps + 8) {
      var symbols = (0..<(rows * length)).map { _ in Int64(generator.next() % 4) + 1 }
      let labels = (0..<rows).map { row in
        let place = row * length + Int(generator.next() % UInt64(length))
        defer { symbols[place] += 4 }
        return symbols[place] - 1
      }
      let isTraining = step <= steps
      let context = try Inputs.context(
        [Int](repeating: length, count: rows), length, training: isTraining)
      let logits = try classifier(.from(symbols, [rows, length]), context)
      let answers = try Tensor.from(labels, [rows])
      guard isTraining else {
        let hits = try logits.argmax(-1).equal(answers).to(.int64).integers().reduce(0, +)
        right += Int(hits)
        continue
      }
      for named in classifier.parameters { named.parameter.value.clearGradient() }
      try (logits.crossEntropySum(answers) * (1 / Double(rows))).backward()
      let rise = min(1, Double(step) / 50)
      let fall = 0.5 * (1 + cos(.pi * max(0, Double(step - 50)) / 200))
      try optimizer.step(learningRate: 0.004 * rise * fall)
      try withoutGradient { try context.effects.applyStatistics() }
    }
    let accuracy = Double(right) / Double(8 * rows)
    print("marked recall, \(initial): \(accuracy)")
    #expect(accuracy >= 0.95)
  }
}
