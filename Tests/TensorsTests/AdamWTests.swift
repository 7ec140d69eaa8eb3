import Foundation
import Tensors
import Testing

@Suite struct AdamWTests {
  @Test("ten steps follow the update rule of the paper, decay only where it applies")
  func rule() throws {
    let weight = try Parameter.constant([2], 1, kind: .weight)
    let norm = try Parameter.constant([2], 1, kind: .norm)
    let named = [NamedParameter("w", weight), NamedParameter("n", norm)]
    let adam = try AdamW(
      named, .init(beta1: 0.9, beta2: 0.98, eps: 1e-9, weightDecay: 0.1), exempt: [.norm])
    var (p, m, v) = ([1.0, 1.0], [0.0, 0.0], [0.0, 0.0])  // weight, norm
    for step in 1...10 {
      for parameter in named { parameter.parameter.value.clearGradient() }
      let loss = try (weight.value * weight.value).sum() + (norm.value * norm.value).sum()
      try loss.backward()
      try adam.step(learningRate: 0.01)
      for i in 0..<2 {
        let g = 2 * p[i]
        if i == 0 { p[i] *= 1 - 0.01 * 0.1 }
        m[i] = 0.9 * m[i] + 0.1 * g
        v[i] = 0.98 * v[i] + 0.02 * g * g
        p[i] -=
          0.01 * (m[i] / (1 - pow(0.9, Double(step))))
          / ((v[i] / (1 - pow(0.98, Double(step)))).squareRoot() + 1e-9)
      }
    }
    #expect(relativeError(try weight.value.doubles(), [p[0], p[0]]) < 1e-6)
    #expect(relativeError(try norm.value.doubles(), [p[1], p[1]]) < 1e-6)
  }

  @Test("clipping scales gradients to the norm and reports the norm before")
  func clipping() throws {
    let weight = try Parameter.constant([4], 3, kind: .weight)
    try (weight.value * weight.value).sum().backward()  // gradient 6 each, norm 12
    let norm = try clipGradients([NamedParameter("w", weight)], maxNorm: 1)
    #expect(abs(norm - 12) < 1e-5)
    let scaled = try #require(weight.value.gradient).doubles()
    #expect(relativeError(scaled, [0.5, 0.5, 0.5, 0.5]) < 1e-5)
  }
}
