import Tensors

/// The projections of multi-head attention: `q`, `k`, `v` from the stream, `out` back to it.
struct Heads: Module {
  let query: Linear
  let key: Linear
  let value: Linear
  let out: Linear
  let numHeads: Int
  let width: Int
  let rotary: Bool

  init(_ model: ModelConfiguration, key random: RandomKey) throws {
    let project = { (name: String) in
      try model.linear(model.embDim, model.qkvDim, bias: model.qkvBias, key: random[name])
    }
    query = try project("q")
    key = try project("k")
    value = try project("v")
    out = try model.linear(model.qkvDim, model.embDim, bias: model.qkvBias, key: random["out"])
    numHeads = model.numHeads
    width = model.headWidth
    rotary = model.position == .rotary
  }

  /// 1/√E.
  var scale: Double { 1 / Double(width).squareRoot() }

  /// Queries, keys and values side by side, from one matrix product: [B, L, D] to [B, L, 3, H, E].
  ///
  /// On a GPU under autocast they are bfloat16, which `split` widens.
  ///
  /// - Parameter narrow: for attention by the kernel, which reads bfloat16 under autocast.
  func packed(_ x: Tensor, narrow: Bool = false) throws -> Tensor {
    let parts = [query, key, value]
    let narrow = narrow && !rotary
    if parts.contains(where: { $0.inner != nil }) {
      let three = try Tensor.concatenated(parts.map { try $0(x, narrow: narrow) }, 2)
      return try placed(three, x)
    }
    let weight = try Tensor.concatenated(parts.map(\.weight.value), 0)  // [3 H E, D]
    let biases = parts.compactMap(\.bias?.value)
    let bias = biases.isEmpty ? nil : try Tensor.concatenated(biases, 0)  // [3 H E]
    return try placed(x.linear(weight, bias, narrow: narrow), x)
  }

  /// [B, L, 3 H E] to [B, L, 3, H, E], rotated if positions are.
  private func placed(_ three: Tensor, _ x: Tensor) throws -> Tensor {
    let qkv =
      try three
      .reshaped([x.size(0), x.size(1), 3, numHeads, width])  // [B, L, 3, H, E]
    return rotary ? try rotated(qkv) : qkv
  }

  /// Queries, keys and values apart: [B, L, D] to three [B, H, L, E].
  func split(_ x: Tensor) throws -> (Tensor, Tensor, Tensor) {
    try parts(packed(x))
  }

  /// Queries, keys and values apart and widened: packed [B, L, 3, H, E] to three [B, H, L, E].
  func parts(_ packed: Tensor) throws -> (Tensor, Tensor, Tensor) {
    try apart(packed.widened())
  }

  /// The same in the type that they have.
  func apart(_ packed: Tensor) throws -> (Tensor, Tensor, Tensor) {
    let parts = try packed.unbound(2).map { try $0.transposed(1, 2) }
    return (parts[0], parts[1], parts[2])
  }

  /// A projection [B, L, H E], widened and apart for each head: [B, H, L, E].
  func parted(_ x: Tensor) throws -> Tensor { try x.widened().apart(heads: numHeads) }

  /// [B, L, H, E] to [B, L, D].
  func merged(_ attended: Tensor) throws -> Tensor {
    try out(attended.reshaped([attended.size(0), attended.size(1), numHeads * width]))
  }

  /// Queries and keys rotated by their place; values as they are.
  private func rotated(_ qkv: Tensor) throws -> Tensor {
    try .concatenated([Attention.rotated(qkv.slice(0..<2, 2)), qkv.slice(2..<3, 2)], 2)
  }

  var parameters: [NamedParameter] {
    query.parameters.prefixed("q") + key.parameters.prefixed("k") + value.parameters.prefixed("v")
      + out.parameters.prefixed("out")
  }
}

extension Tensor {
  /// A projection [B, L, H E], apart for each head: [B, H, L, E].
  func apart(heads: Int) throws -> Tensor {
    try reshaped([size(0), size(1), heads, size(2) / heads]).transposed(1, 2)
  }
}
