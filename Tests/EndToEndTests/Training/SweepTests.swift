import Foundation
import Testing
import ToolRunner

@Suite("lra-train sweep and report", .serialized)
struct SweepTests {
  private func tiny() throws -> TemporaryFolder {
    try listOpsFolder(train: 100, validation: 20, test: 40)
  }

  private func sweep(_ steps: Int, _ more: [String]) -> [String] {
    [
      "sweep", "--set", "train.num_train_steps=\(steps)", "--set", "eval.eval_frequency=4",
      "--set", "train.batch_size=8", "--set", "model.num_layers=1", "--threads", "2",
    ] + more
  }

  private func runs(_ outcome: Outcome) throws -> [[String: Any]] {
    let json = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
    return try #require(json?["runs"] as? [[String: Any]], "\(outcome.output)\(outcome.error)")
  }

  @Test("every model gets the same trials, one is selected, and nothing is done twice")
  func grid() throws {
    let folder = try tiny()
    let command = sweep(
      6,
      [
        "--models", "transformer,fnet", "--jobs", "2", "--grid",
        "optimizer.learning_rate=1e-3,1e-2", "--json",
      ])
    let first = try Program.lraTrain.run(command, in: folder.path)
    #expect(first.exit == 0, "\(first.output)\(first.error)")
    let all = try runs(first)
    #expect(all.count == 4)
    #expect(
      Set(all.flatMap(\.keys)) == [
        "task", "model", "seed", "state", "validation", "test", "settings", "selected", "run",
      ])
    for model in ["transformer", "fnet"] {
      let own = all.filter { $0["model"] as? String == model }
      #expect(own.count == 2)
      let best = own.compactMap { $0["validation"] as? Double }.max()
      let selected = own.filter { $0["selected"] as? Bool == true }
      #expect(selected.count == 1 && selected.first?["validation"] as? Double == best)
    }
    #expect(
      first.error.hasPrefix(
        "1 task · 2 models · 2 trials per model and task · 4 runs, 2 at a time"),
      "\(first.error)")
    #expect(
      first.error.contains(
        "left out, without a dataset in data.sqlite: text, retrieval, image, pathfinder, pathx"))
    let again = try Program.lraTrain.run(command, in: folder.path)
    #expect(again.output == first.output)
    #expect(again.error.contains("4 of 4 done before, 0 begun\n"))
    let rows = try Program.python(
      "import sqlite3; print(sqlite3.connect('data.sqlite').execute(\"SELECT count(*) FROM run "
        + "WHERE state IN ('finished', 'plateau')\").fetchone()[0])", in: folder.path)
    #expect(rows.output == "4\n")
  }

  @Test("a run that diverged and one that failed are recorded and not repeated; others go on")
  func failures() throws {
    let folder = try tiny()
    let diverging = sweep(
      6, ["--models", "transformer", "--set", "optimizer.learning_rate=1e30", "--json"])
    let first = try Program.lraTrain.run(diverging, in: folder.path)
    let run = try #require(try runs(first).first)
    #expect(run["state"] as? String == "diverged", "\(first.output)")
    #expect(run["test"] is NSNull && run["validation"] is NSNull)
    #expect(first.exit == 0)
    let log = folder.file("\(try #require(run["run"] as? String))/log.txt")
    let before = try String(contentsOfFile: log, encoding: .utf8)
    let again = try Program.lraTrain.run(diverging, in: folder.path)
    #expect(again.output == first.output)
    #expect(try String(contentsOfFile: log, encoding: .utf8) == before)
  }

  @Test("a signal stops the runs at a safe point, and the same command goes on")
  func interrupted() throws {
    let folder = try tiny()
    let command = sweep(
      4000, ["--models", "transformer,fnet", "--jobs", "2", "--set", "eval.eval_frequency=4000"])
    let going = try Program.lraTrain.start(command, in: folder.path)
    let begun = {
      let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.file("runs"))) ?? []
      return names.count { name in
        let log = try? String(
          contentsOfFile: folder.file("runs/\(name)/metrics.jsonl"), encoding: .utf8)
        return log?.contains("\"step\": 3,") == true
      } == 2
    }
    going.wait(until: begun)
    going.send(SIGINT)
    let outcome = try going.wait()
    #expect(outcome.exit == 130, "\(outcome.error)")
    #expect(
      outcome.error.contains(
        "\ninterrupted: 0 of 2 runs are done, the others are safe in their folders\n"),
      "\(outcome.error)")
    #expect(
      outcome.error.contains("\nResume with the same command: lra-train sweep"), "\(outcome.error)")
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.file("runs"))
    #expect(names.count == 2)
    for name in names {
      let checkpoints = try FileManager.default.contentsOfDirectory(
        atPath: folder.file("runs/\(name)/checkpoints"))
      #expect(checkpoints.count == 1, "\(name) \(checkpoints)")
    }
    let dry = try Program.lraTrain.run(command + ["--dry-run", "--json"], in: folder.path)
    #expect(try runs(dry).allSatisfy { $0["state"] as? String == "interrupted" })
  }

  @Test("wrong tasks, grids and selections are usage errors before anything is trained")
  func usage() throws {
    let folder = try tiny()
    let wrong: [([String], String)] = [
      (["--tasks", "text"], "error: data.sqlite holds no dataset of task text;"),
      (["--grid", "optimizer.learning_rate"], "error: --grid wants key=value,value"),
      (["--select", "test"], "error: --select test: models are selected by validation accuracy"),
      (["--models", "transfomer"], "error: model transfomer is unknown"),
      (["--grid", "train.batch_sise=1,2"], "error: recipe key train.batch_sise is unknown"),
      (["--dataset", "listops-65"], "error: data.sqlite holds no dataset listops-65;"),
      (
        ["--dataset", "listops-64", "--tasks", "listops,text"],
        "error: --dataset is of one task, but several are named"
      ),
      (["--seeds", "0"], "error: --seeds is 0; 1...1000 allowed"),
      (["--models", "fnet,fnet"], "error: a task or a model is named twice"),
    ]
    for (arguments, message) in wrong {
      let outcome = try Program.lraTrain.run(["sweep"] + arguments, in: folder.path)
      #expect(outcome.exit == 64)
      #expect(outcome.error.hasPrefix(message), "\(outcome.error)")
    }
    #expect(!FileManager.default.fileExists(atPath: folder.file("runs")))
  }

  @Test("the report is one valid page with every run, and asks nothing from elsewhere")
  func report() throws {
    let folder = try tiny()
    let empty = try Program.lraTrain.run(["report", "--json"], in: folder.path)
    #expect(empty.exit == 0 && empty.output.contains("\"runs\":0"), "\(empty.output)")
    let trained = try Program.lraTrain.run(
      sweep(6, ["--models", "transformer,fnet", "--seeds", "2", "--quiet"]), in: folder.path)
    try #require(trained.exit == 0, "\(trained.error)")
    let code = """
      import json, numpy, pathlib, subprocess, sys
      numpy.save("logits.npy", numpy.zeros((40, 10), numpy.float32))
      run = next(pathlib.Path("runs").iterdir())
      (run / "span.json").write_text(json.dumps(dict(schema=1, split="validation", step=6,
          examples=20, layers=[dict(heads=[3.5, 4.25])], mean=3.875, uniform=9.5)))
      spread = dict(median=2.5, min=2.0, max=3.0)
      cases = [dict(model=m, length=l, steps_per_s=dict(median=v / l, min=v / l, max=v / l),
          peak_bytes=l * 1000, loss=0.7) for m, v in [("transformer", 1e3), ("fnet", 2e3)]
          for l in (1000, 2000)]
      pathlib.Path("bench.json").write_text(json.dumps(dict(schema=1, command="bench",
          machine="a <machine>", batch=4, precision="float32", cases=cases, exponents={})))
      """
    let added = try Program.python.run(["-c", code], in: folder.path)
    try #require(added.exit == 0, "\(added.error)")
    let scored = try Program.lraTrain.run(
      ["score", "--predictions", "logits.npy", "--name", "<script>alert(1)</script>"],
      in: folder.path)
    try #require(scored.exit == 0, "\(scored.error)")
    let made = try Program.lraTrain.run(
      ["report", "--bench", "bench.json", "--json"], in: folder.path)
    #expect(made.exit == 0, "\(made.output)")
    #expect(made.output.contains("\"out\":\"report/index.html\",\"runs\":5"), "\(made.output)")
    let checker = Program.package + "/Tests/EndToEndTests/check_page.py"
    let checked = try Program.python.run([checker, "report/index.html"], in: folder.path)
    #expect(checked.exit == 0, "\(checked.output)\(checked.error)")
    let page = try String(contentsOfFile: folder.file("report/index.html"), encoding: .utf8)
    for words in [
      "<th scope=\"row\">transformer<br>", "&lt;script&gt;alert(1)", "majority class",
      "a &lt;machine&gt;", "uniform 9.50", "lra-train --db data.sqlite --task listops",
      "ListOps", "Required attention span", "validation accuracy", "×2.00", "train/0",
    ] {
      #expect(page.contains(words), "\(words)")
    }
    #expect(!page.contains("<script"))
    // Every command shown gives the recipe whose digest stands beside it.
    let commands = page.matches(of: #/<pre class="command">lra-train (.*?)</pre>/#)
      .map { String($0.1) }.filter { $0.hasPrefix("--db") }
    #expect(commands.count == 4)
    for command in commands {
      let plain = command.replacing("&#39;", with: "")
      let words: [String] = plain.split(separator: " ").map { String($0) }
      let dry = try Program.lraTrain.run(words + ["--dry-run", "--json"], in: folder.path)
      let found = dry.output.firstMatch(of: #/"recipe_digest":"([0-9a-f]+)"/#)
      let digest: String = String(try #require(found, "\(command)\(dry.output)").1)
      #expect(page.contains(digest), "\(command)")
    }
    let twice = try Program.lraTrain.run(["report", "--bench", "bench.json"], in: folder.path)
    #expect(twice.exit == 0)
    #expect(try String(contentsOfFile: folder.file("report/index.html"), encoding: .utf8) == page)
    let noBench = try Program.lraTrain.run(["report", "--bench", "logits.npy"], in: folder.path)
    #expect(noBench.exit == 65)
  }
}
