import Foundation
import Testing

@testable import Train

@Suite struct RunFolderTests {
  @Test("a plain recipe names its run, another one adds six digits of its digest")
  func names() throws {
    var recipe = try RecipeRequest(task: "listops").resolve()
    #expect(RunFolder.name(of: recipe) == "listops-transformer-small-0")
    recipe.train.randomSeed = 2
    #expect(RunFolder.name(of: recipe) == "listops-transformer-small-2")
    recipe.model.numLayers = 3
    #expect(
      RunFolder.name(of: recipe)
        == "listops-transformer-small-2-" + recipe.digestText.prefix(6))
  }

  @Test("a folder is made once, found again, and refused to another recipe")
  func making() throws {
    let folder = try TemporaryFolder()
    let small = try RecipeRequest(task: "listops").resolve()
    let (run, isNew) = try RunFolder.make(for: small, under: folder.path)
    #expect(isNew && run.name == "listops-transformer-small-0")
    #expect(try run.recipe() == small)
    #expect(try !RunFolder.make(for: small, under: folder.path).isNew)
    #expect(try RunFolder.open(run.path + "/") == run)
    var other = small
    other.train.batchSize = 16
    let error = #expect(throws: TrainError.self) {
      try RunFolder.make(for: other, under: folder.path, name: run.name)
    }
    #expect(error?.code.exitCode == 7)
    #expect(
      error?.message == "\(run.path) exists with another recipe:\n  train.batch_size: 32, now 16")
    #expect(throws: TrainError.notARun(folder.path)) { try RunFolder.open(folder.path) }
  }

  @Test("checkpoints are found by their names only")
  func checkpoints() throws {
    let folder = try TemporaryFolder()
    let run = try RunFolder.make(for: Recipe(), under: folder.path).folder
    #expect(run.checkpointSteps() == [])
    for name in ["step-00000500", "step-00005000", "step-00000250.partial", "step-7", "other"] {
      try FileManager.default.createDirectory(
        atPath: run.checkpointsPath + "/" + name, withIntermediateDirectories: false)
    }
    #expect(run.checkpointSteps() == [500, 5000])
    #expect(run.checkpointPath(step: 500) == run.path + "/checkpoints/step-00000500")
  }

  @Test("two processes cannot train in one folder")
  func lock() throws {
    let folder = try TemporaryFolder()
    let run = try RunFolder.make(for: Recipe(), under: folder.path).folder
    do {
      let lock = try run.lock()
      #expect(throws: TrainError.runLocked(run.path)) { try run.lock() }
      withExtendedLifetime(lock) {}
    }
    #expect(throws: Never.self) { try run.lock() }
  }
}

@Suite struct MetricsLogTests {
  private func line(_ step: Int, _ split: String = "train") -> MetricsLine {
    MetricsLine(
      step: step, split: split, loss: 1 / Double(step + 2), accuracy: 0.25, learningRate: 1e-4,
      seconds: 0.5, wait: 0)
  }

  @Test("a line has the documented keys, all digits, and null for what is not a number")
  func form() {
    #expect(
      MetricsLine(
        step: 3, split: "train", loss: 0.1 + 0.2, accuracy: 0.5, learningRate: 1e-4, seconds: 2,
        wait: .nan
      ).json
        == #"{"step": 3, "split": "train", "loss": 0.30000000000000004, "accuracy": 0.5, "#
        + #""learning_rate": 0.0001, "seconds": 2.0, "wait": null}"#)
  }

  @Test("a resumed log keeps the lines up to the checkpoint and drops a torn one")
  func resume() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("metrics.jsonl")
    do {
      let log = try MetricsLog(at: path, resumingAfter: 0)
      for step in 1...6 { try log.append(line(step)) }
      try log.append(line(6, "validation"), durable: true)
      try log.append(line(7))
    }
    let whole = try Data(contentsOf: URL(fileURLWithPath: path))
    for cut in [0, 1, 5, 60, whole.count - 1] {
      try whole.dropLast(cut).write(to: URL(fileURLWithPath: path))
      let log = try MetricsLog(at: path, resumingAfter: 6)
      try log.append(line(7))
      let lines = try MetricsLog.read(path)
      #expect(lines.last == line(7))
      #expect(lines.dropLast().allSatisfy { $0.step <= 6 })
      #expect(Set(lines.map(\.json)).count == lines.count)
    }
    try whole.write(to: URL(fileURLWithPath: path))
    _ = try MetricsLog(at: path, resumingAfter: 6)
    #expect(try MetricsLog.read(path) == (1...6).map { line($0) } + [line(6, "validation")])
    _ = try MetricsLog(at: path, resumingAfter: 0)
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)).isEmpty)
  }

  @Test("a line in the middle that is not ours is malformed, and nothing is cut")
  func broken() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("metrics.jsonl")
    let text = line(1).json + "\nhello\n" + line(2).json + "\n"
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    let error = #expect(throws: TrainError.self) { try MetricsLog(at: path, resumingAfter: 1) }
    #expect(error?.code.exitCode == 65 && error?.message == "\(path):2: not a line of metrics")
    #expect(try String(contentsOfFile: path, encoding: .utf8) == text)
  }
}
