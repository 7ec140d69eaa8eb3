import Foundation
import Tensors
import Testing

@testable import Attention

@Suite struct CompressiveTransformerTests {
  /// Sizes and kind of a memory.
  struct Form: Sendable, CustomTestStringConvertible {
    var segment: Int
    var memory: Int
    var compressed: Int
    var rate: Int
    var kind = "conv"
    var weighs = false
    var testDescription: String { "\(segment) \(memory) \(compressed) 1/\(rate) \(kind)" }
  }

  static let forms = [
    Form(segment: 4, memory: 4, compressed: 3, rate: 2),
    Form(segment: 6, memory: 3, compressed: 2, rate: 3, kind: "mean", weighs: true),
    Form(segment: 4, memory: 6, compressed: 9, rate: 2, kind: "max"),
    Form(segment: 3, memory: 0, compressed: 2, rate: 3),
    Form(segment: 4, memory: 8, compressed: 0, rate: 4),
    Form(segment: 2, memory: 2, compressed: 4, rate: 1),
    Form(segment: 32, memory: 32, compressed: 8, rate: 4),
  ]

  private func model(causal: Bool) -> ModelConfiguration {
    var model = ModelConfiguration()
    (model.embDim, model.qkvDim, model.numHeads, model.causal) = (8, 8, 2, causal)
    model.attentionDropoutRate = 0
    return model
  }

  private func stir(_ parameters: [NamedParameter]) throws {
    for (index, named) in parameters.enumerated() {
      let noise = try Inputs.fill(named.parameter.value.shape, 37 + Double(index), 0.3) * 0.2
      try withoutGradient {
        try named.parameter.value.copy(from: named.parameter.value + noise.to(.float32))
      }
      try named.parameter.convert(to: .float64)
    }
  }

  private func mixer(_ form: Form, causal: Bool) throws -> CompressiveTransformer {
    let configuration = CompressiveTransformer.Configuration(
      segmentLength: form.segment, memoryLength: form.memory, compressedLength: form.compressed,
      compressionRate: form.rate, compression: form.kind, weighSlots: form.weighs)
    let mixer = try CompressiveTransformer(
      configuration, model(causal: causal), key: RandomKey(seed: 0))
    try stir(mixer.parameters)
    return mixer
  }

  /// A state [1, D] of the memory or a slot, and how many tokens that are not hidden it is made of.
  private typealias State = (value: Tensor, tokens: Int)

  /// One slot [1, D] of c tokens [1, D], one by one.
  private func slot(_ mixer: CompressiveTransformer, _ all: [State]) throws -> Tensor {
    let tokens = all.filter { $0.tokens > 0 }.map(\.value)
    switch mixer.compression {
    case .convolution(let kernel, let bias):
      var sum = try bias.value.reshaped([1, 8])
      for (place, token) in all.enumerated() where token.tokens > 0 {
        sum = try sum + token.value.matmul(kernel.value.select(place, 2).transposed(0, 1))
      }
      return sum
    case _ where tokens.isEmpty: return try .zeros([1, 8], .float64)
    case .mean:
      let rows = try tokens.map { try $0.doubles() }
      let count = Double(rows.count)
      return try .from((0..<8).map { d in rows.map { $0[d] }.reduce(0, +) / count }, [1, 8])
    case .max:
      let rows = try tokens.map { try $0.doubles() }
      return try .from((0..<8).map { d in rows.map { $0[d] }.max() ?? 0 }, [1, 8])
    }
  }

