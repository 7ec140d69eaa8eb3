import Tensors

/// The block of S4 and its kin: norm, mixer, activation and a gated linear unit in one branch, no MLP.
///
/// With `gate` full `x + GLU(W f(mix(x)))`, W of twice the width; with a half one `g sigmoid(W g)` of
/// `g = f(y)` (`half1`), or `y sigmoid(W f(y))` (`half2`), y being the mixer's result, as in S5's code.
/// Dropout is on `f(y)` and on the branch.
///
/// Gu, Goel and Ré 2022, arXiv 2111.00396, section 3.4; Smith, Warrington and Linderman 2023,
/// arXiv 2208.04933, appendix G.
///
/// Tensors under `blocks.{i}` beside those of the mixer:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `norm` | [D] + [D] | before (or after) the branch |
/// | `norm.{running_mean,running_var}` | [D] | buffers of batch norm |
/// | `gate` | [2 D, D] + [2 D] | |
/// | `gate` | [D, D] + [D] | with a half gate |
struct GatedBlock: Block {
  let norm: any Normalisation
  let mixer: any Mixer
  let gate: Linear
  /// Sites of dropout.
  private static let (inside, outside) = ("mixer.out", "gate.out")
  let model: ModelConfiguration

  init(_ model: ModelConfiguration, _ mixer: any Mixer, key: RandomKey) throws {
    norm = try model.normalisation()
    self.mixer = mixer
    gate = try model.linear(
      model.embDim, (model.gate == .full ? 2 : 1) * model.embDim, key: key["gate"])
    self.model = model
  }

  /// [B, L, D] to [B, L, D].
  func callAsFunction(_ x: Tensor, _ context: Context, layer: Int) throws -> Tensor {
    let pre = model.norm == .pre
    let mixed = try mixer(pre ? norm(x, context) : x, context, layer: layer)
    let y = try fused(mixed, x, context, layer) ?? plain(mixed, x, context, layer)
    return pre ? y : try norm(y, context)
  }

  /// By one kernel; nil where there is none.
  private func fused(_ mixed: Tensor, _ x: Tensor, _ context: Context, _ layer: Int) throws
    -> Tensor?
  {
    if model.tiedDropout && context.training && model.dropoutRate > 0 { return nil }
    return try mixed.widened().gatedBranch(
      addedTo: x, gate, gate: model.gate.number, activation: model.activation.fused,
      dropout: context.dropout(model.dropoutRate, layer: layer, sites: Self.inside, Self.outside))
  }

  private func plain(_ mixed: Tensor, _ x: Tensor, _ context: Context, _ layer: Int) throws
    -> Tensor
  {
    let drop = { (y: Tensor, site: String) in
      try context.dropout(
        y, model.dropoutRate, layer: layer, site: site, tiedToLength: model.tiedDropout)
    }
    let active = try drop(model.activation.applied(mixed), Self.inside)
    let gated = try {
      switch model.gate {
      case .full: try gate(active).gatedHalves(-1)
      case .half1: try active * gate(active).sigmoid()
      case .half2: try mixed * gate(active).sigmoid()
      }
    }()
    return try x + drop(gated, Self.outside)
  }

  /// `norm.*`, `mixer.*`, `gate.*`.
  var parameters: [NamedParameter] {
    norm.parameters.prefixed("norm") + mixer.parameters.prefixed("mixer")
      + gate.parameters.prefixed("gate")
  }
}

extension ModelConfiguration.Gate {
  /// What the kernel calls it.
  fileprivate var number: Int32 {
    switch self {
    case .full: 0
    case .half1: 1
    case .half2: 2
    }
  }
}
