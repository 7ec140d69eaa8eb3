import Foundation
import Tensors
import Testing

@testable import Attention

@Suite struct SynthesizerTests {
  private func synthesizer(
    _ mode: String, dots: Bool = false, causal: Bool = false, maxLength: Int = 20,
    dropout: Double = 0
  ) throws -> Synthesizer {
    var model = ModelConfiguration()
    (model.embDim, model.qkvDim, model.numHeads, model.causal) = (8, 8, 2, causal)
    (model.maxLength, model.attentionDropoutRate) = (maxLength, dropout)
    let mixer = try Synthesizer(
      .init(synthesizerMode: mode, ignoreDotProduct: !dots, k: 3), model, key: RandomKey(seed: 0))
    for (index, named) in mixer.parameters.enumerated() {
      let noise = try Inputs.fill(named.parameter.value.shape, 37 + Double(index), 0.3) * 0.2
      try withoutGradient {
        try named.parameter.value.copy(from: named.parameter.value + noise.to(.float32))
      }
      try named.parameter.convert(to: .float64)
    }
    return mixer
  }

  /// One row from the parameters by name, in plain numbers: [L, D].
  private func reference(
    _ mixer: Synthesizer, _ mode: String, _ x: [Double], length: Int, real: Int, causal: Bool
  )
    throws -> [Double]
  {
    let p = Dictionary(
      uniqueKeysWithValues: try mixer.parameters.map { ($0.name, try $0.parameter.value.doubles()) }
    )
    func linear(_ name: String, _ input: [Double]) -> [Double] {
      guard let w = p["\(name).weight"], let b = p["\(name).bias"] else { return [] }
      return b.indices.map { o in
        input.indices.reduce(b[o]) { $0 + w[o * input.count + $1] * input[$1] }
      }
    }
    func row(_ t: Int) -> [Double] { Array(x[(t * 8)..<(t * 8 + 8)]) }
    func head(_ all: [Double], _ h: Int) -> [Double] { Array(all[(h * 4)..<(h * 4 + 4)]) }
    return (0..<length).flatMap { i -> [Double] in
      let mixed = (0..<2).flatMap { h -> [Double] in
        let limit = min(real, causal ? i + 1 : length)
        let logits = (0..<limit).map { j -> Double in
          var sum = 0.0
          if let r = p["synthesizer.random"] { sum += r[(h * 20 + i) * 20 + j] }
          if let a = p["synthesizer.random1"], let b = p["synthesizer.random2"] {
            for c in 0..<3 { sum += a[(h * 20 + i) * 3 + c] * b[(h * 3 + c) * 20 + j] }
          }
          let dense = head(
            linear("synthesizer.hidden", row(i)).map { max(0, $0) } + [0, 0, 0, 0, 0, 0, 0, 0], h)
          if mode.contains("dense") && !mode.contains("factorized_dense") {
            sum += linear("synthesizer.logits", dense)[j]
          }
          if mode.contains("factorized_dense") {
            let hidden = head(linear("synthesizer.factors", row(i)).map { max(0, $0) }, h)
            sum +=
              linear("synthesizer.logits1", hidden)[j % 5]
              * linear("synthesizer.logits2", hidden)[j / 5]
          }
          if p["q.weight"] != nil {
            let (q, k) = (head(linear("q", row(i)), h), head(linear("k", row(j)), h))
            sum += zip(q, k).map { $0 * $1 }.reduce(0, +) / 2
          }
          return sum
        }
        let weights = logits.map { exp($0) }
        return (0..<4).map { c in
          (0..<limit).reduce(0.0) { $0 + weights[$1] * head(linear("v", row($1)), h)[c] }
            / weights.reduce(0, +)
        }
      }
      return linear("out", mixed)
    }
  }

  @Test(
    "every part and mixture equals its definition in plain numbers",
    arguments: [
      "random", "dense", "factorized_random", "factorized_dense", "dense+random",
      "factorized_dense+factorized_random",
    ], [false, true])
  func definition(mode: String, causal: Bool) throws {
    for (length, real, dots) in [(20, 20, false), (13, 13, true), (13, 8, true), (1, 1, false)] {
      let mixer = try synthesizer(mode, dots: dots, causal: causal)
      let x = try Inputs.fill([1, length, 8], 0.7, 0.1)
      let found = try mixer(x, Inputs.context([real], length), layer: 0).doubles()
      let expected = try reference(
        mixer, mode, x.doubles(), length: length, real: real, causal: causal)
      #expect(difference(Array(found[..<(real * 8)]), Array(expected[..<(real * 8)])) < 1e-10)
    }
  }

