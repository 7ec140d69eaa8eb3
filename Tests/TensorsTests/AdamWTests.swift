import Foundation
import Tensors
import Testing

@Suite struct AdamWTests {
  @Test("ten steps follow the update rule of the paper, decay only where it applies")
  func rule() throws {
    let weight = try Parameter.constant([2], 1, role: .weight)
    let norm = try Parameter.constant([2], 1, role: .norm)
    let named = [NamedParameter("w", weight), NamedParameter("n", norm)]
    let adam = try AdamW(
      ParameterGroup.groups(of: named, weightDecay: 0.1, exempt: [.norm]),
      .init(beta1: 0.9, beta2: 0.98, eps: 1e-9))
    var (p, m, v) = ([1.0, 1.0], [0.0, 0.0], [0.0, 0.0])  // weight, norm
    for step in 1...10 {
      for parameter in named { parameter.parameter.value.clearGradient() }
      let loss = try (weight.value * weight.value).sum() + (norm.value * norm.value).sum()
      try loss.backward()
      try adam.step(learningRate: 0.01, beta1: nil)
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

  @Test("roles choose decay and a factor of the rate; every trained parameter is in one group")
  func groups() throws {
    let named = try Parameter.Role.allCases.map { role in
      NamedParameter(role.rawValue, try Parameter.constant([2], 1, role: role))
    }
    let groups = ParameterGroup.groups(
      of: named, weightDecay: 0.5, exempt: [.norm, .bias], rateFactors: [.embedding: 0.1])
    #expect(groups.map(\.roles) == [[.weight], [.embedding], [.bias, .norm, .state, .step]])
    #expect(groups.map(\.rateFactor) == [1, 0.1, 1] && groups.map(\.weightDecay) == [0.5, 0.5, 0])
    let adam = try AdamW(groups, .init(eps: 1e-12))
    for parameter in named where parameter.parameter.role != .buffer {
      try parameter.parameter.value.sum().backward()
    }
    try adam.step(learningRate: 0.01, beta1: nil)
    // The first step of Adam is the rate itself, whatever the gradient.
    let values = try named.map { try $0.parameter.value.doubles()[0] }
    let expected: [Parameter.Role: Double] = [
      .weight: 1 - 0.01 * 0.5 - 0.01, .embedding: 1 - 0.001 * 0.5 - 0.001, .bias: 0.99,
      .norm: 0.99, .state: 0.99, .step: 0.99, .buffer: 1,
    ]
    for (parameter, value) in zip(named, values) {
      let wanted = try #require(expected[parameter.parameter.role])
      #expect(abs(value - wanted) < 1e-6, "\(parameter.name)")
    }
  }

  @Test("clipping scales gradients to the norm and reports the norm before")
  func clipping() throws {
    let weight = try Parameter.constant([4], 3, role: .weight)
    try (weight.value * weight.value).sum().backward()  // gradient 6 each, norm 12
    let norm = try clipGradients([NamedParameter("w", weight)], maxNorm: 1)
    #expect(abs(norm - 12) < 1e-5)
    let scaled = try #require(weight.value.gradient).doubles()
    #expect(relativeError(scaled, [0.5, 0.5, 0.5, 0.5]) < 1e-5)
  }
}
