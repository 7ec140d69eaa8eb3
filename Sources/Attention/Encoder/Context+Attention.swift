import Tensors

extension Context {
  /// The plan of this name, made at its first use: one for all examples, or one for each when positions
  /// are hidden.
  ///
  /// - Parameters:
  ///   - ragged: whether the examples' lengths matter too, because not all keys are positions; behind a
  ///     length nothing is shown then.
  ///   - groups: adds the groups of an example; a key goes through the closure it gets, which leaves
  ///     hidden ones out.
  func plan(
    _ name: String, ragged: Bool = false,
    _ groups: (inout AttentionPlan.Builder, _ shown: (Int) -> Int) throws -> Void
  ) throws -> AttentionPlan {
    if let known = plans[name] { return known }
    var builder = AttentionPlan.Builder()
    if hidden != nil || (ragged && lengthTensor != nil) {
      for (row, end) in lengths.enumerated() {
        let places = shown.map { Set($0[row]) }
        try groups(&builder) { place in
          let isHidden = place < end && places.map { !$0.contains(place) } ?? false
          return isHidden || (ragged && place >= end) ? -1 : place
        }
        builder.endPlan()
      }
    } else {
      try groups(&builder) { $0 }
      builder.endPlan()
    }
    let plan = AttentionPlan(builder)
    plans[name] = plan
    return plan
  }

  /// Softmax attention by the fused kernel, each query over the keys that a plan gives it.
  ///
  /// The kernel knows padding behind a row only; hidden positions are sorted there and back.
  ///
  /// - Parameters:
  ///   - qkv: [B, L, 3, H, E].
  ///   - plan: nil for all keys.
  /// - Returns: [B, L, H, E].
  func attended(
    _ qkv: Tensor, by plan: AttentionPlan? = nil, causal: Bool = false, scale: Double,
    dropout: Double, layer: Int
  ) throws -> Tensor {
    let attend = { (qkv: Tensor, lengths: Tensor?) in
      try qkv.attention(
        plan: plan, queryLengths: lengths, keyLengths: lengths, causal: causal, scale: scale,
        dropout: self.training ? dropout : 0, key: self.key[layer]["attention.probability"],
        examples: self.examples)
    }
    guard plan == nil, hidden != nil, let blocked = try blockedKeys(upTo: length) else {
      return try attend(qkv, lengthTensor)
    }
    let (batch, h, e) = (qkv.size(0), qkv.size(3), qkv.size(4))
    let size = try Tensor.full([], Double(length), .int64, on: device)
    let flags = try blocked.to(.int64).expanded([batch, length])
    let order = try (flags * size + .integers(0..<length, on: device)).sortingOrder(1)  // [B, L]
    let bases = try Tensor.integers(0..<batch, on: device).reshaped([batch, 1]) * size
    let moved = { (x: Tensor, order: Tensor) in
      try x.reshaped([batch * self.length, -1]).picked((order + bases).reshaped([-1]), 0)
    }  // [B L, ...]
    let shown = try blocked.not().expanded([batch, length]).to(.int64).sum([1]).to(.cpu)  // [B]
    let sorted = try moved(qkv, order).reshaped([batch, length, 3, h, e])
    let attended = try attend(sorted, shown)  // [B, L, H, E]
    return try moved(attended.reshaped([batch, length, h * e]), order.sortingOrder(1))
      .reshaped([batch, length, h, e])
  }

  /// Softmax attention of queries over the keys and values of another sequence, by the fused kernel.
  ///
  /// - Parameters:
  ///   - q: [B, H, Lq, E].
  ///   - k: [B, H, Lk, E].
  ///   - v: [B, H, Lk, Ev].
  ///   - bias: [H, Lq, Lk], added to the logits; see `Tensor.attention`.
  ///   - plan: nil for all keys.
  ///   - queryLengths: [B] int64 on the CPU, queries of a row, behind which outputs are 0; nil for all.
  ///   - keyLengths: keys that a row has, alike.
  /// - Returns: [B, H, Lq, Ev].
  func attended(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, bias: Tensor? = nil, by plan: AttentionPlan? = nil,
    queryLengths: Tensor? = nil, keyLengths: Tensor? = nil, causal: Bool = false, scale: Double,
    dropout: Double, layer: Int
  ) throws -> Tensor {
    try q.transposed(1, 2).attention(
      over: (k.transposed(1, 2), v.transposed(1, 2)), bias: bias, plan: plan,
      queryLengths: queryLengths, keyLengths: keyLengths, causal: causal, scale: scale,
      dropout: training ? dropout : 0, key: key[layer]["attention.probability"], examples: examples
    ).transposed(1, 2)
  }

  /// The same over this batch's own positions [B, H, L, E], without padding and hidden positions.
  ///
  /// - Parameters:
  ///   - bias: [H, L, L], added to the logits.
  ///   - ownQueries: whether queries are positions too; padded ones give 0 then.
  func attendedOwn(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, bias: Tensor? = nil, ownQueries: Bool = false,
    causal: Bool = false, scale: Double, dropout: Double, layer: Int
  ) throws -> Tensor {
    var plan: AttentionPlan?
    if hidden != nil {
      let rows = q.size(2)
      plan = try self.plan("own \(rows) \(causal)") { groups, shown in
        groups.add(
          queries: 0..<rows, keys: (0..<length).map(shown),
          bounds: { 0...(causal ? $0 : length) }, code: { place, _ in place })
      }
    }
    return try attended(
      q, k, v, bias: bias, by: plan, queryLengths: ownQueries ? lengthTensor : nil,
      keyLengths: lengthTensor, causal: causal, scale: scale, dropout: dropout, layer: layer)
  }
}
