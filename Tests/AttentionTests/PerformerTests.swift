import Foundation
import Tensors
import Testing

@testable import Attention

@Suite struct PerformerTests {
  private func performer(
    _ features: Int, causal: Bool = false, width: Int = 4,
    change: (inout Performer.Configuration) -> Void = { _ in }
  ) throws -> Performer {
    var model = ModelConfiguration()
    (model.embDim, model.qkvDim, model.numHeads) = (2 * width, 2 * width, 2)
    model.causal = causal
    var configuration = Performer.Configuration()
    configuration.numFeatures = features
    change(&configuration)
    return try Performer(configuration, model, key: RandomKey(seed: 0))
  }

  /// Weights φ(q)·φ(k) over the allowed keys, divided by their sum, in plain numbers: [L, E] of a head.
  private func reference(
    _ q: [Double], _ k: [Double], _ v: [Double], _ w: [Double], e: Int, real: Int, causal: Bool
  ) -> [Double] {
    let (length, m) = (q.count / e, w.count / e)
    func exponents(_ x: [Double], _ t: Int) -> [Double] {
      let u = (0..<e).map { x[t * e + $0] / pow(Double(e), 0.25) }
      let half = u.map { $0 * $0 }.reduce(0, +) / 2
      return (0..<m).map { f in (0..<e).reduce(-half) { $0 + w[f * e + $1] * u[$1] } }
    }
    let highest = causal ? 0 : (0..<real).flatMap { exponents(k, $0) }.max() ?? 0
    let factor = 1 / Double(m).squareRoot()
    let keys = (0..<real).map { t in exponents(k, t).map { factor * (exp($0 - highest) + 1e-6) } }
    return (0..<length).flatMap { i -> [Double] in
      let raw = exponents(q, i)
      let top = raw.max() ?? 0
      let phi = raw.map { factor * (exp($0 - top) + 1e-6) }
      let weights = keys[..<min(real, causal ? i + 1 : length)].map {
        zip(phi, $0).map { $0 * $1 }.reduce(0, +)
      }
      let sum = weights.reduce(1e-6, +)
      return (0..<e).map { c in
        weights.indices.reduce(0.0) { $0 + weights[$1] * v[$1 * e + c] } / sum
      }
    }
  }

  @Test("it equals its quadratic form", arguments: [1, 7, 130, 200], [false, true])
  func quadratic(length: Int, causal: Bool) throws {
    let mixer = try performer(12, causal: causal)
    let w = try mixer.features.value.to(.float64)
    let x = try Inputs.queriesKeysValues([2, 2, length, 4]).map { try $0 * 1.5 }
    let lengths = [length, (length + 1) / 2]
    let found = try mixer.attend(x[0], x[1], x[2], Inputs.context(lengths, length), features: w)
    for row in 0..<2 {
      for head in 0..<2 {
        let part = { (t: Tensor) in try t.select(row, 0).select(head, 0).doubles() }
        let expected = try reference(
          part(x[0]), part(x[1]), part(x[2]), w.doubles(), e: 4, real: lengths[row], causal: causal)
        let count = lengths[row] * 4
        #expect(difference(try Array(part(found)[..<count]), Array(expected[..<count])) < 1e-9)
      }
    }
  }

  @Test("the maxima that are taken off change nothing but what is added to features")
  func stabilisers() throws {
    let mixer = try performer(64)
    let w = try mixer.features.value.to(.float64)
    let x = try Inputs.queriesKeysValues([1, 2, 30, 4])
    let found = try mixer.attend(x[0], x[1], x[2], Inputs.context([30], 30), features: w)
    // exp(W u - |u|²/2) without constants.
    let phi = { (x: Tensor) throws -> Tensor in
      let u = try x * (1 / 4.0.squareRoot().squareRoot())
      return try (u.matmul(w.transposed(0, 1)) - (u * u).sum([3], keep: true) * 0.5).exp()
    }
    let weights = try phi(x[0]).matmul(phi(x[1]).transposed(2, 3))
    let expected = try weights.matmul(x[2]) / weights.sum([3], keep: true)
    #expect(difference(try found.doubles(), try expected.doubles()) < 1e-5)
  }

  @Test("it agrees with golden group `performer`, softmax and ReLU features")
  func golden() throws {
    let golden = try Golden("performer")
    let x = try Inputs.queriesKeysValues([1, 1, 12, 4])
    let w = try Inputs.fill([8, 4], 1.1, 0.7) * 1.5
    let context = try Inputs.context([12], 12)
    try golden.expect("softmax", performer(8).attend(x[0], x[1], x[2], context, features: w))
    let relu = try PerformerReLU.attend(x[0], x[1], x[2], real: nil, causal: false)
    try golden.expect("relu", relu)
  }

  @Test("directions are orthogonal in groups, with Gaussian norms or the root of E")
  func features() throws {
    for scaling in [0, 1] {
      let w = try performer(20, width: 8) { $0.orthoScaling = scaling }.features.value.to(.float64)
      #expect(w.shape == [20, 8])
      let products = try w.matmul(w.transposed(0, 1)).doubles()
      for i in 0..<20 {
        for j in 0..<i where i / 8 == j / 8 {
          #expect(abs(products[i * 20 + j]) < 1e-4 * 8, "\(i) \(j)")
        }
      }
      let norms = (0..<20).map { products[$0 * 21].squareRoot() }
      if scaling == 1 {
        #expect(norms.allSatisfy { abs($0 - 8.0.squareRoot()) < 1e-5 })
      } else {
        #expect(Set(norms.map { ($0 * 100).rounded() }).count > 15)
      }
    }
  }

