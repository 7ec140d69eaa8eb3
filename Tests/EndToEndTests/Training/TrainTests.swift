import Foundation
import Testing
import ToolRunner

/// A folder with a dataset that trains in a moment.
private func tiny() throws -> TemporaryFolder {
  try listOpsFolder(train: 300, validation: 50, test: 40, maxArgs: 5)
}

/// A run of 12 steps; the loss and the accuracy differ from machine to machine, the form does not.
private let run = [
  "--recipe", "demo", "--set", "train.num_train_steps=12", "--set", "eval.eval_frequency=6",
  "--set", "optimizer.learning_rate=0.01", "--threads", "2",
]

extension TemporaryFolder {
  fileprivate func train(_ arguments: String...) throws -> Outcome {
    try Program.lraTrain.run(arguments, in: path)
  }

  fileprivate func train(_ arguments: [String]) throws -> Outcome {
    try Program.lraTrain.run(arguments, in: path)
  }

  /// The only run in the folder.
  fileprivate func runName() throws -> String {
    let names = try FileManager.default.contentsOfDirectory(atPath: file("runs"))
    return "runs/" + (try #require(names.first))
  }
}

/// The keys of an object, deeper ones as `best.step`.
private func keys(_ json: String) throws -> Set<String> {
  let object = try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any]
  func flat(_ object: [String: Any], _ prefix: String) -> [String] {
    object.flatMap { key, value in
      (value as? [String: Any]).map { flat($0, "\(prefix)\(key).") } ?? ["\(prefix)\(key)"]
    }
  }
  return Set(flat(try #require(object), ""))
}

private let scores =
  #"test at best \(step (6|12)\) +[0-9.]+ % \[[0-9.]+, [0-9.]+\]      majority class [0-9.]+ %\n"#
  + #"test at last \(step 12\) +[0-9.]+ % \[[0-9.]+, [0-9.]+\]      first token    [0-9.]+ %\n"#

@Suite("lra-train", .serialized)
struct TrainTests {
  @Test("a run prints its header, its evaluations and its scores, and exits 0, on a plateau too")
  func train() throws {
    let folder = try tiny()
    let outcome = try folder.train(run)
    let name = try folder.runName()
    #expect(name.wholeMatch(of: #/runs/listops-transformer-demo-0-[0-9a-f]{6}/#) != nil)
    let head =
      "listops-64 · transformer · recipe demo · 4 layers, width 64, 2 heads, 144.7 k parameters"
      + " · cpu, 2 threads, float32 · seed 0\nrun \(name)\n"
    #expect(outcome.output.hasPrefix(head), "\(outcome.output)")
    let rest = String(outcome.output.dropFirst(head.count))
    #expect(try rest.wholeMatch(of: Regex(scores)) != nil, "\(rest)")
    let evaluation = #"step +(6|12)  validation [0-9.]+ %  loss [0-9.]+(  best)?\#n"#
    let next = "Next: lra-train resume \(name) --steps 24 · lra-train report --db data.sqlite\n"
    let lines = outcome.error.split(separator: "\n").map { $0 + "\n" }
    #expect(try lines.first?.wholeMatch(of: Regex(evaluation)) != nil, "\(outcome.error)")
    // A plateau has a next step of its own.
    let plateau = outcome.error.contains("\n\(name) stayed on its plateau: best validation")
    #expect(lines.contains { $0 == next } != plateau, "\(outcome.error)")
    #expect(outcome.exit == 0)

    let again = try folder.train(run)
    #expect(again.exit == outcome.exit)
    #expect(again.output == "\(name) is finished: nothing to do\n" + rest)
  }

  @Test("resume does nothing, or goes on to more steps")
  func resume() throws {
    let folder = try tiny()
    _ = try folder.train(run + ["--quiet"])
    let name = try folder.runName()
    let nothing = try folder.train("resume", name)
    #expect(nothing.output.hasPrefix("\(name) is finished: nothing to do\ntest at best"))
    let more = try folder.train("resume", name, "--steps", "20")
    #expect(more.output.contains("\nrun \(name) (from step 12)\n"), "\(more.output)")
    #expect(more.output.contains("\ntest at last (step 20)"))
    let fewer = try folder.train("resume", name, "--steps", "15")
    #expect(fewer.exit == 64)
    #expect(fewer.error.hasPrefix("error: --steps 15: the run has done 20 steps already\n"))
    let foreign = try folder.train("resume", "data")
    #expect(foreign.exit == 64)
    #expect(
      foreign.error == """
        error: data is not the folder of a run: it holds no recipe.yaml
        a run is named by its folder, such as runs/listops-transformer-small-0

        """)
  }

  @Test("--json of train, eval and predict has exactly the documented keys")
  func json() throws {
    let folder = try tiny()
    let trained = try folder.train(run + ["--json"])
    let score = { (name: String) in
      Set(["step", "validation", "test", "loss", "ci95"].map { "\(name).\($0)" })
    }
    let common: Set = ["schema", "command", "baselines.majority", "baselines.first_token"]
    #expect(
      try keys(trained.output)
        == common.union(score("best")).union(score("last")).union([
          "run", "state", "step", "seed", "parameters", "steps_per_s", "wait", "peak_bytes",
          "recipe_digest", "data_digest", "mcnemar", "strata",
        ]))
    let name = try folder.runName()
    let evaluated = try folder.train("eval", name, "--json")
    #expect(evaluated.exit == 0 && evaluated.error == "")
    #expect(
      try keys(evaluated.output)
        == common.union([
          "split", "n", "accuracy", "ci95", "loss", "mcnemar", "strata", "examples_per_s",
        ]))
    let predicted = try folder.train("predict", name, "--json")
    #expect(try keys(predicted.output) == ["schema", "command", "out", "shape", "digest"])
  }

  @Test("eval prints accuracy and baselines, predict an npy file that numpy reads")
  func evalAndPredict() throws {
    let folder = try tiny()
    _ = try folder.train(run + ["--quiet"])
    let name = try folder.runName()
    let evaluated = try folder.train("eval", name, "--split", "validation", "--checkpoint", "last")
    #expect(evaluated.exit == 0)
    #expect(
      evaluated.output.wholeMatch(
        of:
          #/validation  50 examples  step 12  ([0-9.]+) % \[[0-9.]+, [0-9.]+\]  loss [0-9.]+\nmajority class [0-9.]+ %   first token [0-9.]+ %\nagainst the first token: [0-9]+ right that it misses, [0-9]+ the other way round, p = [0-9.e-]+ \(McNemar, exact\)\nby +range +examples +accuracy +95 %\n(depth +[0-9] +[0-9]+ .*\n)+(length .*\n)+/#
      ) != nil, "\(evaluated.output)")
    #expect(evaluated.error.hasPrefix("Next: lra-train predict \(name) --split validation "))
    let itself = try folder.train("eval", name, "--against", name)
    #expect(
      itself.output.contains(
        "\nagainst \(name): 0 right that it misses, 0 the other way round, p = 1.000 (McNemar, exact)\n"
      ), "\(itself.output)")
    let none = try folder.train("eval", name, "--against", "data")
    #expect(none.exit == 64 && none.error.hasPrefix("error: data is not the folder of a run"))
    let predicted = try folder.train(
      "predict", name, "--split", "validation", "--checkpoint", "last", "--out", "v.npy")
    #expect(predicted.exit == 0)
    #expect(
      predicted.output.wholeMatch(of: #/v.npy  50 x 10 float32  sha256 [0-9a-f]{64}\n/#) != nil)
    let code = """
      import json, numpy, subprocess, sys
      logits = numpy.load("v.npy")
      assert logits.shape == (50, 10) and logits.dtype == numpy.float32
      shown = json.loads(sys.argv[1])["examples"]
      right = sum(int(logits[e["position"]].argmax()) == e["label"] for e in shown)
      print(len(shown), "%.1f" % (right / len(shown) * 100))
      """
    let shown = try folder.data(
      "show", "listops-64", "0", "--split", "validation", "--count", "50", "--json")
    let checked = try Program.python.run(["-c", code, shown.output], in: folder.path)
    let match = try #require(evaluated.output.firstMatch(of: #/step 12  ([0-9.]+) %/#))
    #expect(checked.output == "50 \(match.1)\n", "\(checked.error)")
  }

  @Test("a dry run prints the complete recipe, which gives the same run, and makes nothing")
  func dryRun() throws {
    let folder = try tiny()
    let before = try FileManager.default.subpathsOfDirectory(atPath: folder.path).sorted()
    let dry = try folder.train("--dry-run", "--set", "model.num_layers=1")
    #expect(dry.exit == 0)
    #expect(dry.output.hasPrefix("protocol: small\ntask: listops\n"))
    #expect(dry.output.contains("num_layers: 1\n") && dry.output.contains("max_length: 64,"))
    #expect(
      dry.error.wholeMatch(
        of: #/nothing was done; the run would be runs/listops-transformer-small-0-[0-9a-f]{6}\n/#)
        != nil)
    #expect(try FileManager.default.subpathsOfDirectory(atPath: folder.path).sorted() == before)
    try dry.output.write(
      toFile: folder.file("recipe.yaml"), atomically: true, encoding: .utf8)
    let again = try folder.train("--dry-run", "--recipe", "recipe.yaml")
    #expect(again.output == dry.output && again.error == dry.error)
    #expect(
      try keys(folder.train("--dry-run", "--json").output)
        == ["schema", "command", "run", "recipe", "recipe_digest", "groups"])
  }

  @Test("a dry run and log.txt say which parameters learn and decay how")
  func groups() throws {
    let folder = try tiny()
    let settings = ["--set", "optimizer.weight_decay=0.1", "--set", "train.num_train_steps=2"]
    let dry = try Program.lraTrain.run(["--dry-run", "--json"] + settings, in: folder.path)
    let plan = try JSONSerialization.jsonObject(with: Data(dry.output.utf8)) as? [String: Any]
    let groups = try #require(plan?["groups"] as? [[String: Any]])
    #expect(
      groups.map { $0["roles"] as? [String] } == [["weight", "embedding"], ["bias", "norm"]])
    #expect(groups.map { $0["decay"] as? Double } == [0.1, 0])
    #expect(groups.allSatisfy { $0["rate"] as? Double == 1e-4 })
    let names = groups.flatMap { $0["names"] as? [String] ?? [] }
    #expect(names.contains("embed.token.weight") && Set(names).count == names.count)
    let trained = try Program.lraTrain.run(settings + ["--quiet", "--json"], in: folder.path)
    let result = try JSONSerialization.jsonObject(with: Data(trained.output.utf8)) as? [String: Any]
    let counts = groups.compactMap { $0["count"] as? Int }
    #expect(result?["parameters"] as? Int == counts.reduce(0, +))
    let run = try #require(result?["run"] as? String)
    let log = try String(contentsOfFile: folder.file("\(run)/log.txt"), encoding: .utf8)
    #expect(log.contains("weight, embedding: ") && log.contains("rate 1.0e-4, decay 0.1"), "\(log)")
  }

  @Test("recipe --explain says what a key is; an unknown key names the nearest")
  func explain() throws {
    let folder = try TemporaryFolder()
    let one = try folder.train("recipe", "--explain", "train.batch_size")
    #expect(
      one.output == """
        train.batch_size: 32  (1 or more; examples)
            Examples of a step over all ranks.

        """)
    let all = try folder.train("recipe", "--explain", "--json")
    let object = try JSONSerialization.jsonObject(with: Data(all.output.utf8)) as? [String: Any]
    let fields = try #require(object?["fields"] as? [[String: Any]])
    #expect(object?["command"] as? String == "recipe" && fields.count > 150)
    for field in fields {
      #expect(Set(field.keys) == ["key", "default", "range", "unit", "owner", "text"], "\(field)")
    }
    let own = try folder.train("recipe", "--explain", "model.mixer.num_rand_blocks")
    #expect(own.output.hasPrefix("model.mixer.num_rand_blocks: 3  (a whole number; model bigbird)"))
    let wrong = try folder.train("recipe", "--explain", "train.batchsize")
    #expect(wrong.exit == 64 && wrong.error.contains("did you mean train.batch_size?"))
  }

  @Test("models lists what can be compared")
  func models() throws {
    let outcome = try TemporaryFolder().train("models")
    #expect(outcome.exit == 0)
    let tables = outcome.output.components(separatedBy: "\n\n").map { $0.split(separator: "\n") }
    let words = { (line: Substring?) in line?.split(separator: #/  +/#).map(String.init) }
    #expect(tables.count == 3)
    #expect(
      words(tables[0].first) == ["model", "mechanism", "time", "memory", "causal", "paper"])
    #expect(
      tables[0].contains {
        $0.wholeMatch(
          of: #/transformer +softmax over all pairs +L\^2 d +L d +yes +1706.03762/#) != nil
      }, "\(outcome.output)")
    #expect(tables[1].first == "parameters, recipe small (* more than 10 % above the transformer)")
    #expect(
      words(tables[1].dropFirst().first)
        == ["model", "listops", "text", "retrieval", "image", "pathfinder", "pathx"])
    #expect(tables[1].contains { $0.hasPrefix("linformer") && $0.hasSuffix("*") })
    #expect(tables[2].contains { $0.hasPrefix("linformer") && !$0.contains("*") })
    #expect(outcome.output.split(separator: "\n").allSatisfy { $0.count <= 100 })
    let one = try TemporaryFolder().train("models", "--task", "image", "--recipe", "released")
    #expect(one.exit == 0 && one.output.contains("248 458"))
    #expect(
      try TemporaryFolder().train("models", "--recipe", "demo").output.contains("listops"))
    #expect(try TemporaryFolder().train("models", "--task", "chess").exit == 64)
    #expect(try keys(TemporaryFolder().train("models", "--json").output).contains("models"))
  }
}
