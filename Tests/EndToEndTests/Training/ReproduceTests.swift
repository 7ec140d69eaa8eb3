import Foundation
import Testing
import ToolRunner

@Suite("lra-train reproduce", .serialized)
struct ReproduceTests {
  /// A table of two models on a tiny dataset: seconds.
  private static let form = """
    reproduction: tiny
    title: "a tiny table"
    source: "nobody"
    certainty: memory
    protocol: small
    seeds: 2
    settings: [train.num_train_steps=6, train.batch_size=8, model.num_layers=1, eval.eval_frequency=3]
    differs: ["everything"]
    tasks:
      listops: {dataset: listops-64, test_examples: 2000, steps: 5000}
      text: {test_examples: 25000}
    values:
      transformer: {listops: 37.1, text: 65.0}
      fnet: {listops: 99}
    """

  private func folder() throws -> TemporaryFolder {
    let folder = try listOpsFolder(train: 100, validation: 20, test: 40)
    try Self.form.write(toFile: folder.file("tiny.yaml"), atomically: true, encoding: .utf8)
    return folder
  }

  private func rows(_ outcome: Outcome) throws -> [[String: Any]] {
    let json = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
    #expect(json?["schema"] as? Int == 1 && json?["command"] as? String == "reproduce")
    return try #require(json?["rows"] as? [[String: Any]], "\(outcome.output)\(outcome.error)")
  }

  @Test("a table is rerun, compared, and not run again; the report shows it")
  func table() throws {
    let folder = try folder()
    let command = ["reproduce", "tiny.yaml", "--threads", "2"]
    let dry = try Program.lraTrain.run(command + ["--dry-run", "--json"], in: folder.path)
    #expect(dry.exit == 0, "\(dry.error)")
    #expect(
      try rows(dry).map { $0["verdict"] as? String } == [
        "not run: 2 of 2 runs unfinished", "not run: 2 of 2 runs unfinished",
        "not run: no dataset text in data.sqlite",
      ])
    #expect(!FileManager.default.fileExists(atPath: folder.file("runs")))

