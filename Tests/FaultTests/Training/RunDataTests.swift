import Foundation
import Testing
import ToolRunner

/// Three steps on a hundred lines of text.
private let short = [
  "--quiet", "--threads", "1", "--set", "train.num_train_steps=3", "--set", "train.batch_size=8",
  "--set", "train.accumulate=1", "--set", "data.max_length=16", "--set", "model.emb_dim=16",
  "--set", "model.qkv_dim=16", "--set", "model.mlp_dim=16",
]

extension TemporaryFolder {
  /// Writes a hundred lines, label and text, and converts them into a task.
  fileprivate func convert(_ task: String, classes: Int = 2, shift: Int = 0) throws {
    let lines = (0..<100).map { "\(($0 + shift) % classes)\ttext \($0)\n" }.joined()
    try Data(lines.utf8).write(to: URL(fileURLWithPath: file("\(task).tsv")))
    let made = try data("convert", "tsv", "--from", "\(task).tsv", "--task", task, "--quiet")
    try #require(made.exit == 0, "\(made.error)")
  }

  fileprivate func train(_ arguments: String...) throws -> Outcome {
    try Program.lraTrain.run(arguments, in: path)
  }

  fileprivate func train(_ arguments: [String]) throws -> Outcome {
    try Program.lraTrain.run(arguments, in: path)
  }

  /// A folder with the dataset `mine` and a finished run on it.
  fileprivate static func trained() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    try folder.convert("mine")
    let outcome = try folder.train(short)
    try #require(outcome.exit == 0, "\(outcome.error)")
    return folder
  }

  /// Other labels under the same name.
  fileprivate func convertAgain() throws {
    try #require(try data("rm", "mine", "--yes").exit == 0)
    try convert("mine", shift: 1)
  }

  fileprivate func rows(_ sql: String, of database: String = "data.sqlite") throws -> String {
    try Program.python(
      "import sqlite3; print(*sqlite3.connect('\(database)').execute(\"\(sql)\").fetchall())",
      in: path
    ).output.trimmingCharacters(in: .whitespacesAndNewlines)
  }
}

@Suite("a run and its data")
struct RunDataTests {
  static let commands: [[String]] = [
    short, ["resume", "RUN"], ["eval", "RUN"], ["eval", "RUN", "--split", "validation"],
    ["predict", "RUN"], ["span", "RUN"],
    ["sweep", "--models", "transformer", "--quiet"] + short.dropFirst(),
  ]

  @Test("a run of other data is refused with exit 7 and both digests", arguments: commands)
  func otherData(command: [String]) throws {
    let folder = try TemporaryFolder.trained()
    let run = try runName(folder.path)
    let command = command.map { $0 == "RUN" ? run : $0 }
    try #require(try folder.train(command).exit == 0)
    try folder.convertAgain()
    let outcome = try folder.train(command)
    #expect(outcome.exit == 7, "\(outcome.output)\(outcome.error)")
    let words = #/was made with data [0-9a-f]{12}, but mine is now [0-9a-f]{12}/#
    #expect(outcome.error.contains(words), "\(outcome.error)")
    #expect(outcome.error.contains("--out"))
    #expect(try folder.train(short + ["--out", "anew"]).exit == 0)
  }

  @Test("a report leaves runs of other data out, and says so")
  func staleReport() throws {
    let folder = try TemporaryFolder.trained()
    let before = try folder.train("report", "--json")
    #expect(before.exit == 0 && before.output.contains("\"runs\":1"), "\(before.output)")
    try folder.convertAgain()
    let after = try folder.train("report", "--json")
    #expect(after.exit == 0 && after.output.contains("\"runs\":0"), "\(after.output)")
    #expect(after.error.contains("not shown, since their data"), "\(after.error)")
  }

  @Test("an unfinished run of other data is refused too")
  func unfinished() throws {
    let folder = try TemporaryFolder.trained()
    let run = try runName(folder.path)
    try folder.convertAgain()
    #expect(try folder.train("resume", run, "--steps", "6").exit == 7)
  }

