import Attention
import Foundation
import Tensors

/// How a run takes weights out: gradually, by the cubic schedule of Zhu and Gupta, then no more.
///
/// Zhu & Gupta 2017, arXiv 1710.01878, equation 1. Masks are renewed after the steps `begin`,
/// `begin + every`, ... and `end`; a weight that is out stays out, at exactly 0.
struct Pruning: Equatable {
  let kind: Recipe.TrainPart.PruningKind
  /// Share in the end, 0 ..< 1.
  let sparsity: Double
  /// The first and the last step after which masks are renewed.
  let begin: Int
  let end: Int
  let every: Int

  /// The share that is out after a step: 0 up to `begin`, `sparsity` from `end` on.
  func sparsity(after step: Int) -> Double {
    if step >= end { return sparsity }
    if step <= begin { return 0 }
    let left = 1 - Double(step - begin) / Double(end - begin)
    return sparsity * (1 - left * left * left)
  }

  /// Whether masks are renewed after a step.
  func isDue(after step: Int) -> Bool {
    step == end || (step >= begin && step < end && (step - begin) % max(1, every) == 0)
  }
}

extension Recipe {
  /// What the recipe takes out of its weights; nil for nothing.
  var pruning: Pruning? {
    train.pruning.map {
      Pruning(
        kind: $0, sparsity: train.pruningSparsity, begin: train.pruningBegin,
        end: train.pruningEnd, every: train.pruningEvery)
    }
  }

  /// The first step whose weights are those of a pruned model; 0 without pruning.
  var firstPrunedStep: Int { pruning?.end ?? 0 }

  /// Fills in when weights go, where that was not said: from a tenth to six tenths of the steps, in
  /// a hundred masks at most.
  mutating func completePruning() {
    guard pruning != nil else { return }
    let steps = train.numTrainSteps
    if train.pruningEnd == 0 {
      train.pruningEnd = max(1, train.pruningBegin, steps * 6 / 10)
    }
    if train.pruningBegin == 0 {
      train.pruningBegin = max(1, min(train.pruningEnd, steps / 10))
    }
    if train.pruningEvery == 0 {
      train.pruningEvery = max(1, (train.pruningEnd - train.pruningBegin) / 100)
    }
  }

  /// Refuses a model without heads of its own, or a share of them that cannot be taken out.
  ///
  /// - Throws: `TrainError` with code `usage`.
  func requireHeads() throws {
    let parameters = try sketched { try network(key: RandomKey(seed: 0), device: .cpu).parameters }
    let layers = attentionLayers(parameters)
    guard !layers.isEmpty else { throw TrainError.noHeads(model.modelType, lowRank: model.lowRank) }
    let heads = layers.count * model.numHeads
    let removed = Int((train.pruningSparsity * Double(heads)).rounded())
    guard removed > 0, removed <= heads - layers.count else {
      throw TrainError.headShare(
        train.pruningSparsity, heads: heads, layers: layers.count, removed: removed)
    }
  }

  /// The projections of every layer whose attention has the form of the standard encoder's heads.
  func attentionLayers(_ parameters: [NamedParameter]) -> [AttentionLayer] {
    let known = Dictionary(uniqueKeysWithValues: parameters.map { ($0.name, $0) })
    return parameters.compactMap { parameter in
      guard parameter.name.hasSuffix("q.weight") else { return nil }
      let prefix = String(parameter.name.dropLast("q.weight".count))
      return AttentionLayer(prefix, known, model)
    }
  }
}

/// The matrices `q`, `k`, `v` [H E, D] and `out` [D, H E] of one layer, and the biases of the first three.
struct AttentionLayer {
  /// What has a row for every feature of every head: weights and biases of q, k and v.
  let byRow: [NamedParameter]
  /// The matrix that has columns for them.
  let out: NamedParameter

  /// Nil when the tensors are not all there, factored, or of other shapes.
  init?(_ prefix: String, _ known: [String: NamedParameter], _ model: ModelConfiguration) {
    guard let out = known["\(prefix)out.weight"], out.layer != nil else { return nil }
    var rows: [NamedParameter] = []
    for name in ["q", "k", "v"] {
      guard let weight = known["\(prefix)\(name).weight"], weight.layer != nil,
        weight.parameter.value.size(0) == model.qkvDim
      else { return nil }
      rows.append(weight)
      if let bias = known["\(prefix)\(name).bias"] { rows.append(bias) }
    }
    guard out.parameter.value.size(1) == model.qkvDim else { return nil }
    self.out = out
    byRow = rows
  }
}

/// Holds the masks of a run, renews them by schedule, and keeps what they took out at exactly 0.
///
/// After a renewal the weights and both moments of AdamW are 0 where the mask is; from then on their
/// gradients are set to 0 before clipping, so that neither moments nor weight decay bring anything
/// back. The masks are saved beside the moments, as `NAME.mask` (1 or 0) in
/// `optimizer.safetensors`.
///
/// - `magnitude`: round(s n) of the n weights of every linear layer's matrix (factors of `low_rank`
///   too; not embeddings, norms and biases), the smallest by |w|, the first of equal ones.
/// - `heads`: round(s H) of the H heads of all layers together, of which one stays in every layer: those
///   whose columns of `out` have the smallest sum of squares. (Michel and others 2019, arXiv
///   1905.10650, rank by a gradient instead; this needs no pass over the data.) With a head go its
///   columns of `out` and its rows of `q`, `k` and `v` with their biases, which nothing reads then.
final class Pruner {
  let pruning: Pruning
  private let targets: [NamedParameter]
  private let layers: [AttentionLayer]
  private let numHeads: Int
  private var masks: [String: Tensor] = [:]