  @Test(
    "logits are made in the kernel: outputs and gradients are those of float64",
    arguments: ["factorized_random", "random", "dense", "dense+random+factorized_random"],
    [(false, false), (false, true), (true, false), (true, true)])
  func fused(mode: String, form: (dots: Bool, causal: Bool)) throws {
    let lengths = [17, 9]
    var results: [[Double]] = []
    for type in [ElementType.float64, .float32] {
      let mixer = try synthesizer(mode, dots: form.dots, causal: form.causal)
      for named in mixer.parameters { try named.parameter.convert(to: type) }
      let x = try Inputs.fill([2, 17, 8], 0.7, 0.1).to(type)
      try x.requireGradient()
      let context = try Inputs.context(lengths, 17)
      #expect(try mixer.attendFused(x, context, layer: 0) != nil)
      let real = try Tensor.from((0..<34).map { $0 % 17 < lengths[$0 / 17] ? 1.0 : 0 }, [2, 17, 1])
      let out = try mixer(x, context, layer: 0).to(.float64) * real
      try (out * Inputs.fill([2, 17, 8], 1.3, 0.4)).sum().backward()
      var all = try out.doubles() + (#require(x.gradient).doubles())
      for named in mixer.parameters {
        all += try #require(named.parameter.value.gradient).doubles()
      }
      results.append(all)
    }
    #expect(difference(results[0], results[1]) < 1e-4)
  }

  @Test(
    "examples that share their weights have the outputs and gradients that they have alone",
    arguments: ["factorized_random", "random", "random+factorized_random"],
    [
      (false, [12, 12, 12, 12]), (true, [12, 12, 12, 12]), (false, [12, 7, 1, 12]),
      (true, [12, 7, 1, 12]),
    ])
  func together(mode: String, form: (causal: Bool, lengths: [Int])) throws {
    let lengths = form.lengths
    let mixer = try synthesizer(mode, dots: false, causal: form.causal)
    #expect(
      Synthesizer.together(4, width: 4) == 4 && Synthesizer.together(7, width: 100) == 1
        && Synthesizer.together(32, width: 32) == 16)
    let x = try Inputs.fill([4, 12, 8], 0.7, 0.1)
    let weights = try Inputs.fill([4, 12, 8], 1.3, 0.4)
    let run = { (rows: [Int]) in
      let own = { (all: Tensor) in
        try Tensor.concatenated(rows.map { try all.slice($0..<($0 + 1), 0) }, 0)
      }
      let input = try own(x).detached()
      try input.requireGradient()
      for named in mixer.parameters { named.parameter.value.clearGradient() }
      let real = try Tensor.from(
        rows.flatMap { row in (0..<12).map { $0 < lengths[row] ? 1.0 : 0 } }, [rows.count, 12, 1])
      let out = try mixer(input, Inputs.context(rows.map { lengths[$0] }, 12), layer: 0) * real
      try (out * own(weights)).sum().backward()
      let gradients = try mixer.parameters.flatMap {
        try #require($0.parameter.value.gradient).doubles()
      }
      return try (out.doubles(), #require(input.gradient).doubles(), gradients)
    }
    let all = try run([0, 1, 2, 3])
    let alone = try (0..<4).map { try run([$0]) }
    #expect(difference(all.0, alone.flatMap(\.0)) < 1e-12)
    #expect(difference(all.1, alone.flatMap(\.1)) < 1e-12)
    let sums = all.2.indices.map { index in alone.reduce(0) { $0 + $1.2[index] } }
    #expect(difference(all.2, sums) < 1e-11)
  }

  @Test("it agrees with golden group `synthesizer`")
  func golden() throws {
    let golden = try Golden("synthesizer")
    let v = try Inputs.fill([1, 1, 12, 4], 2.1, 0.3)
    let mixer = try synthesizer("random")
    let context = try Inputs.context([12], 12)
    let random = try Inputs.fill([1, 1, 12, 12], 0.37, 0.2)
    try golden.expect("random", mixer.attend(random, v, context, layer: 0))
    let factors = try Inputs.fill([1, 1, 12, 2], 0.5, 0.1)
      .matmul(Inputs.fill([1, 1, 2, 12], 0.6, 0.2))
    try golden.expect("fact", mixer.attend(factors, v, context, layer: 0))
  }

  @Test(
    "with the logits of dot products it is full attention; with zero logits the mean of real values"
  )
  func identities() throws {
    let x = try Inputs.queriesKeysValues([2, 2, 15, 4])
    let context = try Inputs.context([15, 6], 15)
    let mixer = try synthesizer("random")
    let dots = try x[0].matmul(x[1].transposed(2, 3)) * 0.5
    try expectSame(
      [x[2], dots], lengths: [15, 6], "",
      { try mixer.attend($0[1], $0[0], context, layer: 0) },
      {
        let identity = try Tensor.from(
          (0..<225).map { $0 / 15 == $0 % 15 ? 1.0 : 0 }, [1, 1, 15, 15])
        return try denseAttention($0[1], identity, $0[0], lengths: [15, 6], scale: 1) { _, _, _ in
          true
        }
      })
    let zero = try mixer.attend(.zeros([1, 2, 15, 15], .float64), x[2], context, layer: 0)
    let mean = try x[2].slice(1..<2, 0).slice(0..<6, 2).sum([2]) * (1 / 6.0)
    let found = try zero.slice(1..<2, 0).select(3, 2)
    #expect(difference(try found.doubles(), try mean.doubles()) < 1e-12)
  }

  @Test("dropout falls on the probabilities of every row of the batch apart")
  func dropout() throws {
    let mixer = try synthesizer("random", dropout: 0.5)
    let v = try Tensor.full([2, 2, 20, 4], 1)
    let logits = try Tensor.zeros([1, 2, 20, 20])
    let context = try Inputs.context([20, 20], 20, training: true)
    let found = try mixer.attend(logits, v, context, layer: 0).floats()
    #expect(found[..<160] != found[160...])
    #expect(found.contains { $0 > 1.05 } && found.contains { $0 < 0.95 })
  }

  @Test("unknown parts and a rank of 0 are refused")
  func badConfiguration() {
    #expect(throws: AttentionError.self) { try synthesizer("randon") }
    #expect(throws: AttentionError.self) { try synthesizer("") }
    #expect(throws: AttentionError.self) { try synthesizer("random+random") }
  }
}
