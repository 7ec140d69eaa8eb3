import Foundation
import Tensors
import Testing

@testable import Attention

/// A context that notes what every dropout got and gave.
private final class RecordingContext: Context {
  struct Note {
    let site: String
    let layer: Int
    let rate: Double
    let before: [Double]
    let after: [Double]

    /// Which of the elements that were not 0 are 0 now.
    var dropped: [Bool] { zip(before, after).compactMap { $0 == 0 ? nil : $1 == 0 } }
  }

  var notes: [Note] = []

  override func dropout(
    _ x: Tensor, _ rate: Double, layer: Int, site: String, addedTo residual: Tensor?
  ) throws -> Tensor {
    let out = try super.dropout(x, rate, layer: layer, site: site, addedTo: nil)
    notes.append(
      Note(site: site, layer: layer, rate: rate, before: try x.doubles(), after: try out.doubles()))
    fused.removeAll { $0.site == site && $0.layer == layer }
    return try residual.map { try $0 + out } ?? out
  }

  /// What operations that do their dropout themselves were told, shown on ones; where they then leave it to
  /// `dropout` after all, that counts.
  private var fused: [Note] = []

  override func dropout(_ rate: Double, layer: Int, sites: String...) -> FusedDropout {
    var all = super.dropout(rate, layer: layer, sites: sites[0])
    all.keys = sites.flatMap { super.dropout(rate, layer: layer, sites: $0).keys }
    for (site, key) in zip(sites, all.keys) {
      let ones = [Double](repeating: 1, count: 6 * 200)
      let after = try? Tensor.from(ones, [6, 200])
        .dropout(all.rate, key: key, examples: all.examples).doubles()
      fused.append(Note(site: site, layer: layer, rate: rate, before: ones, after: after ?? []))
    }
    return all
  }

  /// What `dropout` did and what fused operations were told.
  var all: [Note] { notes + fused }
}

/// Dropout of embeddings, residual branches, MLPs and probabilities, in every model that claims it.
@Suite(.serialized) struct DropoutKindTests {
  /// Sites of a model; the models on our kernel drop probabilities inside it.
  private func sites(_ mechanism: Mechanism) -> Set<String> {
    let inside = [
      "transformer", "low_rank", "looped", "local", "sparse_transformer", "longformer", "bigbird",
      "linformer", "luna", "image_transformer", "memory_compressed", "informer", "set_transformer",
      "kernelized", "nystromformer", "sinkhorn", "reformer", "routing_transformer",
      "transformer_xl", "synthesizer",
    ].contains(mechanism.name)
    let probability: Set<String> =
      mechanism.attentionDropout && !inside ? ["attention.probability"] : []
    switch mechanism.name {
    case "set_transformer", "star_transformer": return probability.union(["embedding"])
    case "rwkv": return ["embedding", "attention.out", "mlp.out"]
    case "s4d", "s5", "lru", "long_conv", "sgconv": return ["embedding", "mixer.out", "gate.out"]
    default: return probability.union(["embedding", "attention.out", "mlp.hidden", "mlp.out"])
    }
  }

  private func model(_ mechanism: Mechanism) -> ModelConfiguration {
    var model = ModelConfiguration()
    (model.embDim, model.qkvDim, model.mlpDim, model.maxLength) = (16, 16, 24, 40)
    (model.modelType, model.causal) = (mechanism.name, mechanism.directions == [.causal])
    (model.dropoutRate, model.attentionDropoutRate) = (0.3, 0.2)
    return model
  }

  private func ids() throws -> Tensor {
    let all: [Int64] = (0..<240).map { (index: Int) -> Int64 in
      Int64(1 + (index * 7 + index / 40) % 15)
    }
    return try .from(all, [6, 40])
  }

  private func notes(_ classifier: Classifier, step: Int = 5, training: Bool = true) throws
    -> [RecordingContext.Note]
  {
    let context = try RecordingContext(
      lengths: [40, 40, 40, 40, 40, 40], length: 40, examples: [3, 9, 4, 70_000, 12, 8],
      key: RandomKey(seed: 3)["training"][step], training: training)
    _ = try classifier(ids(), context)
    return context.all
  }

