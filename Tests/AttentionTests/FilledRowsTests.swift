import Foundation
import Tensors
import Testing

@testable import Attention

/// Mechanisms as mlpen/Nystromformer's code for LRA has them, whose rows are all filled to P positions.
///
/// Its forms are written down here on rows that really are filled, here to 32; ours get shorter batches.
@Suite struct FilledRowsTests {
  private static let maxLength = 27
  private static let batches = [[27, 12], [19, 8], [5, 1], [27, 27]]

  /// Queries, keys and values of filled rows [B, H, P, E], their mask [B, 1, P, 1], the mixer's tensors.
  private typealias Twin = (
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ real: Tensor, _ tensors: [String: Tensor]
  ) throws -> Tensor

  /// Outputs at real positions, the input's gradient and every parameter's, of the mixer or its twin.
  private func step(
    _ name: String, _ keys: [String: ConfigurationValue], _ lengths: [Int], size: Double,
    twin: Twin?
  ) throws -> [(name: String, values: [Double])] {
    let length = lengths.max() ?? 0
    let example = MixerCase(entry: try Attention.mixer(named: name), causal: false, keys: keys)
    let mixer = try example.build(maxLength: Self.maxLength)
    let tensors = Dictionary(
      uniqueKeysWithValues: mixer.parameters.map { ($0.name, $0.parameter.value) })
    let x = try Inputs.fill([lengths.count, length, 8], 0.7, 0.1) * size
    try x.requireGradient()
    let out: Tensor
    if let twin {
      let rows = try x.padded(after: 32 - length, 1, value: 3.3)  // whatever padding is embedded as
      let apart = { (name: String) throws -> Tensor in
        let weight = try #require(tensors["\(name).weight"] ?? tensors["qk.weight"])
        let bias = tensors[tensors["\(name).weight"] == nil ? "qk.bias" : "\(name).bias"]
        return try rows.linear(weight, bias).reshaped([lengths.count, 32, 2, 4]).transposed(1, 2)
      }
      let flags = lengths.flatMap { n in (0..<32).map { $0 < n ? 1.0 : 0 } }
      let attended = try twin(
        apart("q"), apart("k"), apart("v"), .from(flags, [lengths.count, 1, 32, 1]), tensors)
      out = try attended.transposed(1, 2).reshaped([lengths.count, 32, 8])
        .linear(#require(tensors["out.weight"]), tensors["out.bias"]).slice(0..<length, 1)
    } else {
      out = try mixer(x, Inputs.context(lengths, length), layer: 0)
    }
    let flags = lengths.flatMap { n in (0..<length).map { $0 < n ? 1.0 : 0 } }
    let real = try out * .from(flags, [lengths.count, length, 1])
    try (real * Inputs.fill(real.shape, 1.3, 0.4)).sum().backward()
    let gradients = try tensors.compactMap { name, value in
      try value.gradient.map { (name, try $0.doubles()) }
    }
    return try [("output", real.doubles()), ("input", #require(x.gradient).doubles())]
      + gradients.sorted { $0.0 < $1.0 }
  }

  private func compare(
    _ name: String, _ keys: [String: ConfigurationValue], size: Double = 1, _ twin: Twin
  ) throws {
    for lengths in Self.batches {
      let found = try step(name, keys, lengths, size: size, twin: nil)
      let expected = try step(name, keys, lengths, size: size, twin: twin)
      #expect(found.map(\.name) == expected.map(\.name) && found.count > 5)
      for (one, other) in zip(found, expected) {
        let off = difference(one.values, other.values)
        let largest = other.values.map { abs($0) }.max() ?? 0
        #expect(off < 1e-10 * max(1, largest), "\(keys) \(lengths) \(one.name): \(off)")
      }
    }
  }

  /// What stands on logits at padding, [B, 1, 1, P].
  private static func mask(_ real: Tensor) throws -> Tensor {
    try (real * -1 + 1).transposed(2, 3) * -1e9
  }

  @Test(
    "nystromformer: zeros of padding count in landmarks, those without tokens in both softmaxes",
    arguments: [1, 4, 8, 16, 32], [false, true])
  func nystromformer(m: Int, global: Bool) throws {
    let keys: [String: ConfigurationValue] = [
      "num_landmarks": .integer(m), "filled_rows": .bool(true), "global_init": .bool(global),
      "conv_kernel_size": .integer(5),
    ]
    try compare("nystromformer", keys) { q, k, v, real, tensors in
      let (b, h, p, e) = (q.size(0), q.size(1), q.size(2), q.size(3))
      let (q, k) = (try q * real * pow(4, -0.25), try k * real * pow(4, -0.25))
      let blocked = try Self.mask(real)
      let weights = { (a: Tensor, b: Tensor, mask: Tensor?) throws -> Tensor in
        let logits = try a.matmul(b.transposed(2, 3))
        return try (mask.map { try logits + $0 } ?? logits).softmax(-1)
      }
      var out: Tensor
      if m == p {
        out = try weights(q, k, blocked).matmul(v)
      } else {
        let means = { (x: Tensor) in
          try x.reshaped([b, h, m, p / m, e]).sum([3]) * (Double(m) / Double(p))
        }
        let (a, c) = (try means(q), try means(k))
        let core = try weights(a, c, nil)
        let sums = try core.sum([2]).max(-1).unsqueezed(-1)  // [B, H, 1, 1]
        let largest = try global ? sums.reshaped([-1]).max(0) : sums
        var z = try core.transposed(2, 3) / largest
        let one = try Tensor.from((0..<(m * m)).map { $0 % (m + 1) == 0 ? 1.0 : 0 }, [m, m])
        for _ in 0..<6 {
          let kv = try core.matmul(z)
          let inner = try one * 15 - kv.matmul(one * 7 - kv)
          z = try (z * 0.25).matmul(one * 13 - kv.matmul(inner))
        }
        out = try weights(q, c, nil).matmul(z).matmul(weights(a, k, blocked).matmul(v))
      }
      let filters = try #require(tensors["nystromformer.conv"])
      let wide = try (v * real).padded(before: 2, after: 2, 2)
      for tap in 0..<5 {
        let weight = try filters.slice(tap..<(tap + 1), 2).reshaped([h, 1, 1])
        out = try out + wide.slice(tap..<(tap + p), 2) * weight
      }
      return out
    }
  }

  @Test("linear: no sum of weights, both features times P to the -1/4")
  func linear() throws {
    try compare("linear", ["unnormalized": .bool(true)]) { q, k, v, real, _ in
      let phi = { (x: Tensor) in try (x.elu() + 1) * (1 / 32.0.squareRoot().squareRoot()) }
      return try phi(q).matmul((phi(k) * real).transposed(2, 3).matmul(v * real))
    }
  }

  @Test("linformer: a projection for each head")
  func linformer() throws {
    let keys: [String: ConfigurationValue] = [
      "low_rank_features": .integer(6), "per_head": .bool(true), "small_init": .bool(true),
    ]
    try compare("linformer", keys) { q, k, v, real, tensors in
      let projection = try #require(tensors["linformer.projection"]).padded(after: 5, 2, value: 9)
      let (keys, values) = (try projection.matmul(k * real), try projection.matmul(v * real))
      return try (q.matmul(keys.transposed(2, 3)) * 0.5).softmax(-1).matmul(values)
    }
  }

  @Test(
    "performer: scaled twice, maxima of projections, padding in the sum of weights",
    arguments: [1.0, 4], [false, true])
  func performer(size: Double, batch: Bool) throws {
    let keys: [String: ConfigurationValue] = [
      "nb_features": .integer(10), "eps": .number(1e-4), "scaled_twice": .bool(true),
      "projection_maxima": .bool(true), "batch_maximum": .bool(batch), "filled_rows": .bool(true),
    ]
    try compare("performer", keys, size: size) { q, k, v, real, tensors in
      let w = try #require(tensors["performer.features"])
      let features = { (x: Tensor, isQuery: Bool) throws -> Tensor in
        let u = try x * pow(4, -0.25)
        let dash = try u.matmul(w.transposed(0, 1))
        let rows = try dash.max(-1)
        let level = try isQuery ? rows : batch ? rows.reshaped([-1]).max(0) : rows.max(-2)
        let half = try (u * u).sum([3], keep: true) * 0.5
        return try ((dash - half - level).exp() + 1e-4) * (1 / 10.0.squareRoot())
      }
      let first = try features(q * pow(4, -0.25), true)
      let other = try features(k * pow(4, -0.25) * real, false)
      let sums = try first.matmul(other.sum([2], keep: true).transposed(2, 3))
      return try first.matmul(other.transposed(2, 3).matmul(v * real)) / sums
    }
  }

  @Test(
    "reformer: chunks of the sorted row, whatever their buckets, rounds in a ring",
    arguments: [4, 8, 32], [1, 2])
  func reformer(chunk: Int, rounds: Int) throws {
    let keys: [String: ConfigurationValue] = [
      "chunk_length": .integer(chunk), "n_hashes": .integer(rounds), "n_buckets": .integer(4),
      "count_pairs_once": .bool(false), "across_buckets": .bool(true), "unit_logits": .bool(true),
      "filled_rows": .bool(true), "unbiased": .bool(true),
    ]
    try compare("reformer", keys) { q, _, v, real, tensors in
      let rotation = try #require(tensors["reformer.rotations0"])
      let buckets = try Reformer.buckets(q, [rotation]).integers()
      let shown = try real.doubles()
      var times: [Double] = []
      for pair in 0..<(q.size(0) * 2) {
        // Padding has a bucket behind all others; one list of all rounds is cut in chunks.
        let order = (0..<rounds).flatMap { round in
          (0..<32).sorted { a, b in
            let bucket = { (t: Int) in
              shown[pair / 2 * 32 + t] == 0 ? 99 : buckets[(pair * rounds + round) * 32 + t]
            }
            return (bucket(a), a) < (bucket(b), b)
          }
        }
        var meetings = [Double](repeating: 0, count: 32 * 32)
        for (rank, i) in order.enumerated() {
          let (own, all) = (rank / chunk, order.count / chunk)
          for part in chunk == 32 ? [own] : [own, (own + all - 1) % all] {
            for j in order[(part * chunk)..<((part + 1) * chunk)] { meetings[i * 32 + j] += 1 }
          }
        }
        times += meetings
      }
      let shape = [q.size(0), 2, 32, 32]
      let unit = try q / ((q * q).sum([3], keep: true) * 0.25 + 1e-6).squareRoot() * 0.5
      let counts = try Tensor.from(times.map { log(max($0, 1e-300)) }, shape)
      let own = try Tensor.from((0..<1024).map { $0 % 33 == 0 }, [32, 32])
      let logits = try (q.matmul(unit.transposed(2, 3)) + counts + Self.mask(real))
        .filled(where: own, -1e5).filled(where: .from(times.map { $0 == 0 }, shape), -1e30)
      return try logits.softmax(-1).matmul(v)
    }
  }
}
