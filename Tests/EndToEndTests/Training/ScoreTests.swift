import Foundation
import Testing
import ToolRunner

@Suite("lra-train score", .serialized)
struct ScoreTests {
  private func tiny() throws -> TemporaryFolder {
    try listOpsFolder(train: 100, validation: 20, test: 40)
  }

  /// Logits that are right on the first 30 of 40 test examples.
  private let save = """
    import json, numpy, subprocess, sys
    shown = json.loads(subprocess.run([sys.argv[1], "show", "listops-64", "0", "--split", "test",
        "--count", "40", "--json"], capture_output=True, text=True, check=True).stdout)["examples"]
    labels = numpy.array([e["label"] for e in shown])
    logits = numpy.full((40, 10), -1.0, numpy.float32)
    logits[numpy.arange(40), (labels + (numpy.arange(40) >= 30)) % 10] = 2.0
    numpy.save("logits.npy", logits)
    numpy.save("double.npy", logits.astype(numpy.float64))
    numpy.save("integers.npy", logits.astype(numpy.int64))
    numpy.save("short.npy", logits[:39])
    numpy.save("classes.npy", logits[:, :9])
    numpy.save("flat.npy", logits.reshape(-1))
    logits[7, 3] = numpy.nan
    numpy.save("nan.npy", logits)
    numpy.save("objects.npy", numpy.array([{}], dtype=object), allow_pickle=True)
    open("cut.npy", "wb").write(open("logits.npy", "rb").read()[:700])
    p = numpy.log(numpy.exp(2) + 9 * numpy.exp(-1))
    print("%.6f" % ((30 * (p - 2) + 10 * (p + 1)) / 40))
    """

  private func made() throws -> (folder: TemporaryFolder, loss: Double) {
    let folder = try tiny()
    let saved = try Program.python.run(["-c", save, Program.lraData.path], in: folder.path)
    try #require(saved.exit == 0, "\(saved.error)")
    let loss = Double(saved.output.trimmingCharacters(in: .whitespacesAndNewlines))
    return (folder, try #require(loss))
  }

  private func score(_ folder: TemporaryFolder, _ arguments: String...) throws -> Outcome {
    try Program.lraTrain.run(["score"] + arguments, in: folder.path)
  }

  @Test("accuracy and loss are those of the logits, and a row of the database holds them")
  func score() throws {
    let (folder, loss) = try made()
    for file in ["logits.npy", "double.npy"] {
      let outcome = try score(
        folder, "--predictions", file, "--name", file, "--dataset", "listops-64", "--json")
      #expect(outcome.exit == 0, "\(outcome.output)")
      let json = try #require(
        try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
      #expect(
        Set(json.keys) == [
          "schema", "command", "split", "n", "accuracy", "ci95", "loss", "baselines", "mcnemar",
          "strata",
        ])
      #expect(json["accuracy"] as? Double == 0.75)
      #expect(abs((json["loss"] as? Double ?? 0) - loss) < 1e-5)
      #expect(json["n"] as? Int == 40)
    }
    let rows = try Program.python(
      """
      import hashlib, sqlite3
      database = sqlite3.connect("data.sqlite")
      recipe, digest, equal, state = database.execute("SELECT recipe, run.recipe_sha256, "
        "run.content_digest = dataset.content_digest, state FROM run, dataset "
        "WHERE run.name='logits.npy'").fetchone()
      assert hashlib.sha256(recipe.encode()).digest() == digest
      file = hashlib.sha256(open("logits.npy", "rb").read()).hexdigest()
      assert recipe == "scored: elsewhere\\ntest: {file: logits.npy, sha256: %s}\\n" % file, recipe
      print(equal, state, *database.execute("SELECT step, split, value FROM metric JOIN run "
        "ON run.id=run_id WHERE run.name='logits.npy' AND metric.name='accuracy'").fetchone())
      """, in: folder.path)
    #expect(rows.output == "1 finished 0 test 0.75\n", "\(rows.error)")
  }

  @Test("the text names split, accuracy and rules, then accuracy by depth and length")
  func text() throws {
    let folder = try made().folder
    let outcome = try score(folder, "--predictions", "logits.npy", "--name", "mine")
    let lines = outcome.output.split(separator: "\n")
    #expect(lines.first?.hasPrefix("test  40 examples  75.0 % [59.8, 85.8]  loss ") == true)
    #expect(lines.count > 4 && lines[1].hasPrefix("majority class "), "\(outcome.output)")
    let paired =
      #/against the first token: [0-9]+ right that it misses, [0-9]+ the other way round, p = [0-9.e-]+ \(McNemar, exact\)/#
    #expect(lines[2].wholeMatch(of: paired) != nil, "\(outcome.output)")
    #expect(lines[3].hasPrefix("by      range"), "\(outcome.output)")
    #expect(lines.contains { $0.wholeMatch(of: #/depth +[0-9] +[0-9]+ .*/#) != nil })
    #expect(lines.contains { $0.wholeMatch(of: #/length  [0-9–]+ +[0-9]+ .*/#) != nil })
    #expect(outcome.error == "Next: lra-train report --db data.sqlite\n")
    // Predictions on another split belong to the same row; other ones on this split do not.
    let other = try score(folder, "--predictions", "double.npy", "--name", "mine")
    #expect(other.exit == 7)
    #expect(
      other.error
        == "error: mine has other predictions on test already\nuse another name (--name)\n")
    let again = try score(folder, "--predictions", "logits.npy", "--name", "mine")
    #expect(again.exit == 0 && again.output == outcome.output)
  }

  @Test(
    "a file that does not fit is named with what is wrong",
    arguments: [
      ("short.npy", "39 rows; the split has 40 examples"),
      ("classes.npy", "9 columns; the task has 10 classes"),
      ("flat.npy", "an array of 1 dimensions; logits have 2, [examples, classes]"),
      ("nan.npy", "row 7, column 3 is nan, not a number"),
      ("integers.npy", "elements of type \"<i8\"; real numbers of 4 and 8 bytes are read"),
      (
        "objects.npy",
        "elements of type \"|O\" are pickled Python objects, which are never read"
      ),
      ("cut.npy", "the file has 700 bytes; header and shape ask for 1 728"),
      ("data.sqlite", "not a NumPy file: its first bytes are not \\x93NUMPY"),
    ])
  func malformed(file: String, what: String) throws {
    let folder = try made().folder
    let outcome = try score(folder, "--predictions", file, "--name", "mine")
    #expect(outcome.exit == 65)
    #expect(
      outcome.error == """
        error: \(file): \(what)
        save the logits with numpy.save as float32 [examples, classes], row i for example i

        """)
    let rows = try Program.python(
      "import sqlite3; print(sqlite3.connect('data.sqlite').execute('SELECT count(*) FROM run')"
        + ".fetchone()[0])", in: folder.path)
    #expect(rows.output == "0\n")
  }

  @Test("what is not there is a usage error; a dry run writes nothing")
  func usage() throws {
    let folder = try made().folder
    let none = try score(folder, "--predictions", "none.npy", "--name", "mine")
    #expect(none.exit == 64 && none.error.hasPrefix("error: none.npy does not exist"))
    let split = try score(
      folder, "--predictions", "logits.npy", "--name", "mine", "--split", "tset")
    #expect(split.exit == 64, "\(split.error)")
    let name = try score(folder, "--predictions", "logits.npy", "--name", "")
    #expect(name.exit == 64 && name.error.hasPrefix("error: --name is no name"))
    let dry = try score(folder, "--predictions", "logits.npy", "--name", "mine", "--dry-run")
    #expect(dry.exit == 0 && dry.error == "nothing was written\n")
  }
}
