import Foundation
import Tensors
import Testing

@testable import Attention

/// S5, LRU, LongConv and SGConv against their golden groups and definitions.
@Suite struct RecurrentMixerTests {
  private func model(width: Int = 2, length: Int = 16, causal: Bool = false) -> ModelConfiguration {
    var model = ModelConfiguration()
    (model.embDim, model.causal, model.maxLength, model.position) = (width, causal, length, .none)
    return model
  }

  private func set(_ parameter: Parameter, _ values: Tensor) throws {
    try parameter.convert(to: .float64)
    try parameter.value.detached().copy(from: values)
  }

  /// Parts side by side as a new last dimension.
  private func complex(_ re: Tensor, _ im: Tensor) throws -> Tensor {
    try .concatenated([re.unsqueezed(-1), im.unsqueezed(-1)], -1)
  }

  /// C [2, 6] of the golden groups, as [c, 2, 3, 2].
  private func readers(_ sides: Int) throws -> Tensor {
    let c = try complex(Inputs.fill([2, 6], 0.5, 0.3), Inputs.fill([2, 6], 0.8, 0.4))
    let parts = try (0..<sides).map { try c.slice((3 * $0)..<(3 * $0 + 3), 1).unsqueezed(0) }
    return try .concatenated(parts, 0)
  }

  private let b: (Tensor, Tensor)
  private let u: Tensor

  init() throws {
    b = (try Inputs.fill([3, 2], 0.4, 0.1), try Inputs.fill([3, 2], 0.6, 0.2))
    u = try Inputs.fill([1, 10, 2], 0.7, 0.3)
  }

  @Test("S5 agrees with golden group `s5`", arguments: [true, false])
  func s5(causal: Bool) throws {
    var keys = S5.Configuration.defaults
    keys.stateSize = 6
    let layer = try S5(keys, model(causal: causal), key: RandomKey(seed: 0))
    try set(layer.real, .full([3], -0.5, .float64))
    try set(layer.imaginary, .from([1.0, 3, 7], [3]))
    try set(layer.logStep, .from([log(0.05), log(0.1), log(0.2)], [3]))
    try set(layer.input, complex(b.0, b.1))
    try set(layer.output, readers(causal ? 1 : 2))
    try set(layer.through, Inputs.fill([2], 0.9, 0.1))
    let y = try layer(u, Inputs.context([10], 10), layer: 0)
    try Golden("s5").expect(causal ? "uni" : "bidir", y, within: 1e-10)
  }

  @Test("LRU agrees with golden group `lru`")
  func lru() throws {
    var keys = LRU.Configuration.defaults
    keys.stateSize = 3
    let layer = try LRU(keys, model(causal: true), key: RandomKey(seed: 0))
    let nu = [-2.0, -3, -4]
    try set(layer.nu, .from(nu, [3]))
    try set(layer.theta, .from([-1.0, 0, 0.5], [3]))
    try set(layer.gamma, .from(nu.map { 0.5 * log(1 - exp(-2 * exp($0))) }, [3]))
    try set(layer.input, complex(b.0, b.1))
    try set(layer.output, readers(1))
    try set(layer.through, Inputs.fill([2], 0.9, 0.1))
    let y = try layer(u, Inputs.context([10], 10), layer: 0)
    try Golden("lru").expect("out", y, within: 1e-10)
  }

  @Test("LRU's coefficients begin in their ring, and white input makes states of variance 1")
  func ring() throws {
    var keys = LRU.Configuration.defaults
    (keys.stateSize, keys.leastRadius, keys.mostRadius, keys.mostPhase) = (2000, 0.4, 0.9, 1.5)
    let layer = try LRU(keys, model(width: 8), key: RandomKey(seed: 1))
    let radii = try layer.nu.value.doubles().map { exp(-exp($0)) }
    #expect(radii.allSatisfy { 0.4 - 1e-6 < $0 && $0 < 0.9 + 1e-6 })
    let phases = try layer.theta.value.doubles().map { exp($0) }
    #expect(phases.allSatisfy { 0 < $0 && $0 <= 1.5 + 1e-6 })
    #expect(abs(phases.reduce(0, +) / 2000 - 0.75) < 0.05)
    // Uniform by area: the mean of r^2 is that of its ends.
    let area = radii.reduce(0) { $0 + $1 * $1 } / 2000
    #expect(abs(area - (0.16 + 0.81) / 2) < 0.02)
    // E |B x|^2 is 1, of which gamma makes the stationary variance 1.
    let b = try layer.input.value.doubles()
    let power = b.reduce(0) { $0 + $1 * $1 } / 2000
    #expect(abs(power - 1) < 0.05)
    let gamma = try layer.gamma.value.doubles().map { exp(2 * $0) }
    #expect(zip(gamma, radii).allSatisfy { abs($0 / (1 - $1 * $1) - 1) < 1e-4 })
  }

