import Attention
import Foundation
import Tensors
import Testing
import ToolRunner
import Train

/// A line that `rebuild.py` prints.
private struct Rebuilt: Decodable {
  let run: String
  let ties: Int
  let examples: Int
  let difference: Double
  let largest: Double
  let unused: [String]
  let withoutEffect: [String]
  let leastEffect: Double
}

@Suite("models built again in NumPy")
struct RebuildTests {
  /// Whether Python can read tensors here; ./setup installs what it needs.
  static let hasNumPy =
    (try? Program.python.run(["-c", "import numpy"], in: "/").exit) == 0

  @Test("every model of the registries is among the cases")
  func cases() throws {
    let covered = try Set(ModelCase.all().map(\.model))
    #expect(covered == Set(mechanisms.map(\.name)))
  }

  @Test(
    "logits of every trained model are NumPy's to 1e-5, and every tensor has a part in them",
    .enabled(if: hasNumPy, "Python has no numpy: run ./setup"))
  func logits() throws {
    let folder = try TemporaryFolder()
    try generate(in: folder)
    _ = try Engine.start(threads: 2)
    let cases = try ModelCase.all()
    var list = ""
    for one in cases {
      let recipe = try one.recipe(adding: ["train.num_train_steps=3"])
      let data = try RunData(recipe, database: folder.file("data.sqlite"))
      let run = try RunFolder.make(for: recipe, under: folder.file(one.name)).folder
      _ = try Trainer(recipe, in: run, data: data, device: .cpu).run()
      let logits = folder.file(one.name + ".npy")
      _ = try Run(run.path).predict(
        checkpoint: "best", split: "test", to: logits, database: data.database, device: .cpu)
      list += "\(run.path) \(logits) \(data.database)\n"
    }
    try list.write(toFile: folder.file("runs.txt"), atomically: true, encoding: .utf8)
    let outcome = try Program.python.run(
      [
        ModelCase.folder + "/rebuild.py", "--list", folder.file("runs.txt"), "--faults", "1",
        "--processes", "2",
      ], in: folder.path)
    try #require(outcome.exit == 0, "\(outcome.error)")
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let found = try outcome.output.split(separator: "\n").map {
      try decoder.decode(Rebuilt.self, from: Data($0.utf8))
    }
    #expect(found.count == cases.count)
    for (one, rebuilt) in zip(cases, found) {
      #expect(rebuilt.run.contains("/\(one.name)/"))
      #expect(rebuilt.difference < 1e-5, "\(one)")
      #expect(rebuilt.largest > 0.05, "\(one): logits of almost nothing show nothing")
      #expect(rebuilt.ties <= 1 + rebuilt.examples / 10, "\(one)")
      #expect(rebuilt.unused == [], "\(one)")
      #expect(rebuilt.leastEffect > 5e-5, "\(one)")
      // A constant added to all keys moves no probability.
      #expect(rebuilt.withoutEffect.allSatisfy { $0.hasSuffix("k.bias") }, "\(one)")
    }
  }

  private func generate(in folder: TemporaryFolder) throws {
    let made = try folder.data(
      "gen", "listops", "--min-length", "30", "--max-length", "61", "--max-depth", "4",
      "--max-args", "6", "--train", "40", "--validation", "6", "--test", "12", "--quiet")
    try #require(made.exit == 0, "\(made.error)")
    try RetrievalFiles.write(to: folder.path, pairs: 40)
    let converted = try Program.lraData.run(RetrievalFiles.convert + ["--quiet"], in: folder.path)
    try #require(converted.exit == 0, "\(converted.error)")
  }
}