  /// Root mean square error against softmax attention over several draws of features.
  private func error(_ m: Int, inputs: Double, draws: Int, haar: Bool = true) throws -> Double {
    let x = try (1...3).map {
      try Tensor.normal([1, 1, 64, 16], key: RandomKey(seed: $0)).to(.float64)
    }
    let (q, k) = (try x[0] * inputs, try x[1] * inputs)
    let exact = try denseAttention(q, k, x[2], lengths: [64], scale: 0.25) { _, _, _ in true }
    let mixer = try performer(m, width: 16) { $0.haar = haar }
    var sum = 0.0
    for draw in 0..<draws {
      let w = try Performer.draw(width: 16, mixer.configuration, key: RandomKey(seed: 100 + draw))
      let found = try mixer.attend(q, k, x[2], Inputs.context([64], 64), features: w.to(.float64))
      let off = try found - exact
      sum += try (off * off).sum().item() / 1024
    }
    return (sum / Double(draws)).squareRoot()
  }

  @Test("the error falls with the root of the number of features, for small inputs")
  func slope() throws {
    let sizes = [16, 64, 256, 1024]
    let points = try sizes.map { (log(Double($0)), log(try error($0, inputs: 0.25, draws: 30))) }
    let (mx, my) = (points.map(\.0).reduce(0, +) / 4, points.map(\.1).reduce(0, +) / 4)
    let slope =
      points.reduce(0.0) { $0 + ($1.0 - mx) * ($1.1 - my) }
      / points.reduce(0.0) { $0 + ($1.0 - mx) * ($1.0 - mx) }
    print("performer: slope of the error \(slope)")
    #expect(slope > -0.6 && slope < -0.4, "\(slope)")
  }

  @Test("plain QR, as in LRA's code, leaves an error that more features do not remove")
  func haarFloor() throws {
    let haar = try error(4096, inputs: 0.1, draws: 4)
    let plain = try error(4096, inputs: 0.1, draws: 4, haar: false)
    print("performer: error with 4096 features \(haar), with plain QR \(plain)")
    #expect(plain > 2 * haar, "\(plain) against \(haar)")
  }

  @Test("one huge key in the padding does not drown the real ones")
  func hugePaddedKey() throws {
    let mixer = try performer(16)
    let w = try mixer.features.value.to(.float64)
    var x = try Inputs.queriesKeysValues([1, 2, 9, 4])
    let context = try Inputs.context([5], 9)
    let before = try mixer.attend(x[0], x[1], x[2], context, features: w).slice(0..<5, 2).doubles()
    let tail = try Tensor.full([1, 2, 4, 4], 30, .float64)
    x[1] = try .concatenated([x[1].slice(0..<5, 2), tail], 2)
    let after = try mixer.attend(x[0], x[1], x[2], context, features: w).slice(0..<5, 2).doubles()
    #expect(before == after)
  }

  @Test("features are redrawn at every training step if asked for, and never in evaluation")
  func redraw() throws {
    let x = try Inputs.fill([1, 9, 8], 0.7, 0.1).to(.float32)
    let run = { (mixer: Performer, step: Int?) in
      let context = try Context(
        lengths: [9], length: 9, examples: [0], key: RandomKey(seed: 3)["training"][step ?? 0],
        training: step != nil)
      return try mixer(x, context, layer: 0).floats()
    }
    let fixed = try performer(16)
    #expect(try run(fixed, 1) == run(fixed, 2))
    let redrawn = try performer(16) { $0.redrawFeatures = true }
    #expect(try run(redrawn, 1) != run(redrawn, 2))
    #expect(try run(redrawn, nil) == run(fixed, nil))
  }

  @Test("as released, padded keys count like real ones, in all three feature mechanisms")
  func attendedPadding() throws {
    let x = try Inputs.fill([1, 9, 8], 0.7, 0.1).to(.float32)
    var model = ModelConfiguration()
    (model.embDim, model.qkvDim, model.numHeads) = (8, 8, 2)
    for name in ["performer", "performer_relu", "linear"] {
      let run = { (released: Bool, context: Context) throws -> [Float] in
        model.mixer = released ? ["attended_padding": .bool(true)] : [:]
        let entry = try Attention.mixer(named: name)
        let layer = try entry.build(model, RandomKey(seed: 0))
        return try layer.callAsFunction(x, context, layer: 0).floats()
      }
      let all = try Inputs.context([9], 9)
      let part = try Inputs.context([5], 9)
      let released = try run(true, part)
      #expect(try released == run(true, all), "\(name)")
      #expect(try released != run(false, part), "\(name)")
    }
  }

  @Test("as released, the kernel is ReLU without features: that of performer_relu")
  func kernel() throws {
    let relu = try performer(8) { $0.kernel = .relu }
    #expect(
      relu.parameters.map(\.name)
        == ["q", "k", "v", "out"].flatMap {
          ["\($0).weight", "\($0).bias"]
        })
    var model = ModelConfiguration()
    (model.embDim, model.qkvDim, model.numHeads) = (8, 8, 2)
    let other = try PerformerReLU(.init(), model, key: RandomKey(seed: 0))
    let x = try Inputs.fill([2, 9, 8], 0.7, 0.1).to(.float32)
    let context = try Inputs.context([9, 5], 9)
    let found = try relu(x, context, layer: 0).floats()
    #expect(try found == other(x, context, layer: 0).floats())
    #expect(try found != performer(8)(x, context, layer: 0).floats())
  }

  @Test("sizes that make no sense are refused")
  func badConfiguration() {
    #expect(throws: AttentionError.self) { try performer(0) }
    #expect(throws: AttentionError.self) { try performer(8) { $0.orthoScaling = 2 } }
    #expect(throws: AttentionError.self) { try performer(8) { $0.eps = -1 } }
    #expect(throws: AttentionError.self) {
      try performer(8) { ($0.filledRows, $0.attendedPadding) = (true, true) }
    }
  }
}