    let first = try Program.lraTrain.run(command + ["--json"], in: folder.path)
    #expect(first.exit == 0, "\(first.output)\(first.error)")
    #expect(
      first.error.hasPrefix("a tiny table · recipe small · seeds 0...1 · 4 runs, 2 at a time\n"),
      "\(first.error)")
    let all = try rows(first)
    for (row, model) in zip(all, ["transformer", "fnet", "transformer"]) {
      #expect(row["model"] as? String == model)
      #expect(
        Set(row.keys) == [
          "task", "model", "dataset", "published", "source", "certainty", "ours", "difference",
          "agrees", "verdict", "steps", "test_examples", "baselines", "settings", "runs",
        ])
    }
    let ours = try #require(all[0]["ours"] as? [String: Any])
    #expect(Set(ours.keys) == ["mean", "deviation", "ci95", "seeds"])
    #expect(ours["seeds"] as? Int == 2 && all[0]["published"] as? Double == 0.371)
    let runs = try #require(all[0]["runs"] as? [[String: Any]])
    let tests = runs.compactMap { $0["test"] as? Double }
    #expect(tests.count == 2)
    #expect(abs(tests.reduce(0, +) / 2 - (ours["mean"] as? Double ?? 0)) < 1e-12)
    #expect(all[1]["agrees"] as? Bool == false)
    #expect((all[1]["verdict"] as? String)?.hasPrefix("differs by -") == true)
    for note in [
      "; 6 of 5 000 steps; 40 of 2 000 test examples; dataset listops-64; ",
      "the published value is from memory, unverified",
    ] {
      #expect((all[0]["verdict"] as? String)?.contains(note) == true, "\(all[0]["verdict"] ?? "")")
    }
    #expect(all[2]["ours"] is NSNull && all[2]["agrees"] is NSNull)

    let log = folder.file("\(try #require(runs[0]["run"] as? String))/log.txt")
    let before = try String(contentsOfFile: log, encoding: .utf8)
    let again = try Program.lraTrain.run(command + ["--json"], in: folder.path)
    #expect(again.output == first.output)
    #expect(again.error.contains("4 of 4 done before, 0 begun\n"), "\(again.error)")
    #expect(try String(contentsOfFile: log, encoding: .utf8) == before)

    // A run of another recipe is not one of the table.
    let other = try Program.lraTrain.run(
      command + ["--set", "train.batch_size=4", "--dry-run", "--json"], in: folder.path)
    #expect(
      try rows(other)[0]["verdict"] as? String == "not run: 2 of 2 runs unfinished",
      "\(other.output)")
    try report(folder, verdict: try #require(all[0]["verdict"] as? String))
  }

  private func report(_ folder: TemporaryFolder, verdict: String) throws {
    let made = try Program.lraTrain.run(["report", "--reproduction", "tiny.yaml"], in: folder.path)
    #expect(made.exit == 0, "\(made.error)")
    let checker = Program.package + "/Tests/EndToEndTests/check_page.py"
    let checked = try Program.python.run([checker, "report/index.html"], in: folder.path)
    #expect(checked.exit == 0, "\(checked.output)\(checked.error)")
    let page = try String(contentsOfFile: folder.file("report/index.html"), encoding: .utf8)
    #expect(page.contains("<h3>a tiny table</h3>") && page.contains("everywhere: everything"))
    #expect(page.contains("<td class=\"verdict\">\(verdict)</td>"), "\(verdict)")
    let plain = try Program.lraTrain.run(["report"], in: folder.path)
    #expect(plain.exit == 0)
    let without = try String(contentsOfFile: folder.file("report/index.html"), encoding: .utf8)
    #expect(without.contains("<p>No run has the recipe and the dataset of a published table"))
  }

  @Test("the text is a table of at most 100 columns with source, meaning and known differences")
  func text() throws {
    let folder = try folder()
    let outcome = try Program.lraTrain.run(
      ["reproduce", "tiny.yaml", "--only", "listops", "--models", "fnet", "--seeds", "1"],
      in: folder.path)
    #expect(outcome.exit == 0, "\(outcome.error)")
    let lines = outcome.output.split(separator: "\n").map { String($0) }
    #expect(lines.allSatisfy { $0.count <= 100 }, "\(outcome.output)")
    #expect(
      lines[0].hasPrefix(
        "listops · listops-64 · 40 test examples, published 2 000 · 6 steps · majority class "),
      "\(outcome.output)")
    #expect(
      lines.contains { $0.wholeMatch(of: #/  model +published +ours +95 % +verdict/#) != nil })
    #expect(
      lines.contains { $0.prefixMatch(of: #/  fnet +99\.00\? .*differs by -/#) != nil },
      "\(outcome.output)")
    #expect(lines.contains("published: nobody"))
    #expect(lines.contains("everywhere: everything"))
    #expect(outcome.error.hasSuffix("Next: lra-train report --db data.sqlite\n"))
  }

  @Test("without a name the tables are listed")
  func list() throws {
    let folder = try TemporaryFolder()
    let outcome = try Program.lraTrain.run(["reproduce"], in: folder.path)
    #expect(outcome.exit == 0 && outcome.output.hasPrefix("name "), "\(outcome.error)")
    for name in ["lra ", "lra-efficiency ", "nystromformer ", "skyformer "] {
      #expect(outcome.output.contains("\n\(name)"))
    }
    let json = try Program.lraTrain.run(["reproduce", "--json", "--quiet"], in: folder.path)
    #expect(json.output.contains("\"name\":\"nystromformer\"") && json.error == "")
  }

  @Test("a table of costs is compared as ratios, without a verdict of agreement")
  func costs() throws {
    let folder = try TemporaryFolder()
    let code = """
      import json
      cases = [dict(model=m, length=1000, steps_per_s=dict(median=v, min=v, max=v),
          peak_bytes=int(b), loss=0.7) for m, v, b in [("transformer", 2, 1e9), ("performer", 5, 5e8)]]
      json.dump(dict(schema=1, command="bench", machine="here", batch=4, precision="float32",
          cases=cases), open("bench.json", "w"))
      """
    let made = try Program.python.run(["-c", code], in: folder.path)
    try #require(made.exit == 0, "\(made.error)")
    let command = ["reproduce", "lra-efficiency", "--bench", "bench.json"]
    let json = try Program.lraTrain.run(command + ["--json"], in: folder.path)
    #expect(json.exit == 0, "\(json.output)\(json.error)")
    let all = try rows(json)
    #expect(all.count == 36)
    let row = try #require(
      all.first { $0["model"] as? String == "performer" && $0["length"] as? Int == 1000 })
    let ours = try #require(row["ours"] as? [String: Any])
    #expect(ours["speed_ratio"] as? Double == 2.5 && ours["memory_ratio"] as? Double == 0.5)
    #expect(row["verdict"] as? String == "not compared: other hardware, batch and precision")
    #expect(all.count { $0["verdict"] as? String == "not measured" } == 34)
    let text = try Program.lraTrain.run(command, in: folder.path)
    #expect(
      text.output.contains(#/\nperformer +1 000 +×1.17 +×2.50 +×0.44 +×0.50 +5.00\n/#),
      "\(text.output)")
    #expect(text.output.split(separator: "\n").allSatisfy { $0.count <= 100 })
  }

  @Test("what cannot be run is a usage error before anything is trained")
  func usage() throws {
    let folder = try folder()
    let wrong: [([String], String)] = [
      (["skyfromer"], "error: skyfromer is neither a YAML file nor one of lra, lra-efficiency"),
      (["nystromformer"], "error: nothing of nystromformer can be run: data.sqlite holds none of"),
      (["lra-efficiency"], "error: lra-efficiency is a table of costs"),
      (["lra", "--bench", "tiny.yaml"], "error: --bench is for tables of costs"),
      (["lra", "--only", "listop"], "error: --only listop: lra has listops, text,"),
      (["lra", "--models", "transfomer"], "error: --models transfomer: lra has transformer,"),
      (["lra", "--jobs", "0"], "error: --jobs is 0, 1...256 allowed"),
      (["lra", "--dataset", "listops-65"], "error: data.sqlite holds no dataset listops-65;"),
      (["lra", "--set", "train.batch_sise=1"], "error: recipe key train.batch_sise is unknown"),
      (["none.yaml"], "error: cannot read none.yaml: no such file or directory"),
    ]
    for (arguments, message) in wrong {
      let outcome = try Program.lraTrain.run(["reproduce"] + arguments, in: folder.path)
      #expect(outcome.exit == (arguments[0] == "none.yaml" ? 1 : 64))
      #expect(outcome.error.hasPrefix(message), "\(outcome.error)")
    }
    #expect(!FileManager.default.fileExists(atPath: folder.file("runs")))
  }
}
