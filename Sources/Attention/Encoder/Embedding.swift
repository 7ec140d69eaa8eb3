import Tensors

/// Token ids to vectors: a table, or a linear layer of their values, an optional CLS vector in front, places.
///
/// Tensors under `embed`:
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `token.weight` | [V, D] | row 0 is padding |
/// | `value` | [D, 1] + [D] | instead, with `input` values: of (id - 1) / (V - 2) |
/// | `position.weight` | [L, D] | learned positions |
/// | `cls` | [D] | the vector put in front |
struct Embedding: Module {
  let token: Parameter?  // [V, D]
  let value: Linear?  // [D, 1]
  let cls: Parameter?  // [D]
  let positionTable: Parameter?  // [positions, D]
  let sinusoidTable: Tensor?  // [positions, D]
  let model: ModelConfiguration

  init(_ model: ModelConfiguration, key: RandomKey) throws {
    self.model = model
    let hasTable = model.input == .ids
    token =
      hasTable
      ? try .normal(
        [model.vocabularySize, model.embDim], deviation: model.initial.tokenDeviation,
        key: key["embed.token"], role: .embedding) : nil
    value = hasTable ? nil : try model.linear(1, model.embDim, key: key["embed.value"])
    cls =
      model.classifierPool == .cls
      ? try .constant([model.embDim], 0, role: .embedding) : nil
    positionTable =
      model.position == .learned
      ? try .normal(
        [model.positions, model.embDim], deviation: model.initial.positionDeviation,
        key: key["embed.position"], role: .embedding
      ).tiedToLength() : nil
    sinusoidTable =
      model.position == .sinusoidal
      ? try sinusoids(length: model.positions, width: model.embDim).to(.float32) : nil
  }

  /// Ids [B, L] (int64, 0 is padding) to [B, L, D], or [B, L+1, D] after a CLS vector, and the context
  /// of that length; with dropout.
  func callAsFunction(_ ids: Tensor, _ context: Context) throws -> (Tensor, Context) {
    guard ids.size(1) <= model.maxLength else {
      throw AttentionError.tooLong(ids.size(1), maxLength: model.maxLength)
    }
    let isDouble = (token ?? value?.weight)?.value.elementType == .float64
    let table = try sinusoidTable.map {
      try isDouble ? sinusoids(length: $0.size(0), width: model.embDim) : $0
    }
    let places = try positionTable?.value ?? table?.to(context.device)
    let dropout = context.dropout(model.dropoutRate, layer: -1, sites: "embedding")
    if cls == nil, let x = try token?.value.embedded(ids, places: places, dropout: dropout) {
      return (x, context)
    }
    var x = try token?.value.rows(ids) ?? linear(ids, isDouble ? .float64 : .float32)  // [B, L, D]
    var context = context
    if let cls {
      let front = try cls.value.reshaped([1, 1, model.embDim])
        .expanded([ids.size(0), 1, model.embDim])  // [B, 1, D]
      x = try .concatenated([front, x], 1)  // [B, L+1, D]
      context = try context.withLeadingPosition()
    }
    if let places { x = try x + places.slice(0..<x.size(1), 0) }  // [B, L, D]
    return (
      try context.dropout(x, model.dropoutRate, layer: -1, site: "embedding"), context
    )
  }

  /// Vectors of the values that ids stand for; padding is 0.
  private func linear(_ ids: Tensor, _ type: ElementType) throws -> Tensor {
    let unit = try (ids.to(type).clamped(least: 1) + -1) * (1 / Double(model.vocabularySize - 2))
    let values = model.input == .centredValues ? try unit * 2 + -1 : unit
    return try value.map { try $0(values.unsqueezed(-1)) } ?? values
  }

  /// `token.weight` or `value.*`, `position.weight`, `cls`.
  var parameters: [NamedParameter] {
    var all = token.map { [NamedParameter("token.weight", $0)] } ?? []
    all += value?.parameters.prefixed("value") ?? []
    if let positionTable { all.append(NamedParameter("position.weight", positionTable)) }
    if let cls { all.append(NamedParameter("cls", cls)) }
    return all
  }
}