  @Test("S5 begins with the eigenvalues of its blocks, B and C of the variances of the source")
  func s5Beginning() throws {
    for (kind, variance) in [
      (S5.OutputInit.lecun, 1.0 / (64 * 128)), (.truncStandard, 1.0 / 128), (.complexNormal, 0.5),
    ] {
      var keys = S5.Configuration.defaults
      (keys.stateSize, keys.blocks, keys.outputInit) = (128, 4, kind)
      let layer = try S5(keys, model(width: 64), key: RandomKey(seed: 1))
      let legs = try S4D.Spectrum.legs(32)
      let found = try layer.imaginary.value.doubles()
      #expect(difference(found, legs + legs + legs + legs) < 1e-4)
      let c = try layer.output.value.doubles()
      let size = c.reduce(0) { $0 + $1 * $1 } / Double(c.count)
      #expect(abs(size / variance - 1) < 0.05)
      let b = try layer.input.value.doubles()
      let fed = b.reduce(0) { $0 + $1 * $1 } / Double(b.count)
      #expect(abs(fed * 256 - 1) < 0.05)
    }
  }

  @Test("SGConv's kernel agrees with golden group `sgconv`")
  func sgconv() throws {
    let scales = try [(0.7, 0.1), (1.1, 0.2), (1.5, 0.3)].map {
      try Inputs.fill([1, 1, 1, 4], $0.0, $0.1)
    }
    let kernel = try SGConv.kernel(.concatenated(scales, 0), decay: 2, SGConv.tables(3, 4))
    try Golden("sgconv").expect("out", kernel.reshaped([1, 16]), within: 1e-10)
  }

  @Test(
    "SGConv's kernel begins with norm 1 and covers the longest sequence", arguments: [3, 16, 17])
  func sgconvNorm(length: Int) throws {
    var keys = SGConv.Configuration.defaults
    keys.kernelSize = 4
    let layer = try SGConv(keys, model(length: length), key: RandomKey(seed: 0))
    let kernel = try SGConv.kernel(layer.scales.value, decay: 2, layer.tables) / layer.norm.value
    #expect(kernel.size(2) >= length && kernel.size(2) < 2 * max(4, length))
    let norms = try (kernel * kernel).sum([2]).doubles()
    #expect(norms.allSatisfy { abs($0 - 1) < 1e-5 })
  }

  @Test("LongConv is its shrunk kernel's Toeplitz matrix")
  func longConv() throws {
    var keys = LongConv.Configuration.defaults
    (keys.squash, keys.deviation) = (0.1, 0.3)
    let layer = try LongConv(keys, model(width: 1, causal: true), key: RandomKey(seed: 0))
    for named in layer.parameters { try named.parameter.convert(to: .float64) }
    let kernel = try layer.kernel.value.doubles().map {
      ($0 < 0 ? -1.0 : 1.0) * max(abs($0) - 0.1, 0)
    }
    let through = try layer.through.value.doubles()[0]
    let x = try Inputs.fill([1, 12, 1], 0.7, 0.3)
    let values = try x.doubles()
    let expected = (0..<12).map { t in
      values[t] * through + (0...t).reduce(0) { $0 + kernel[$1] * values[t - $1] }
    }
    let y = try layer(x, Inputs.context([12], 12), layer: 0)
    #expect(difference(try y.doubles(), expected) < 1e-12)
    #expect(kernel.contains(0) && kernel.contains { $0 != 0 })
  }
}