  init(_ pruning: Pruning, _ parameters: [NamedParameter], _ recipe: Recipe) throws {
    self.pruning = pruning
    numHeads = recipe.model.numHeads
    switch pruning.kind {
    case .magnitude:
      layers = []
      targets = parameters.filter(\.isLinearWeight)
    case .heads:
      layers = recipe.attentionLayers(parameters)
      targets = layers.flatMap { $0.byRow + [$0.out] }
    }
    for target in targets {
      let value = target.parameter.value
      masks[target.name] = try .full(value.shape, 1, value.elementType, on: value.device)
    }
  }

  /// Sets the gradients of what is out to 0.
  func maskGradients() throws {
    for target in targets {
      guard let mask = masks[target.name], let gradient = target.parameter.value.gradient
      else { continue }
      try gradient.copy(from: gradient * mask)
    }
  }

  /// Renews the masks when the schedule says so, and applies them.
  func renewIfDue(after step: Int, _ optimizer: any Optimizer) throws {
    guard pruning.isDue(after: step) else { return }
    let share = pruning.sparsity(after: step)
    try withoutGradient {
      switch pruning.kind {
      case .magnitude: try renewMagnitudes(share)
      case .heads: try renewHeads(share)
      }
      for target in targets {
        guard let mask = masks[target.name] else { continue }
        let value = target.parameter.value
        try value.copy(from: value * mask)
        try optimizer.mask(target.name, by: mask)
      }
    }
  }

  private func renewMagnitudes(_ share: Double) throws {
    for target in targets {
      guard let mask = masks[target.name] else { continue }
      var kept = try mask.floats()
      let weights = try target.parameter.value.floats()
      // |w| and the place in one number: bits of a float that is not negative are in its order.
      var candidates: [UInt64] = []
      candidates.reserveCapacity(kept.count)
      for place in kept.indices where kept[place] != 0 {
        candidates.append(UInt64(weights[place].magnitude.bitPattern) << 32 | UInt64(place))
      }
      let wanted = Int((share * Double(kept.count)).rounded())
      let more = wanted - (kept.count - candidates.count)
      guard more > 0 else { continue }
      candidates.sort()
      for candidate in candidates.prefix(more) { kept[Int(candidate & 0xffff_ffff)] = 0 }
      try mask.copy(from: .from(kept, mask.shape))
    }
  }

  private func renewHeads(_ share: Double) throws {
    var kept = try layers.map { try keptHeads($0) }
    var ranked: [(importance: Double, layer: Int, head: Int)] = []
    for (index, layer) in layers.enumerated() {
      for (head, importance) in try importances(layer).enumerated() where kept[index][head] {
        ranked.append((importance, index, head))
      }
    }
    ranked.sort { ($0.importance, $0.layer, $0.head) < ($1.importance, $1.layer, $1.head) }
    let all = layers.count * numHeads
    var more = Int((share * Double(all)).rounded()) - (all - ranked.count)
    for one in ranked where more > 0 && kept[one.layer].count(where: { $0 }) > 1 {
      kept[one.layer][one.head] = false
      more -= 1
    }
    for (layer, heads) in zip(layers, kept) { try setMasks(layer, heads) }
  }

  /// Which heads of a layer are in.
  private func keptHeads(_ layer: AttentionLayer) throws -> [Bool] {
    guard let mask = masks[layer.out.name] else { return [] }
    let width = mask.size(1) / numHeads
    let first = try mask.select(0, 0).floats()  // [H E]
    return (0..<numHeads).map { first[$0 * width] != 0 }
  }

  /// The sum of squares of every head's columns of `out`.
  private func importances(_ layer: AttentionLayer) throws -> [Double] {
    let out = layer.out.parameter.value
    let (rows, columns) = (out.size(0), out.size(1))
    let width = columns / numHeads
    let weights = try out.doubles()
    var sums = [Double](repeating: 0, count: numHeads)
    for row in 0..<rows {
      for column in 0..<columns {
        let weight = weights[row * columns + column]
        sums[column / width] += weight * weight
      }
    }
    return sums
  }

  private func setMasks(_ layer: AttentionLayer, _ kept: [Bool]) throws {
    guard let columns = masks[layer.out.name] else { return }
    let width = columns.size(1) / numHeads
    let features = kept.flatMap { [Float](repeating: $0 ? 1 : 0, count: width) }
    let flat = try Tensor.from(features, [features.count])
    try columns.copy(from: flat.expanded(columns.shape))
    for named in layer.byRow {
      guard let mask = masks[named.name] else { continue }
      let rows = mask.shape.count == 1 ? flat : try flat.unsqueezed(1)  // [H E] or [H E, 1]
      try mask.copy(from: rows.expanded(mask.shape))
    }
  }

  /// The masks to save, in the order of the model.
  var state: [(name: String, tensor: Tensor)] {
    targets.compactMap { target in masks[target.name].map { ("\(target.name).mask", $0) } }
  }

  /// Continues with saved masks.
  func restore(_ saved: [String: Tensor], path: String) throws {
    for (name, tensor) in state { try Safetensors.copy(name, of: saved, to: tensor, path) }
  }
}

extension [NamedParameter] {
  /// The number of trained values that are not 0.
  func nonzeroCount() throws -> Int {
    try filter { $0.parameter.role != .buffer }.reduce(0) {
      try $0 + $1.parameter.value.floats().count { $0 != 0 }
    }
  }
}
