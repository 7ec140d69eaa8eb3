import Tensors

/// The block of S4 and its kin: norm, mixer, activation and a gated linear unit in one residual branch, no MLP.
///
/// With `gate` full `x + GLU(W f(mix(x)))`, W of twice the width; with a half one `g sigmoid(W g)` of `g = f(y)` (`half1`), or
/// `y sigmoid(W f(y))` (`half2`), y being the mixer's result, as in S5's code. Dropout is on `f(y)` and on the branch.
///
/// Gu, Goel and Ré 2022, arXiv 2111.00396, section 3.4; Smith, Warrington and Linderman 2023, arXiv 2208.04933, appendix G.
///
/// Tensors under `blocks.{i}`, beside `mixer`:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `norm` | [D] + [D] | before (or after) the branch; of batch norm two running averages too |
/// | `gate` | [2 D, D] + [2 D] | [D, D] + [D] of a half one |
struct GatedBlock: Block {
  let norm: any Normalisation
  let mixer: any Mixer
  let gate: Linear
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
    let drop = { (y: Tensor, site: String) in
      try context.dropout(
        y, model.dropoutRate, layer: layer, site: site, tiedToLength: model.tiedDropout)
    }
    let mixed = try mixer(pre ? norm(x, context) : x, context, layer: layer)
    let active = try drop(model.activation.applied(mixed), "mixer.out")
    let gated = try {
      switch model.gate {
      case .full: try gate(active).gatedHalves(-1)
      case .half1: try active * gate(active).sigmoid()
      case .half2: try mixed * gate(active).sigmoid()
      }
    }()
    let y = try x + drop(gated, "gate.out")
    return pre ? y : try norm(y, context)
  }

  /// `norm.*`, `mixer.*`, `gate.*`.
  var parameters: [NamedParameter] {
    norm.parameters.prefixed("norm") + mixer.parameters.prefixed("mixer")
      + gate.parameters.prefixed("gate")
  }
}