  @Test(
    "a recipe that was edited by hand is refused with the keys that differ",
    arguments: [
      ("num_heads: 2", "num_heads: 1", "model.num_heads: 2, now 1"),
      ("classifier_pool: MEAN_PADDED", "classifier_pool: MEAN", "model.classifier_pool"),
      ("causal: false", "causal: true", "model.causal: false, now true"),
      ("layer_norm_eps: 1.0e-5", "layer_norm_eps: 1.0e-2", "model.layer_norm_eps"),
      ("activation: gelu", "activation: relu", "model.activation: gelu, now relu"),
      ("precision: float32", "precision: bfloat16", "train.precision"),
    ])
  func editedRecipe(old: String, new: String, words: String) throws {
    let folder = try TemporaryFolder.trained()
    let run = try runName(folder.path)
    try edit(folder, run, old, new)
    for command in [["eval", run], ["predict", run], ["resume", run, "--steps", "6"]] {
      let outcome = try folder.train(command)
      #expect(outcome.exit == 7, "\(command) \(outcome.error)")
      #expect(outcome.error.contains(words), "\(outcome.error)")
    }
  }

  @Test("number of steps, evaluations and prefetching may be edited")
  func changeable() throws {
    let folder = try TemporaryFolder.trained()
    let run = try runName(folder.path)
    try edit(folder, run, "prefetch: 4", "prefetch: 2")
    try edit(folder, run, "num_train_steps: 3", "num_train_steps: 5")
    try edit(folder, run, "num_eval_examples: all", "num_eval_examples: 5")
    let outcome = try folder.train("resume", run, "--quiet")
    #expect(outcome.exit == 0 && outcome.output.contains("(step 5)"), "\(outcome.error)")
  }

  private func edit(_ folder: TemporaryFolder, _ run: String, _ old: String, _ new: String) throws {
    let path = folder.file("\(run)/recipe.yaml")
    let text = try String(contentsOfFile: path, encoding: .utf8)
    try #require(text.contains(old), "\(text)")
    try text.replacing(old, with: new).write(toFile: path, atomically: false, encoding: .utf8)
  }

