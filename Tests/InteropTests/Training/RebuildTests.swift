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
    let shares = try (1...2).map { share in
      try Program.python.start(
        [
          ModelCase.folder + "/rebuild.py", "--list", folder.file("runs.txt"), "--faults", "1",
          "--share", "\(share)/2",
        ], in: folder.path)
    }
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    var found: [Rebuilt] = []
    for share in shares {
      let outcome = try share.wait()
      try #require(outcome.exit == 0, "\(outcome.error)")
      found += try outcome.output.split(separator: "\n").map {
        try decoder.decode(Rebuilt.self, from: Data($0.utf8))
      }
    }
    #expect(found.count == cases.count)
    for one in cases {
      let rebuilt = try #require(found.first { $0.run.contains("/\(one.name)/") })
      // Twelve iterations invert matrices of condition 1e3: in float32 that alone makes 5e-5.
      let tolerance = one.name == "nystromformer-plain" ? 2e-4 : 1e-5
      #expect(rebuilt.difference < tolerance, "\(one)")
      #expect(rebuilt.leastEffect > 4 * 1e-5, "\(one)")
      #expect(rebuilt.largest > 0.05, "\(one): logits of almost nothing show nothing")
      #expect(rebuilt.ties <= 1 + rebuilt.examples / 10, "\(one)")
      #expect(rebuilt.unused.allSatisfy { isUnused($0, in: one) }, "\(one): \(rebuilt.unused)")
      let silent = rebuilt.withoutEffect.filter { !hasNoEffect($0, in: one) }
      #expect(silent == [], "\(one)")
    }
  }

  /// Whether a tensor is in a checkpoint though the model does not read it.
  private func isUnused(_ name: String, in one: ModelCase) -> Bool {
    // As in LRA's code, which has the projections of global tokens, but no global tokens.
    one.settings.contains("model.mixer.global_tokens=0") && name.contains("_global.")
  }

  /// Whether a tensor is read, but no value of it can change a result.
  private func hasNoEffect(_ name: String, in one: ModelCase) -> Bool {
    // A constant added to all logits of a query moves no probability.
    if name.hasSuffix(".k.bias") || name.hasSuffix("k_global.bias") { return true }
    if name.hasSuffix(".k.u.bias") { return true }
    // The decoder attends to one vector.
    if one.model == "set_transformer" { return name.hasPrefix("decoder.") && name.contains(".k.") }
    // Its 128 packed vectors are alike (2.5 ± 0.0004), so that it hardly matters which one is read.
    if one.name == "looped-luna" { return name.contains(".attn.q.") || name.contains(".attn.k.") }
    // Nobody reads the memory that the last block leaves.
    return one.model == "luna" && name.contains("blocks.1.attn.luna.norm.")
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