  /// Segment by segment with lists of states, as the paper's algorithm 1 reads; and the sum of algorithm 2's
  /// losses, each over tokens that leave the memory when the row goes on.
  private func reference(
    _ mixer: CompressiveTransformer, _ x: Tensor, lengths: [Int], _ form: Form, causal: Bool,
    isHidden: (_ row: Int, _ token: Int) -> Bool = { _, _ in false }
  ) throws -> (Tensor, Tensor?) {
    var rows: [Tensor] = []
    var total: Tensor?
    for (row, real) in lengths.enumerated() {
      let states = try x.select(row, 0)  // [L, D]
      var (slots, memory): ([State], [State]) = ([], [])
      var (outputs, losses): ([Tensor], [Tensor]) = ([], [])
      var queries = 0  // of the losses
      for start in stride(from: 0, to: real, by: form.segment) {
        let own = try states.slice(start..<min(start + form.segment, real), 0)  // [t, D]
        let older = slots + memory
        let here = try (0..<own.size(0)).map { place -> State in
          (try own.slice(place..<(place + 1), 0), isHidden(row, start + place) ? 0 : 1)
        }
        outputs.append(
          try attended(
            mixer, own, older + here, slots: form.weighs ? slots.count : 0, older.count, causal))
        memory += try here.map { (try $0.value.detached(), $0.tokens) }
        var (gone, made): ([State], [State]) = ([], [])
        while memory.count - form.memory >= form.rate {
          let oldest = Array(memory.prefix(form.rate))
          memory.removeFirst(form.rate)
          made.append((try slot(mixer, oldest), oldest.map(\.tokens).reduce(0, +)))
          gone += oldest
        }
        if !gone.isEmpty && real > start + form.segment {
          let counted = try Tensor.from(here.map { Double($0.tokens) }, [here.count, 1])
          let off = try (read(mixer, own, gone) - read(mixer, own, made)) * counted
          losses.append(try (off * off).sum())
          queries += here.map(\.tokens).reduce(0, +)
        }
        let kept = try made.map { (value: try $0.value.detached(), tokens: $0.tokens) }
        slots = Array((slots + kept).suffix(form.compressed))
      }
      for loss in losses where queries > 0 {
        let share = try loss * (1 / Double(queries * 8))
        total = try total.map { try $0 + share } ?? share
      }
      let rest = try Tensor.zeros([x.size(1) - real, 8], .float64)
      rows.append(try Tensor.concatenated(outputs + [rest], 0).unsqueezed(0))
    }
    return (try .concatenated(rows, 0), total)
  }

  /// Tokens [t, D] over all states, w, of which `before` are memories: [t, D].
  private func attended(
    _ mixer: CompressiveTransformer, _ own: Tensor, _ states: [State], slots: Int, _ before: Int,
    _ causal: Bool
  ) throws -> Tensor {
    let all = try Tensor.concatenated(states.map(\.value), 0)  // [w, D]
    let (t, w) = (own.size(0), all.size(0))
    let (q, k, v) = (
      try mixer.heads.query(own), try mixer.heads.key(all), try mixer.heads.value(all)
    )
    var angles: [Double] = []
    for a in 0..<t {
      for j in 0..<w {
        let turns = (0..<4).map { Double(a + before - j) * pow(10_000, -Double($0) / 4) }
        angles += turns.map { sin($0) } + turns.map { cos($0) }
      }
    }
    let places = try mixer.distance.place(.from(angles, [t, w, 8]))  // [t, w, H E]
    let counts = try Tensor.from(
      (0..<w).map { $0 < slots ? log(Double(max(1, states[$0].tokens))) : 0 }, [w])
    let future = try Tensor.from(
      (0..<(t * w)).map {
        states[$0 % w].tokens == 0 || (causal && $0 % w > before + $0 / w)
      }, [t, w])
    let heads = try (0..<2).map { head -> Tensor in
      let part = { (y: Tensor) in try y.slice((head * 4)..<(head * 4 + 4), -1) }
      let (u, b) = (
        try mixer.distance.contentBias.value.select(head, 0),
        try mixer.distance.placeBias.value.select(head, 0)
      )
      let content = try (part(q) + u).matmul(part(k).transposed(0, 1))
      let byPlace = try ((part(q) + b).unsqueezed(1) * part(places)).sum([2])
      let logits = try ((content + byPlace) * 0.5 + counts).filled(where: future, -1e30)
      return try logits.softmax(-1).matmul(part(v))
    }
    return try mixer.heads.out(.concatenated(heads, 1))
  }

  /// What tokens [t, D] read from some states by content alone, in all but the states without gradient: [t, D].
  private func read(_ mixer: CompressiveTransformer, _ own: Tensor, _ states: [State]) throws
    -> Tensor
  {
    let shown = states.filter { $0.tokens > 0 }.map(\.value)
    if shown.isEmpty { return try .zeros([own.size(0), 8], .float64) }
    let all = try Tensor.concatenated(shown, 0)
    let map = { (x: Tensor, linear: Linear) in
      try x.matmul(linear.weight.value.detached().transposed(0, 1))
        + (linear.bias?.value.detached() ?? .zeros([8], .float64))
    }
    let q = try map(own.detached(), mixer.heads.query)
    let (k, v) = (try map(all, mixer.heads.key), try map(all, mixer.heads.value))
    let heads = try (0..<2).map { head -> Tensor in
      let part = { (y: Tensor) in try y.slice((head * 4)..<(head * 4 + 4), -1) }
      return try (part(q).matmul(part(k).transposed(0, 1)) * 0.5).softmax(-1).matmul(part(v))
    }
    return try .concatenated(heads, 1)
  }