  @Test("a dataset that does not fit a run is refused with exit 64 before anything is computed")
  func unfit() throws {
    let folder = try TemporaryFolder.trained()
    let run = try runName(folder.path)
    try folder.convert("five", classes: 5)
    try #require(
      try folder.data(
        "gen", "listops", "--len", "64", "--train", "20", "--validation", "10", "--test", "10",
        "--quiet"
      ).exit == 0)
    for (dataset, words) in [
      ("five", "five is five (5 classes, 257 ids)"),
      ("listops-64", "listops-64 is listops (10 classes, 16 ids)"),
    ] {
      let outcome = try folder.train("eval", run, "--dataset", dataset)
      #expect(outcome.exit == 64, "\(outcome.error)")
      #expect(outcome.error.contains("was trained on mine (2 classes, 257 ids); \(words)"))
    }
    let none = try folder.train("eval", run, "--dataset", "nothing")
    #expect(none.exit == 64 && none.error.contains("holds no dataset nothing"))
  }

  @Test("a run that was lengthened is in the report with its new recipe and result")
  func lengthened() throws {
    let folder = try TemporaryFolder.trained()
    let run = try runName(folder.path)
    #expect(try folder.train("resume", run, "--steps", "6", "--quiet").exit == 0)
    let recipe = try folder.rows("SELECT recipe FROM run")
    #expect(recipe.contains("num_train_steps: 6"), "\(recipe)")
    #expect(try folder.train("report").exit == 0)
    let page = try String(contentsOfFile: folder.file("report/index.html"), encoding: .utf8)
    let result = try String(contentsOfFile: folder.file("\(run)/result.json"), encoding: .utf8)
    #expect(page.contains("train.num_train_steps=6"), "\(result)")
    #expect(!page.contains("No run has ended yet"), "\(result)")
  }

  @Test("a run of a version that said model.attention is evaluated and continued, with a note")
  func formerVersion() throws {
    let folder = try TemporaryFolder.trained()
    let run = try runName(folder.path)
    try edit(folder, run, "\n  mixer: {", "\n  attention: {")
    let identity = folder.file("\(run)/run.json")
    let text = try String(contentsOfFile: identity, encoding: .utf8)
    try #require(text.contains("mixer: {"))
    try text.replacing("mixer: {", with: "attention: {")
      .write(toFile: identity, atomically: false, encoding: .utf8)
    let note = "\(run)/recipe.yaml: model.attention is called model.mixer now"
    for arguments in [
      ["eval", run], ["resume", run], ["resume", run, "--steps", "5", "--quiet"],
    ] {
      let outcome = try folder.train(arguments)
      #expect(outcome.exit == 0, "\(outcome.error)")
      #expect(outcome.error.contains(note), "\(arguments) \(outcome.error)")
    }
    let now = try String(contentsOfFile: folder.file("\(run)/recipe.yaml"), encoding: .utf8)
    #expect(now.contains("mixer: {") && now.contains("num_train_steps: 5"))
  }

  @Test("a finished run of a dataset that is gone is refused with what the database holds")
  func goneData() throws {
    let folder = try TemporaryFolder.trained()
    let run = try runName(folder.path)
    try folder.convert("other")
    try #require(try folder.data("rm", "mine", "--yes").exit == 0)
    let outcome = try folder.train("resume", run)
    #expect(outcome.exit == 64, "\(outcome.error)")
    #expect(outcome.error.contains("holds no dataset mine; it holds: other"), "\(outcome.error)")
  }

  @Test("a run whose row the index lacks gets one from any command that reads it")
  func missingRow() throws {
    let folder = try TemporaryFolder.trained()
    let run = try runName(folder.path)
    let rows = "SELECT r.name, state, count(*) FROM run r JOIN metric ON run_id=r.id"
    let before = try folder.rows(rows)
    _ = try Program.python(
      "import sqlite3; c = sqlite3.connect('data.sqlite'); c.execute('PRAGMA foreign_keys=ON'); "
        + "c.execute('DELETE FROM run'); c.commit()", in: folder.path)
    try #require(try folder.rows("SELECT count(*) FROM run") == "(0,)")
    #expect(try folder.train("eval", run).exit == 0)
    #expect(try folder.rows(rows) == before)
  }
}

@Suite("a run and its database")
struct RunDatabaseTests {
  @Test("a run knows its database from another folder, and finds it when both have moved")
  func known() throws {
    let folder = try TemporaryFolder.trained()
    let run = try runName(folder.path)
    let elsewhere = try TemporaryFolder()
    for command in ["eval", "predict", "span"] {
      let outcome = try Program.lraTrain.run([command, folder.file(run)], in: elsewhere.path)
      #expect(outcome.exit == 0, "\(command): \(outcome.error)")
    }
    try FileManager.default.createDirectory(
      atPath: folder.file("moved"), withIntermediateDirectories: false)
    for name in ["data.sqlite", "data", "runs"] {
      try FileManager.default.moveItem(
        atPath: folder.file(name), toPath: folder.file("moved/\(name)"))
    }
    let found = try Program.lraTrain.run(["eval", folder.file("moved/\(run)")], in: elsewhere.path)
    #expect(found.exit == 0, "\(found.error)")
    try FileManager.default.removeItem(atPath: folder.file("moved/data.sqlite"))
    let gone = try Program.lraTrain.run(["eval", folder.file("moved/\(run)")], in: elsewhere.path)
    #expect(gone.exit == 64 && gone.error.contains("name the database with --db"), "\(gone.error)")
  }

