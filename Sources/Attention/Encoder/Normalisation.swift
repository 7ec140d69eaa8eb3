import Tensors

/// What a block sees its input through.
protocol Normalisation: Module {
  /// [B, L, D] to the same shape.
  func callAsFunction(_ x: Tensor, _ context: Context) throws -> Tensor
}

extension LayerNorm: Normalisation {
  /// Every position on its own.
  func callAsFunction(_ x: Tensor, _ context: Context) throws -> Tensor { try self(x) }
}

/// Batch normalisation over the real positions of a batch: padding neither counts nor is let through.
///
/// In training means and variances are those of the whole batch over all processes, so that results do not
/// depend on their number; a batch is not cut into parts then. With `batch_statistics: part` they are those of
/// the part that passes the network in this process, as in published code. Evaluations take running
/// averages, which move by `norm_momentum` at every step.
///
/// Ioffe and Szegedy 2015, arXiv 1502.03167.
///
/// Its tensors are `weight`, `bias` and the buffers `running_mean`, `running_var`, [D] each.
struct BatchNorm: Normalisation {
  let weight: Parameter
  let bias: Parameter
  let mean: Parameter
  let variance: Parameter
  let eps: Double
  /// Whether statistics are over all processes.
  let together: Bool

  /// What running averages move by.
  let momentum: Double

  init(_ width: Int, eps: Double, momentum: Double = 0.1, together: Bool) throws {
    weight = try .constant([width], 1, role: .norm)
    bias = try .constant([width], 0, role: .norm)
    mean = try .constant([width], 0, role: .buffer)
    variance = try .constant([width], 1, role: .buffer)
    self.eps = eps
    self.momentum = momentum
    self.together = together
  }

  /// Positions that are padding become 0.
  func callAsFunction(_ x: Tensor, _ context: Context) throws -> Tensor {
    let wide = try x.widened()
    let real = try context.realFlags()
    guard context.training else { return try running(wide, real) }
    let (y, found) = try wide.batchNormalised(
      real: real, weight.value, bias.value, eps: eps, together: together && context.ranks > 1)
    // Every part of the step counts alike; all processes have found the same where they are together.
    let share = try Tensor.full([1, mean.value.count], 1, .float64)
    try context.effects.add(statistic: .concatenated([found, share], 0), of: mean) { total in
      let average = try total.slice(0..<2, 0) / total.slice(2..<3, 0)
      for (buffer, row) in [(mean, 0), (variance, 1)] {
        let now = try average.select(row, 0).to(buffer.value.elementType).to(buffer.value.device)
        try buffer.value.copy(
          from: buffer.value * (1 - momentum) + now * momentum)
      }
    }
    return y
  }

  private func running(_ x: Tensor, _ real: Tensor?) throws -> Tensor {
    let scale = try weight.value / (variance.value + eps).squareRoot()
    let y = try (x - mean.value) * scale + bias.value
    return try real.map { try y * $0.unsqueezed(-1).to(y.elementType) } ?? y
  }

  /// `weight`, `bias`, `running_mean`, `running_var`.
  var parameters: [NamedParameter] {
    [
      NamedParameter("weight", weight), NamedParameter("bias", bias),
      NamedParameter("running_mean", mean), NamedParameter("running_var", variance),
    ]
  }
}

extension ModelConfiguration {
  /// A norm of the width of the residual stream.
  func normalisation() throws -> any Normalisation {
    switch normType {
    case .layer: try LayerNorm(embDim, eps: layerNormEps)
    case .batch:
      try BatchNorm(
        embDim, eps: layerNormEps, momentum: normMomentum, together: batchStatistics == .batch)
    }
  }
}
