import Foundation
import Testing
import ToolRunner

@Suite("lra-train span")
struct SpanTests {
  private struct Report: Decodable {
    struct Layer: Decodable { let heads: [Double] }
    let command: String
    let examples: Int
    let layers: [Layer]
    let mean: Double
    let uniform: Double
  }

  @Test("a run's span is printed per layer and head and kept in its folder; Local has none")
  func span() throws {
    let folder = try listOpsFolder(train: 60, validation: 50, test: 10, maxArgs: 5)
    for model in ["transformer", "local"] {
      let trained = try Program.lraTrain.run(
        [
          "--model", model, "--recipe", "demo", "--quiet", "--set", "train.num_train_steps=2",
          "--set", "eval.eval_frequency=2",
        ], in: folder.path)
      #expect(trained.exit <= 1, "\(trained.error)")
    }
    let runs = try FileManager.default.contentsOfDirectory(atPath: folder.file("runs")).sorted()
    try #require(runs.count == 2 && runs[1].hasPrefix("listops-transformer"))
    let run = "runs/\(runs[1])"
    let json = try Program.lraTrain.run(
      ["span", run, "--examples", "20", "--json"], in: folder.path)
    let report = try JSONDecoder().decode(Report.self, from: Data(json.output.utf8))
    #expect(report.command == "span" && report.examples == 20)
    #expect(report.layers.map(\.heads.count) == [2, 2, 2, 2])
    let heads = report.layers.flatMap(\.heads)
    #expect(abs(report.mean - heads.reduce(0, +) / 8) < 1e-9)
    #expect(report.uniform > 5 && report.uniform < 22 && report.mean > 0)
    let text = try Program.lraTrain.run(["span", run, "--examples", "20"], in: folder.path)
    let form = #/layer +mean +heads\n(?:[0-3] +[0-9.]+(?: +[0-9.]+){2}\n){4}span [0-9.]+ tokens   /#
    #expect(text.exit == 0 && text.output.prefixMatch(of: form) != nil, "\(text.output)")
    #expect(text.output.hasSuffix("   20 sequences of validation, step 2\n"))
    let kept = try Data(contentsOf: URL(fileURLWithPath: folder.file("\(run)/span.json")))
    #expect(kept.starts(with: Data(#"{"examples":20,"layers":[{"heads":["#.utf8)))
    let refused = try Program.lraTrain.run(["span", "runs/\(runs[0])"], in: folder.path)
    #expect(refused.exit == 64)
    #expect(
      refused.error == """
        error: the attention span of local is not measured: it does not weigh all pairs of tokens
        name a run of the transformer, as the paper measured

        """)
  }
}