  @Test(
    "outputs and gradients equal reading segment by segment with lists",
    arguments: [1, 3, 9, 26], forms)
  func definition(length: Int, form: Form) throws {
    let lengths = [length, (length + 1) / 2]
    for causal in [false, true] {
      let mixer = try mixer(form, causal: causal)
      try expectSame(
        [Inputs.fill([2, length, 8], 0.7, 0.1)], lengths: lengths, within: 1e-9, "causal \(causal)",
        { try mixer($0[0], Inputs.context(lengths, length), layer: 0).unsqueezed(1) },
        { try reference(mixer, $0[0], lengths: lengths, form, causal: causal).0.unsqueezed(1) })
    }
  }

  @Test(
    "with hidden positions too, in outputs, gradients and the auxiliary loss",
    arguments: forms, [false, true])
  func hidden(form: Form, causal: Bool) throws {
    let isHidden = { (row: Int, token: Int) in
      (token * 5 + row) % 7 < 3 || (8..<13).contains(token)
    }
    let flags = (0..<2).map { row in (0..<26).map { isHidden(row, $0) } }
    let lengths = flags.map { ($0.lastIndex(of: false) ?? -1) + 1 }
    let mixer = try mixer(form, causal: causal)
    let context = try Context(
      lengths: [26, 26], length: 26, examples: [0, 1], key: RandomKey(seed: 3), training: true,
      hidden: .from(Array(flags.joined()), [2, 26]))
    let real = try Tensor.from(flags.joined().map { $0 ? 0.0 : 1 }, [2, 26, 1])
    var losses: [Double] = []
    try expectSame(
      [Inputs.fill([2, 26, 8], 0.7, 0.1)], lengths: [26, 26], within: 1e-9, "",
      { x in
        let out = try mixer(x[0], context, layer: 0) * real
        losses.append(try context.effects.takeAuxiliaryLoss()?.item() ?? 0)
        return try out.unsqueezed(1)
      },
      { x in
        let (out, loss) = try reference(
          mixer, x[0], lengths: lengths, form, causal: causal, isHidden: isHidden)
        losses.append(try loss?.item() ?? 0)
        return try (out * real).unsqueezed(1)
      })
    // Only a convolution is trained by a loss of its own.
    guard case .convolution = mixer.compression else {
      #expect(losses[0] == 0)
      return
    }
    #expect(abs(losses[0] - losses[1]) < 1e-9)
  }

