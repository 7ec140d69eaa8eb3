import Attention
import Foundation
import Tensors
import Testing
import ToolRunner

/// A form of the model that PyTorch builds again.
private struct Form: Sendable {
  let name: String
  var training = false
  let change: @Sendable (inout ModelConfiguration) -> Void

  static let all = [
    Form(name: "small") { _ in },
    Form(name: "cls") { $0.classifierPool = .cls },
    Form(name: "first") { $0.classifierPool = .first },
    Form(name: "mean-padded") { $0.classifierPool = .meanPadded },
    Form(name: "rotary") { $0.position = .rotary },
    Form(name: "sinusoidal") { $0.position = .sinusoidal },
    Form(name: "no-position") { $0.position = .none },
    Form(name: "post-norm") { $0.norm = .post },
    Form(name: "relu") { $0.activation = .relu },
    Form(name: "gelu-tanh") { $0.activation = .geluTanh },
    Form(name: "causal") { $0.causal = true },
    Form(name: "tied") { $0.tiedWeights = true },
    Form(name: "no-bias") { $0.qkvBias = false },
    Form(name: "released") {
      ($0.classifierPool, $0.position, $0.activation) = (.cls, .sinusoidal, .geluTanh)
      ($0.qkvBias, $0.layerNormEps) = (false, 1e-6)
    },
    Form(name: "dropout", training: true) { _ in },
    Form(name: "dropout-cls-causal", training: true) {
      ($0.classifierPool, $0.causal, $0.dropoutRate) = (.cls, true, 0.3)
    },
    Form(name: "dropout-rotary-post", training: true) {
      ($0.position, $0.norm, $0.attentionDropoutRate) = (.rotary, .post, 0.25)
    },
  ]
}

/// What the oracle is told besides the tensors.
private struct Case: Encodable {
  var name: String
  var numHeads: Int
  var numLayers: Int
  var position: String
  var activation: String
  var causal: Bool
  var tiedWeights: Bool
  var classifierPool: String
  var paddedLength: Int
  var layerNormEps: Double
  var dropoutRate: Double
  var attentionDropoutRate: Double
  var training: Bool
  var seed = 5
  var step = 7
  var examples = [3, 90_000, 11]
  var ids: [[Int]]
  var lengths = [131, 64, 9]
  var labels = [4, 0, 9]
  var loss = 0.0
  /// The least gradient that differences are related to: smaller ones are rounding.
  var floor = 1e-5

  init(_ form: Form, _ model: ModelConfiguration) {
    name = form.name
    numHeads = model.numHeads
    numLayers = model.numLayers
    position = model.position.rawValue
    activation = model.activation.rawValue
    causal = model.causal
    tiedWeights = model.tiedWeights
    classifierPool = model.classifierPool.rawValue
    paddedLength = model.filledLength
    layerNormEps = model.layerNormEps
    dropoutRate = model.dropoutRate
    attentionDropoutRate = model.attentionDropoutRate
    training = form.training
    ids = lengths.map { length in
      (0..<131).map { $0 < length ? 1 + ($0 * 7 + length * $0 % 5) % 15 : 0 }
    }
  }
}

private struct Comparison: Decodable {
  let name: String
  let loss: Double
  let lossDifference: Double
  let plain: Double
  let relative: Double
  let worst: String
  let parameters: Int
  let zeros: [String]
  let rounding: Double
}

@Suite("models built again in PyTorch")
struct OracleTests {
  @Test("loss and the gradient of every parameter are PyTorch's to 1e-5, dropout or not")
  func gradients() throws {
    _ = try Engine.start(threads: 2)
    let folder = try TemporaryFolder()
    for form in Form.all { try write(form, to: folder.file(form.name)) }
    let script = Program.package + "/Tests/InteropTests/pytorch_oracle.py"
    let outcome = try Program.python.run(
      [script, "gradients"] + Form.all.map { folder.file($0.name) }, in: folder.path)
    try #require(outcome.exit == 0, "\(outcome.error)")
    let found = try outcome.output.split(separator: "\n").map {
      try JSONDecoder().decode(Comparison.self, from: Data($0.utf8))
    }
    #expect(found.map(\.name) == Form.all.map(\.name))
    for one in found {
      print(
        "\(one.name): loss \(one.lossDifference), gradients \(one.plain), relative \(one.relative) "
          + "at \(one.worst), of \(one.parameters)")
      #expect(one.lossDifference < 1e-5, "\(one.name)")
      #expect(one.plain < 1e-5 && one.relative < 1e-5, "\(one.name): \(one.worst)")
      // A constant added to all keys moves no probability; a causal CLS vector sees only itself.
      #expect(one.rounding < 1e-6, "\(one.name): \(one.zeros)")
      #expect(one.name.contains("causal") || one.zeros.allSatisfy { $0.hasSuffix("k.bias") })
    }
    // Dropout that is emulated but not applied would give the loss of the same model without it.
    let losses = Dictionary(uniqueKeysWithValues: found.map { ($0.name, $0.loss) })
    #expect(losses["small"] != losses["dropout"])
  }

  private func write(_ form: Form, to folder: String) throws {
    var model = ModelConfiguration()
    (model.embDim, model.qkvDim, model.mlpDim, model.maxLength) = (32, 48, 40, 140)
    form.change(&model)
    let classifier = try Classifier(model, key: RandomKey(seed: 2))
    try stir(classifier.parameters)
    var description = Case(form, model)
    let context = try Context(
      lengths: description.lengths, length: 131, examples: description.examples,
      key: RandomKey(seed: description.seed)["training"][description.step],
      training: form.training)
    let ids = try Tensor.from(description.ids.joined().map(Int64.init), [3, 131])
    let loss =
      try classifier(ids, context)
      .crossEntropySum(.from(description.labels.map(Int64.init), [3])) * (1 / 3.0)
    try loss.backward()
    description.loss = try loss.item()
    let values = classifier.parameters.map { (name: $0.name, tensor: $0.parameter.value) }
    let gradients = try classifier.parameters.map {
      (name: $0.name, tensor: try #require($0.parameter.value.gradient, "\($0.name)"))
    }
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    try encoder.encode(description).write(to: URL(fileURLWithPath: folder + "/case.json"))
    try Safetensors.encoded(values)
      .write(to: URL(fileURLWithPath: folder + "/model.safetensors"))
    try Safetensors.encoded(gradients)
      .write(to: URL(fileURLWithPath: folder + "/gradients.safetensors"))
  }

  /// Moves every value, since biases begin at 0 and norms at 1, where mistakes would not show.
  private func stir(_ parameters: [NamedParameter]) throws {
    try withoutGradient {
      for (index, named) in parameters.enumerated() {
        let value = named.parameter.value
        let noise = (0..<value.count).map { 0.1 * sin(Double($0 * 37 + index * 101)) }
        try value.copy(from: value + .from(noise.map(Float.init), value.shape))
      }
    }
  }
}
