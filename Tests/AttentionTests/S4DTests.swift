import Foundation
import Tensors
import Testing

@testable import Attention

@Suite struct S4DTests {
  private func s4d(
    _ keys: S4D.Configuration = .defaults, width: Int = 2, causal: Bool = false
  ) throws -> S4D {
    var model = ModelConfiguration()
    (model.embDim, model.causal) = (width, causal)
    return try S4D(keys, model, key: RandomKey(seed: 0))
  }

  /// The layer of a golden group: H 2, N 8, dt .01 and .1.
  private func golden(_ initial: S4D.Spectrum, causal: Bool) throws -> S4D {
    var keys = S4D.Configuration.defaults
    (keys.initial, keys.stateSize) = (initial, 8)
    let layer = try s4d(keys, causal: causal)
    for named in layer.parameters { try named.parameter.convert(to: .float64) }
    try layer.logStep.value.detached().copy(from: .from([log(0.01), log(0.1)], [2]))
    let c = try Inputs.fill([2, 2, 4, 2], 0.9, 0.1)
    try layer.output.value.detached().copy(from: causal ? c.slice(0..<1, 0) : c)
    try layer.through.value.detached().copy(from: .zeros([2], .float64))
    return layer
  }

  @Test(
    "kernels and outputs agree with the golden groups",
    arguments: S4D.Spectrum.allCases)
  func golden(initial: S4D.Spectrum) throws {
    let golden = try Golden("s4d_\(initial)")
    let within = 1e-6  // where A begins as float32 values
    try golden.expect(
      "kernel", self.golden(initial, causal: false).kernels(16), within: within)
    let description = try golden.text("desc")
    #expect(description.contains("u=fill"))
    let u = try Inputs.fill([1, 2, 16], 0.7, 0.3).transposed(1, 2)  // [1, L, H]
    for (name, causal) in [("causal", true), ("bidir", false)] {
      let y = try self.golden(initial, causal: causal)(u, Inputs.context([16], 16), layer: 0)
      try golden.expect(name, y.transposed(1, 2), within: 10 * within)
    }
  }

  @Test("HiPPO-LegS's eigenvalues are those of the golden group", arguments: [4, 8, 16, 32, 64])
  func legs(size: Int) throws {
    let expected = try Golden("hippo_legs").values("N\(size)")
    let found = try S4D.Spectrum.legs(size)
    #expect(zip(found, expected).allSatisfy { abs($0 / $1 - 1) < 1e-8 })
    #expect(found.count == expected.count)
  }

  @Test("a layer is the recurrence that it stands for, both ways")
  func recurrence() throws {
    let (length, n, width) = (50, 4, 3)
    var keys = S4D.Configuration.defaults
    keys.stateSize = 2 * n
    let layer = try s4d(keys, width: width)
    for named in layer.parameters { try named.parameter.convert(to: .float64) }
    let x = try Inputs.fill([1, length, width], 1.1, 0.2)
    let y = try layer(x, Inputs.context([length], length), layer: 0).doubles()
    let u = try x.doubles()
    let values = try layer.parameters.map { try $0.parameter.value.doubles() }
    for channel in 0..<width {
      var expected = (0..<length).map { values[4][channel] * u[$0 * width + channel] }
      let step = exp(values[0][channel])
      for side in 0..<2 {
        for mode in 0..<n {
          let (re, im) = (-exp(values[1][channel * n + mode]), values[2][channel * n + mode])
          let (size, angle) = (exp(step * re), step * im)
          let a = (re: size * cos(angle), im: size * sin(angle))
          // (a - 1) / A times C
          let norm = re * re + im * im
          let b = (
            re: ((a.re - 1) * re + a.im * im) / norm, im: (a.im * re - (a.re - 1) * im) / norm
          )
          let place = ((side * width + channel) * n + mode) * 2
          let c = (re: values[3][place], im: values[3][place + 1])
          let w = (re: c.re * b.re - c.im * b.im, im: c.re * b.im + c.im * b.re)
          var state = (re: 0.0, im: 0.0)
          for step in 0..<length {
            let t = side == 0 ? step : length - 1 - step
            let before = state
            state = (a.re * before.re - a.im * before.im, a.re * before.im + a.im * before.re)
            let here = u[t * width + channel]
            if side == 0 { state.re += here }
            // Behind it the state has not seen the present.
            let seen = side == 0 ? state : before
            expected[t] += 2 * (w.re * seen.re - w.im * seen.im)
            if side == 1 { state.re += here }
          }
        }
      }
      let found = (0..<length).map { y[$0 * width + channel] }
      #expect(difference(found, expected) < 1e-11, "channel \(channel)")
    }
  }

  @Test("steps divided by 4 read every fourth position of a kernel as one")
  func rescaled() throws {
    var keys = S4D.Configuration.defaults
    keys.stateSize = 8
    let plain = try s4d(keys)
    keys.rescale = 4
    let fine = try s4d(keys)
    for layer in [plain, fine] {
      for named in layer.parameters { try named.parameter.convert(to: .float64) }
    }
    // ZOH: the sum over the four fine steps is the coarse one.
    let (coarse, slow) = (try plain.kernels(16), try fine.kernels(64))
    let zero = try Tensor.zeros([2], .float64)
    for layer in [plain, fine] { try layer.through.value.detached().copy(from: zero) }
    let folded = try fine.kernels(64).reshaped([2, 2, 16, 4]).sum([3])
    #expect(difference(try folded.doubles(), try plain.kernels(16).doubles()) < 1e-12)
    #expect(coarse.shape == [2, 2, 16] && slow.shape == [2, 2, 64])
  }

  @Test("wrong sizes are refused in words")
  func refused() throws {
    for change: (inout S4D.Configuration) -> Void in [
      { $0.stateSize = 7 }, { $0.copies = 3 }, { $0.leastStep = 0 }, { $0.leastStep = 1 },
      { $0.rescale = 0 },
    ] {
      var keys = S4D.Configuration.defaults
      change(&keys)
      #expect(throws: AttentionError.self) { try s4d(keys) }
    }
  }
}