  @Test(
    "the auxiliary loss is that of the lists, and only the convolution has a gradient from it",
    arguments: forms)
  func auxiliaryLoss(form: Form) throws {
    let x = try Inputs.fill([2, 26, 8], 0.7, 0.1)
    try x.requireGradient()
    let lengths = [26, 15]
    let mixer = try mixer(form, causal: true)
    var results: [[Double]] = []
    for isExpected in [false, true] {
      let context = try Inputs.context(lengths, 26, training: true)
      _ = try mixer(x, context, layer: 0)
      let loss =
        isExpected
        ? try reference(mixer, x, lengths: lengths, form, causal: true).1
        : try context.effects.takeAuxiliaryLoss()
      guard case .convolution(let kernel, let bias) = mixer.compression, form.memory < 24 else {
        if !isExpected { #expect(loss == nil) }
        continue
      }
      let found = try #require(loss)
      try found.backward()
      var values = [try found.item()]
      for parameter in [kernel, bias] {
        values += try #require(parameter.value.gradient).doubles()
        parameter.value.clearGradient()
      }
      results.append(values)
      #expect(x.gradient == nil)
      #expect(mixer.parameters.allSatisfy { $0.parameter.value.gradient == nil })
    }
    guard results.count == 2 else {
      // What is not compared has no loss: another compression, or a memory that holds everything.
      #expect(results.isEmpty)
      return
    }
    #expect(difference(results[0], results[1]) < 1e-10)
    // With a rate of 1 a slot can be its token; the stirred kernel is far from that.
    #expect(results[0][0] > 1e-4 && results[0].dropFirst().contains { abs($0) > 1e-4 })
  }

  @Test("the auxiliary loss is a sum over rows and does not see padding; evaluation has none")
  func auxiliaryPadding() throws {
    let mixer = try mixer(Self.forms[0], causal: false)
    let loss = { (lengths: [Int], length: Int, training: Bool) in
      let x = try Inputs.fill([1, length, 8], 0.7, 0.1).expanded([lengths.count, length, 8])
      let context = try Inputs.context(lengths, length, training: training)
      _ = try mixer(x, context, layer: 0)
      return try context.effects.takeAuxiliaryLoss()?.item()
    }
    let nine: Double = try loss([9], 9, true) ?? 0
    let twenty: Double = try loss([20], 20, true) ?? 0
    let longer: Double = try loss([9], 33, true) ?? 0
    let together: Double = try loss([9, 20, 3, 0], 24, true) ?? 0
    #expect(nine > 1e-4 && twenty > 1e-4)
    #expect(abs(nine - longer) < 1e-12)
    #expect(abs(nine + twenty - together) < 1e-12)
    #expect(try loss([8], 30, true) == nil)
    #expect(try loss([20], 20, false) == nil)
  }

  @Test("the task's loss gives the convolution nothing")
  func taskGradient() throws {
    let mixer = try mixer(Self.forms[0], causal: true)
    let x = try Inputs.fill([1, 26, 8], 0.7, 0.1)
    try (mixer(x, Inputs.context([26], 26), layer: 0) * x).sum().backward()
    let learns = mixer.parameters.filter { $0.parameter.value.gradient != nil }.map(\.name)
    let conv = mixer.parameters.map(\.name).filter { $0.contains(".conv.") }
    #expect(conv.count == 2 && learns.count == mixer.parameters.count - 2)
    #expect(Set(learns).isDisjoint(with: conv))
  }

  @Test("slots of one token, left as they are, are a longer memory of Transformer-XL")
  func rateOne() throws {
    let x = try Inputs.fill([1, 29, 8], 0.7, 0.1)
    let mixer = try mixer(.init(segment: 4, memory: 6, compressed: 7, rate: 1), causal: true)
    guard case .convolution(let kernel, let bias) = mixer.compression else {
      Issue.record("slots are made by a convolution unless the keys say otherwise")
      return
    }
    let identity = try Tensor.from((0..<64).map { $0 % 9 == 0 ? 1.0 : 0 }, [8, 8, 1])
    try withoutGradient {
      try kernel.value.copy(from: identity)
      try bias.value.copy(from: .zeros([8], .float64))
    }
    let longer = try transformerXL(4, 13, like: mixer)
    let context = try Inputs.context([29], 29)
    let found = try mixer(x, context, layer: 0).doubles()
    #expect(difference(found, try longer(x, context, layer: 0).doubles()) < 1e-10)
  }

  @Test("tokens alike, compressed to their mean with ln c on its logit, are as if not compressed")
  func constantMemory() throws {
    var form = Form(segment: 6, memory: 3, compressed: 4, rate: 3, kind: "mean", weighs: true)
    // Groups of three equal tokens; distances have no weight.
    let kinds = try Inputs.fill([8, 1, 8], 0.7, 0.1).expanded([8, 3, 8]).reshaped([1, 24, 8])
    let context = try Inputs.context([24], 24)
    let run = { (form: Form) in
      let mixer = try mixer(form, causal: true)
      try withoutGradient {
        try mixer.distance.place.weight.value.copy(from: .zeros([8, 8], .float64))
      }
      let longer = try transformerXL(6, 3 + 12, like: mixer)
      return difference(
        try mixer(kinds, context, layer: 0).doubles(),
        try longer(kinds, context, layer: 0).doubles())
    }
    #expect(try run(form) < 1e-10)
    form.weighs = false
    #expect(try run(form) > 1e-3)
  }

  private func transformerXL(_ segment: Int, _ memory: Int, like mixer: CompressiveTransformer)
    throws -> TransformerXL
  {
    let other = try TransformerXL(
      .init(segmentLength: segment, memoryLength: memory), model(causal: true),
      key: RandomKey(seed: 0))
    let values = Dictionary(
      uniqueKeysWithValues: mixer.parameters.map { ($0.name, $0.parameter.value) })
    for named in other.parameters {
      try named.parameter.convert(to: .float64)
      let name = named.name.replacing("transformer_xl", with: "compressive_transformer")
      try withoutGradient { try named.parameter.value.copy(from: #require(values[name])) }
    }
    return other
  }

  @Test("sizes that make no sense are refused")
  func badConfiguration() {
    let forms = [
      Form(segment: 0, memory: 4, compressed: 2, rate: 1),
      Form(segment: 4, memory: -2, compressed: 2, rate: 2),
      Form(segment: 4, memory: 4, compressed: -1, rate: 2),
      Form(segment: 4, memory: 4, compressed: 2, rate: 0),
      Form(segment: 4, memory: 4, compressed: 2, rate: 3),
      Form(segment: 4, memory: 5, compressed: 2, rate: 4),
      Form(segment: 4, memory: 4, compressed: 2, rate: 2, kind: "median"),
    ]
    for form in forms {
      #expect(throws: AttentionError.self, "\(form)") { try mixer(form, causal: true) }
    }
  }
}
