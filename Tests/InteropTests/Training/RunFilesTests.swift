import Foundation
import Testing
import ToolRunner

@Suite("files of a run read by Python")
struct RunFilesTests {
  private func script(_ name: String, _ arguments: [String], in folder: TemporaryFolder) throws
    -> Outcome
  {
    let path = Program.package + "/Tests/InteropTests/" + name
    return try Program.python.run([path] + arguments, in: folder.path)
  }

  /// A run of 20 steps and its folder.
  private func trained() throws -> (TemporaryFolder, run: String) {
    let folder = try TemporaryFolder()
    let made = try folder.data(
      "gen", "listops", "--len", "64", "--train", "300", "--validation", "30", "--test", "40",
      "--quiet")
    try #require(made.exit == 0, "\(made.error)")
    let outcome = try Program.lraTrain.run(
      [
        "--quiet", "--set", "train.num_train_steps=20", "--set", "eval.eval_frequency=10",
        "--set", "model.classifier_pool=CLS", "--set", "optimizer.learning_rate=0.01",
        "--set", "schedule.factors=constant",
      ], in: folder.path)
    try #require(outcome.exit <= 1, "\(outcome.error)")
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.file("runs"))
    return (folder, "runs/" + (try #require(names.first)))
  }

  @Test("PyTorch gives the logits of predict from a run's checkpoint and recipe, to 1e-5")
  func logits() throws {
    let (folder, run) = try trained()
    let predicted = try Program.lraTrain.run(
      ["predict", run, "--checkpoint", "last", "--out", "logits.npy"], in: folder.path)
    #expect(predicted.exit == 0, "\(predicted.error)")
    let shown = try folder.data(
      "show", "listops-64", "0", "--split", "test", "--count", "40", "--json")
    try shown.output.write(
      toFile: folder.file("examples.json"), atomically: true, encoding: .utf8)
    let outcome = try script(
      "pytorch_oracle.py", ["logits", run, "step-00000020", "examples.json", "logits.npy"],
      in: folder)
    try #require(outcome.exit == 0, "\(outcome.error)")
    let found = try JSONDecoder().decode([String: Double].self, from: Data(outcome.output.utf8))
    print("logits of a run: largest difference \(found["plain"] ?? .nan)")
    #expect(found["examples"] == 40)
    #expect(try #require(found["plain"]) < 1e-5)
    #expect(try #require(found["largest"]) > 0.1)
  }

  private struct Scalar: Decodable, Hashable {
    let step: Int
    let tag: String
    let value: Float
  }

  private struct Line: Decodable {
    let step: Int
    let split: String
    let loss: Double
    let accuracy: Double
    let learningRate: Double?
  }

  @Test("the event file holds the numbers of metrics.jsonl, read by independent code")
  func events() throws {
    let (folder, run) = try trained()
    let outcome = try script("read_events.py", [run + "/events.out.tfevents.0.lra"], in: folder)
    try #require(outcome.exit == 0, "\(outcome.error)")
    let found = try outcome.output.split(separator: "\n").map {
      try JSONDecoder().decode(Scalar.self, from: Data($0.utf8))
    }
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let metrics = try String(
      contentsOfFile: folder.file(run + "/metrics.jsonl"), encoding: .utf8)
    let expected = try metrics.split(separator: "\n").flatMap { text in
      let line = try decoder.decode(Line.self, from: Data(text.utf8))
      let numbers = [
        ("loss", line.loss as Double?), ("accuracy", line.accuracy),
        ("learning_rate", line.learningRate),
      ]
      return numbers.compactMap { name, value in
        value.map { Scalar(step: line.step, tag: "\(line.split)/\(name)", value: Float($0)) }
      }
    }
    #expect(found == expected)
    #expect(found.count > 20 * 3)
  }
}
