import Tensors

/// States that all channels feed and are read by all of them: `h_t = a h_{t-1} + B x_t`, `y_t = f Re(C h_t)`.
///
/// a is diagonal and complex. In both directions the reverse states see the present too, and C has rows for
/// both.
struct DiagonalRecurrence {
  /// ln a: [P].
  let rate: Complex
  /// B: [P, D].
  let input: Complex
  /// C of every direction: [D, P] each.
  let output: [Complex]
  /// What Re(C h) is multiplied by: 2 where states stand for conjugate pairs.
  let factor: Double

  /// [B, L, D] to [B, L, D], zeros being added at padding.
  func callAsFunction(_ x: Tensor, _ context: Context) throws -> Tensor {
    let type = x.elementType
    let shown = try context.realFlags().map { try x * $0.unsqueezed(-1).to(type) } ?? x
    let weight = try Tensor.concatenated([input.re, input.im], 0).to(type)  // [2 P, D]
    let fed = try shown.linear(weight, nil).widened()  // [B, L, 2 P]
    let parts = try output.enumerated().map { index, c in
      let states = try states(fed, reverse: index == 1)
      let reader = try Tensor.concatenated([c.re * factor, c.im * -factor], 1).to(type)  // [D, 2 P]
      return try states.linear(reader, nil).widened()
    }
    return try parts.dropFirst().reduce(parts[0]) { try $0 + $1 }
  }

  /// h of what the states are fed: [B, L, 2 P] both.
  private func states(_ fed: Tensor, reverse: Bool) throws -> Tensor {
    if fed.elementType == .float32 && fed.device == .cpu {
      let a = try rate.exponential()
      let rows = [try a.re.unsqueezed(0), try a.im.unsqueezed(0)]
      return try fed.diagonalScan(.concatenated(rows, 0).to(.float32), reverse: reverse)
    }
    // A convolution with the powers of a.
    let (length, states) = (fed.size(1), fed.size(2) / 2)
    let powers = try rate.powers(0..<length, every: 1, fed.elementType)  // [P, L]
    let u = reverse ? try fed.flipped(1) : fed
    func convolved(_ part: Tensor, _ power: Tensor) throws -> Tensor {
      try part.longConvolution(power.unsqueezed(0))
    }
    let (re, im) = (try u.slice(0..<states, 2), try u.slice(states..<(2 * states), 2))
    let h = try Tensor.concatenated(
      [
        convolved(re, powers.re) - convolved(im, powers.im),
        convolved(im, powers.re) + convolved(re, powers.im),
      ], 2)
    return reverse ? try h.flipped(1) : h
  }
}
