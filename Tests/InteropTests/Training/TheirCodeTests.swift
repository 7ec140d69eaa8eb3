import Attention
import Foundation
import Tensors
import Testing
import ToolRunner

@testable import Train

/// A task and a model of mlpen/Nystromformer's LRA code beside ours.
private struct Pairing: Sendable, CustomTestStringConvertible {
  let task: String
  let model: String
  let theirTask: String
  let theirModel: String
  /// Tensors of a block whose names are not those of the projections.
  var names: [String: String] = [:]
  var testDescription: String { "\(task) \(model)" }

  static let all: [Pairing] = ["image", "listops", "retrieval"].flatMap(pairings)

  private static func pairings(of task: String) -> [Pairing] {
    func pairing(_ model: String, _ theirs: String, _ names: [String: String] = [:]) -> Pairing {
      Pairing(task: task, model: model, theirTask: task, theirModel: theirs, names: names)
    }
    return [
      pairing("transformer", "softmax"), pairing("linear", "linear"),
      pairing("linformer", "linformer-256", ["attn.linformer.projection": "mha.attn.E"]),
      pairing("nystromformer", "nystrom-128", ["attn.nystromformer.conv": "mha.attn.conv.weight"]),
    ]
  }
}

/// What the script is told.
private struct Case: Encodable {
  var name: String
  var theirTask: String
  var theirModel: String
  var names: [String: String]
  var paddedLength: Int
  var ids: [[Int]]
  var ids1: [[Int]]?
  var labels: [Int]
  var loss = 0.0
  /// The least gradient that differences are related to.
  var floor = 1e-6

  enum CodingKeys: String, CodingKey {
    case name, names, ids, labels, loss, floor
    case theirTask = "their_task"
    case theirModel = "their_model"
    case paddedLength = "padded_length"
    case ids1 = "ids_1"
  }
}

private struct Answer: Decodable {
  let name: String
  let loss: Double
  let ours: Double
  let worst: Double
  let `where`: String
  let tensors: Int
  let missing: [String]
}

private let checkout = ProcessInfo.processInfo.environment["NYSTROMFORMER"]

@Suite(
  "protocol small beside the code it follows",
  .enabled(if: checkout != nil, "set NYSTROMFORMER to a clone of mlpen/Nystromformer"))
struct TheirCodeTests {
  @Test("loss and every gradient are theirs to 1e-5, from the same weights on the same batch")
  func gradients() throws {
    _ = try Engine.start(threads: 2)
    let folder = try TemporaryFolder()
    for pairing in Pairing.all {
      try write(pairing, to: folder.file(pairing.testDescription))
    }
    let script = Program.package + "/Tests/InteropTests/their_code.py"
    let outcome = try Program.python.run(
      [script, checkout ?? ""] + Pairing.all.map { folder.file($0.testDescription) },
      in: folder.path)
    try #require(outcome.exit == 0, "\(outcome.error)")
    let found = try outcome.output.split(separator: "\n").map {
      try JSONDecoder().decode(Answer.self, from: Data($0.utf8))
    }
    #expect(found.map(\.name) == Pairing.all.map(\.testDescription))
    for one in found {
      print("\(one.name): loss \(abs(one.loss - one.ours)), gradients \(one.worst) at \(one.where)")
      #expect(abs(one.loss - one.ours) < 1e-5, "\(one.name)")
      // Six products of matrices in float32 stand between a gradient and its loss there.
      let bound = one.name.hasSuffix("nystromformer") ? 1e-3 : 1e-5
      #expect(one.worst < bound, "\(one.name): \(one.where)")
      #expect(one.missing == [], "\(one.name)")
    }
  }

  private func write(_ pairing: Pairing, to folder: String) throws {
    var request = RecipeRequest(task: pairing.task)
    request.model = pairing.model
    request.settings = [
      "data.max_length=250", "model.dropout_rate=0", "model.attention_dropout_rate=0",
    ]
    let recipe = try request.resolve()
    let runner = try ModelRunner(recipe, device: .cpu)
    let parameters = runner.network.parameters
    try stir(parameters)
    let lengths = [250, 131, 40, 9]
    let isImage = recipe.data.blackIsPadding
    func rows(_ shift: Int) -> [[Int]] {
      lengths.map { length in
        // Images are full and have black pixels, id 0, anywhere; sequences end.
        (0..<(isImage ? 250 : length)).map {
          isImage
            ? max(0, ($0 * 37 + length * 11 + shift) % 300 - 60)
            : 1 + ($0 * 7 + shift + length * $0 % 5) % 15
        }
      }
    }
    var description = Case(
      name: pairing.testDescription, theirTask: pairing.theirTask, theirModel: pairing.theirModel,
      names: pairing.names, paddedLength: recipe.modelConfiguration.filledLength, ids: rows(0),
      ids1: pairing.task == "retrieval" ? rows(3) : nil, labels: [1, 0, 1, 1])
    let all = description.ids + (description.ids1 ?? [])
    let longest = all.map(\.count).max() ?? 0
    // A batch holds stored symbols plus 1; with black as padding the model takes 1 off again.
    let tokens = all.flatMap { row in
      row.map { Int32(isImage ? $0 + 1 : $0) } + [Int32](repeating: 0, count: longest - row.count)
    }
    let batch = Batch(
      number: 1, positions: [0, 1, 2, 3], towers: all.count / 4, tokens: tokens,
      lengths: all.map { Int32($0.count) }, labels: description.labels.map(Int32.init),
      length: longest, globalCount: 4)
    let found = try runner.measured(batch, examples: 0..<4, step: 1, training: true)
    let loss = try found.loss * 0.25
    try loss.backward()
    description.loss = try loss.item()
    let trained = parameters.filter { $0.parameter.role != .buffer }
    let gradients = try trained.map {
      (name: $0.name, tensor: try #require($0.parameter.value.gradient, "\($0.name)"))
    }
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
    try JSONEncoder().encode(description).write(to: URL(fileURLWithPath: folder + "/case.json"))
    try Safetensors.encoded(trained.map { (name: $0.name, tensor: $0.parameter.value) })
      .write(to: URL(fileURLWithPath: folder + "/model.safetensors"))
    try Safetensors.encoded(gradients)
      .write(to: URL(fileURLWithPath: folder + "/gradients.safetensors"))
  }

  /// Moves every value, since norms begin at 1 and their offsets at 0, where mistakes would not show.
  private func stir(_ parameters: [NamedParameter]) throws {
    try withoutGradient {
      for (index, named) in parameters.enumerated() where named.parameter.role != .buffer {
        let value = named.parameter.value
        let noise = (0..<value.count).map { 0.1 * sin(Double($0 * 37 + index * 101)) }
        try value.copy(from: value + .from(noise.map(Float.init), value.shape))
      }
    }
  }
}
