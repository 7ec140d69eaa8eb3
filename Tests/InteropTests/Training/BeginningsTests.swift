import Attention
import Foundation
import Tensors
import Testing
import ToolRunner

@testable import Train

/// One step's examples, for the oracle.
private struct Rows: Encodable {
  var ids: [[Int32]]
  var lengths: [Int32]
  var labels: [Int32]
}

/// What the oracle is told of a training, in its words.
private struct Training: Encodable {
  var numHeads = 2
  var numLayers = 2
  var position = "learned"
  var activation = "gelu"
  var causal = false
  var tiedWeights = false
  var classifierPool: String
  var paddedLength: Int
  var layerNormEps: Double
  var dropoutRate = 0.0
  var attentionDropoutRate = 0.0
  var learningRate: Double
  var warmup: Int
  var clip: Double
  var batches: [Rows]
}

/// What the oracle is told of initial values.
private struct Beginnings: Encodable {
  var deviations: [String: Double]
  /// Inputs of the layer that a bias belongs to.
  var inputs: [String: Int]
}

private func write(_ tensors: [(name: String, tensor: Tensor)], to path: String) throws {
  try Safetensors.encoded(tensors).write(to: URL(fileURLWithPath: path))
}

private func write(_ value: some Encodable, to path: String) throws {
  let encoder = JSONEncoder()
  encoder.keyEncodingStrategy = .convertToSnakeCase
  try encoder.encode(value).write(to: URL(fileURLWithPath: path))
}

private func oracle<Answer: Decodable>(_ command: String, _ folder: String) throws -> Answer {
  let script = Program.package + "/Tests/InteropTests/pytorch_oracle.py"
  let outcome = try Program.python.run([script, command, folder], in: folder)
  try #require(outcome.exit == 0, "\(outcome.error)")
  return try JSONDecoder().decode(Answer.self, from: Data(outcome.output.utf8))
}

extension Network {
  fileprivate var tensors: [(name: String, tensor: Tensor)] {
    parameters.map { (name: $0.name, tensor: $0.parameter.value) }
  }
}

@Suite("where protocol small begins and how it steps, beside PyTorch")
struct BeginningsTests {
  private static func recipe(_ settings: [String]) throws -> Recipe {
    var request = RecipeRequest(task: "listops")
    request.settings = settings
    return try request.resolve()
  }

  private struct Distances: Decodable { let distances: [String: Double] }

  @Test("every initial tensor is distributed as PyTorch's layer of its kind (Kolmogorov-Smirnov)")
  func distributions() throws {
    _ = try Engine.start(threads: 2)
    let recipe = try Self.recipe(["data.max_length=500"])
    let network = try ModelRunner(recipe, device: .cpu).network
    let linear = network.parameters.filter { $0.name.hasSuffix(".weight") && $0.isLinearWeight }
    #expect(linear.count == 14)
    let folder = try TemporaryFolder()
    try write(network.tensors, to: folder.file("model.safetensors"))
    let inputs = linear.map {
      ($0.name.replacing(".weight", with: ".bias"), $0.parameter.value.size(1))
    }
    try write(
      Beginnings(
        deviations: ["embed.token.weight": 0.02, "embed.position.weight": 0.02],
        inputs: Dictionary(uniqueKeysWithValues: inputs)), to: folder.file("case.json"))
    let found: Distances = try oracle("beginnings", folder.path)
    #expect(Set(found.distances.keys) == Set(network.parameters.map(\.name)))
    for (name, distance) in found.distances { #expect(distance < 1, "\(name)") }
    // The test sees a wrong beginning: Xavier's layers are not PyTorch's.
    let other = try Self.recipe(["data.max_length=500", "model.init.linear=xavier"])
    try write(
      ModelRunner(other, device: .cpu).network.tensors, to: folder.file("model.safetensors"))
    let wrong: Distances = try oracle("beginnings", folder.path)
    #expect(wrong.distances.filter { $0.value > 1 }.count >= 24)
  }

  private struct Trained: Decodable {
    let losses: [Double]
    let worst: String
    let difference: Double
    let moved: Double
  }

  @Test("20 steps of AdamW under one cycle, values clipped, leave PyTorch's weights to 1e-5")
  func steps() throws {
    _ = try Engine.start(threads: 2)
    let recipe = try Self.recipe([
      "data.max_length=60", "model.dropout_rate=0", "model.attention_dropout_rate=0",
      "train.num_train_steps=20", "schedule.warmup=6", "optimizer.learning_rate=1e-3",
      "optimizer.grad_clip_value=0.01",
    ])
    let updater = try Updater(ModelRunner(recipe, device: .cpu))
    let network = updater.runner.network
    let folder = try TemporaryFolder()
    try write(network.tensors, to: folder.file("before.safetensors"))
    let batches = (1...20).map { step in
      let lengths = (0..<8).map { Int32(4 + ($0 * 17 + step * 5) % 57) }.sorted()
      let ids = lengths.enumerated().map { row, length in
        (0..<60).map { $0 < length ? Int32(1 + ($0 * 7 + row * 3 + step) % 15) : 0 }
      }
      return Rows(ids: ids, lengths: lengths, labels: (0..<8).map { Int32(($0 + step) % 10) })
    }
    var losses: [Double] = []
    for (index, rows) in batches.enumerated() {
      let batch = Batch(
        number: index + 1, positions: Array(0..<8), tokens: Array(rows.ids.joined()),
        lengths: rows.lengths, labels: rows.labels, length: 60, globalCount: 8)
      losses.append(try updater.update(batch).loss)
    }
    try write(network.tensors, to: folder.file("after.safetensors"))
    let model = recipe.modelConfiguration
    try write(
      Training(
        classifierPool: model.classifierPool.rawValue, paddedLength: model.filledLength,
        layerNormEps: model.layerNormEps, learningRate: 1e-3, warmup: 6, clip: 0.01,
        batches: batches), to: folder.file("case.json"))
    let theirs: Trained = try oracle("training", folder.path)
    #expect(zip(losses, theirs.losses).allSatisfy { abs($0 - $1) < 1e-5 })
    #expect(theirs.difference < 1e-5, "\(theirs.worst)")
    #expect(theirs.moved > 5e-3)
  }
}