  @Test(
    "every kind has its rate, its scale and a mask of its own", arguments: mechanisms.map(\.name))
  func rates(name: String) throws {
    let mechanism = try #require(mechanisms.first { $0.name == name })
    let classifier = try Classifier(model(mechanism), key: RandomKey(seed: 0))
    let notes = try notes(classifier)
    #expect(Set(notes.map(\.site)) == sites(mechanism))
    var masks: [String: [Bool]] = [:]
    for site in sites(mechanism) {
      let rate = site == "attention.probability" ? 0.2 : 0.3
      let own = notes.filter { $0.site == site }
      #expect(own.allSatisfy { $0.rate == rate })
      // Every layer, and every turn of a looped one, has numbers of its own.
      #expect(site == "attention.probability" || Set(own.map(\.layer)).count == own.count)
      // Five deviations of a binomial count; the rate itself is rounded to 1/65,536.
      let count = Double(own.reduce(0) { $0 + $1.dropped.count })
      let dropped = Double(own.reduce(0) { $0 + $1.dropped.filter(\.self).count })
      let bound = 5 * (rate * (1 - rate) / count).squareRoot() + 1 / 65_536
      #expect(count > 500 && abs(dropped / count - rate) < bound, "\(site): \(dropped / count)")
      for note in own {
        for (before, after) in zip(note.before, note.after) where after != 0 {
          #expect(abs(after / before * (1 - rate) - 1) < 3e-5, "\(site)")
          if abs(after / before * (1 - rate) - 1) >= 3e-5 { return }
        }
        // One site of one layer may act on several tensors by the same counters.
        let place = "\(site) \(note.layer)"
        if masks[place] == nil { masks[place] = Array(note.dropped.prefix(200)) }
      }
    }
    #expect(Set(masks.values).count == masks.count)
  }

  @Test(
    "the same step gives the same masks, another step others, and evaluation none",
    arguments: mechanisms.map(\.name))
  func counters(name: String) throws {
    let mechanism = try #require(mechanisms.first { $0.name == name })
    let runs = try [5, 5, 6].map { step in
      try notes(Classifier(model(mechanism), key: RandomKey(seed: 0)), step: step)
    }
    #expect(runs[0].map(\.after) == runs[1].map(\.after))
    // Few elements can fall alike by chance: one of 2^100 is none.
    let many = zip(runs[0], runs[2]).filter { $0.0.dropped.count > 200 }
    #expect(!many.isEmpty && many.allSatisfy { $0.0.dropped != $0.1.dropped })
    let still = try notes(
      Classifier(model(mechanism), key: RandomKey(seed: 0)), training: false)
    #expect(still.count == runs[0].count && still.allSatisfy { $0.before == $0.after })
  }

  @Test(
    "the rate on probabilities acts where a model says it has them, and nowhere else",
    arguments: mechanisms.map(\.name))
  func claims(name: String) throws {
    let mechanism = try #require(mechanisms.first { $0.name == name })
    let logits = try [0, 0.5].map { rate in
      var model = model(mechanism)
      (model.dropoutRate, model.attentionDropoutRate) = (0, rate)
      let context = try Inputs.context([40, 40, 40, 40, 40, 40], 40, training: true)
      return try Classifier(model, key: RandomKey(seed: 0))(ids(), context).doubles()
    }
    #expect((difference(logits[0], logits[1]) > 1e-3) == mechanism.attentionDropout)
  }

  @Test("inside the kernel probabilities have their rate and scale too", arguments: [0.1, 0.5])
  func kernel(rate: Double) throws {
    // Equal logits and values that are unit vectors: output j of a query is its weight on key j.
    let zeros = try Tensor.zeros([2, 128, 2, 1, 128])
    let units = try Tensor.from(
      (0..<(128 * 128)).map { $0 % 129 == 0 ? Float(1) : 0 }, [1, 128, 1, 1, 128]
    ).expanded([2, 128, 1, 1, 128])
    let qkv = try Tensor.concatenated([zeros, units], 2)
    let run = { (step: Int) in
      try qkv.attention(
        scale: 1, dropout: rate, key: RandomKey(seed: 3)[step],
        examples: .from([Int64(4), 90_000], [2])
      ).doubles()
    }
    let weights = try run(1)
    let kept = weights.filter { $0 != 0 }
    let count = Double(weights.count)
    let bound = 5 * (rate * (1 - rate) / count).squareRoot() + 1 / 65_536
    #expect(abs(Double(kept.count) / count - (1 - rate)) < bound)
    #expect(kept.allSatisfy { abs($0 * 128 * (1 - rate) - 1) < 3e-5 })
    #expect(try run(1) == weights && run(2) != weights)
  }
}