  @Test("results do not depend on --batch-size", arguments: ["1", "3", "100"])
  func batchSize(size: String) throws {
    let folder = try TemporaryFolder.trained()
    let run = try runName(folder.path)
    func accuracy(_ more: String...) throws -> Substring? {
      let output = try folder.train(["eval", run, "--json"] + more).output
      return output.firstMatch(of: #/"accuracy":([0-9.]+)/#)?.1
    }
    #expect(try accuracy() == accuracy("--batch-size", size))
    #expect(try folder.train("eval", run, "--batch-size", "0").exit == 64)
  }

  @Test("an index that is locked for a run's whole length changes nothing but when its rows appear")
  func locked() throws {
    let folder = try trainingFolder()
    let free = try trainingFolder()
    let holder = try Program.python.start(
      [
        "-c",
        """
        import signal, sqlite3
        connection = sqlite3.connect('data.sqlite')
        cursor = connection.execute('SELECT position FROM example')
        cursor.fetchone()
        signal.pause()
        """,
      ], in: folder.path)
    holder.wait {
      (try? Program.python(
        "import sqlite3; c = sqlite3.connect('data.sqlite', timeout=0); c.execute('BEGIN IMMEDIATE');"
          + " c.execute('UPDATE dataset SET seed=seed'); c.commit()", in: folder.path
      ).exit) != 0
    }
    let outcome = try Program.lraTrain.run(training.filter { $0 != "--quiet" }, in: folder.path)
    #expect(outcome.exit == 0, "\(outcome.error)")
    #expect(outcome.error.contains("the run's rows stay in its folder"), "\(outcome.error)")
    holder.send(SIGKILL)
    _ = try holder.wait()
    #expect(try folder.rows("SELECT count(*) FROM run") == "(0,)")
    let run = try runName(folder.path)
    let log = try String(contentsOfFile: folder.file("\(run)/log.txt"), encoding: .utf8)
    #expect(log.contains("rows of the index wait"))
    #expect(try folder.train("eval", run).exit == 0)
    #expect(try Program.lraTrain.run(training, in: free.path).exit == 0)
    #expect(try Computed(folder.path, step: 60) == Computed(free.path, step: 60))
    let rows = "SELECT step, split, metric.name, value FROM metric ORDER BY 1, 2, 3"
    #expect(try folder.rows(rows) == free.rows(rows))
    #expect(try folder.rows("SELECT state FROM run") == free.rows("SELECT state FROM run"))
  }

  @Test("data that can only be read can be trained on; the rows stay in the run's folder")
  func readOnly() throws {
    let folder = try trainingFolder()
    let own = try TemporaryFolder()
    let database = folder.file("data.sqlite")
    // Root may write anything but an immutable file.
    let attribute = Program(path: "/usr/bin/chattr")
    if getuid() == 0 {
      try #require(try attribute.run(["+i", database], in: folder.path).exit == 0)
    } else {
      chmod(database, 0o444)
    }
    defer { _ = try? attribute.run(["-i", database], in: folder.path) }
    let outcome = try Program.lraTrain.run(
      training.filter { $0 != "--quiet" } + ["--db", database, "--set", "train.num_train_steps=4"],
      in: own.path)
    #expect(outcome.exit == 0, "\(outcome.error)")
    #expect(outcome.error.contains("the run's rows stay in its folder"), "\(outcome.error)")
    let run = try runName(own.path)
    #expect(FileManager.default.fileExists(atPath: own.file("\(run)/result.json")))
    let report = try Program.lraTrain.run(["report", "--db", database, "--json"], in: own.path)
    #expect(report.output.contains("\"runs\":1"), "\(report.output)\(report.error)")
    _ = try attribute.run(["-i", database], in: folder.path)
    chmod(database, 0o644)
    #expect(try Program.lraTrain.run(["eval", run], in: own.path).exit == 0)
    #expect(try folder.rows("SELECT count(*) FROM run") == "(1,)")
  }
}
