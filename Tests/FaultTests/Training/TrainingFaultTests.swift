import Foundation
import Testing
import ToolRunner

/// How often the tests kill a training; `Tests/long-train-faults.sh` does it 20 times.
private let kills = 4

@Suite("interrupted training", .serialized)
struct TrainingFaultTests {
  @Test("resume after kill -9 gives every loss and the final weights bit for bit")
  func killed() throws {
    let reference = try trainingFolder()
    let first = try Program.lraTrain.run(training, in: reference.path)
    try #require(first.exit <= 1, "\(first.error)")
    let expected = try Computed(reference.path, step: 60)
    #expect(expected.steps == Array(1...60))
    let folder = try trainingFolder()
    var killed = 0
    for number in 0..<kills {
      let running = try Program.lraTrain.start(training, in: folder.path)
      let target = metricsLines(folder.path) + Int.random(in: 3...6)
      running.wait {
        let lines = metricsLines(folder.path)
        // Every second one while a checkpoint is being written, if one is seen within four steps.
        return lines >= target
          && (number % 2 == 0 || partials(folder.path) > 0 || lines > target + 4)
      }
      running.send(SIGKILL)
      if try running.wait().exit == -SIGKILL { killed += 1 }
    }
    #expect(killed == kills)
    let last = try Program.lraTrain.run(["resume", runName(folder.path)], in: folder.path)
    #expect(last.exit == first.exit, "\(last.error)")
    #expect(try Computed(folder.path, step: 60) == expected)
    #expect(partials(folder.path) == 0)
  }

  /// Unfinished checkpoints.
  private func partials(_ folder: String) -> Int {
    guard let run = runThere(folder),
      let names = try? FileManager.default.contentsOfDirectory(
        atPath: "\(folder)/\(run)/checkpoints")
    else { return 0 }
    return names.count { $0.hasSuffix(".partial") }
  }

  @Test(
    "a signal exits 128 + its number with the command to resume, which gives the same run",
    arguments: [
      (SIGINT, Int32(130)), (SIGTERM, Int32(143)), (SIGUSR1, Int32(138)), (SIGUSR2, Int32(140)),
      (SIGXCPU, Int32(152)),
    ])
  func signals(signal: Int32, code: Int32) throws {
    let folder = try trainingFolder()
    let running = try Program.lraTrain.start(training, in: folder.path)
    running.wait { metricsLines(folder.path) >= 5 }
    running.send(signal)
    let outcome = try running.wait()
    #expect(outcome.exit == code)
    let run = try runName(folder.path)
    let words = try #require(
      outcome.error.wholeMatch(
        of: #/interrupted: step ([0-9]+) of 60 is safe in (.+)\nresume with: lra-train (.+)\n/#),
      "\(outcome.error)")
    #expect(words.2 == run && words.3 == "resume \(run) --db data.sqlite")
    let step = try #require(Int(words.1))
    let steps = try Program.python(
      "import sqlite3; print(*sqlite3.connect('data.sqlite').execute('SELECT state FROM run'))",
      in: folder.path)
    #expect(steps.output == "('interrupted',)\n")
    #expect(metricsLines(folder.path) >= step)
    let resumed = try Program.lraTrain.run(
      words.3.split(separator: " ").map(String.init), in: folder.path)
    #expect(resumed.exit <= 1, "\(resumed.error)")
    let whole = try trainingFolder()
    _ = try Program.lraTrain.run(training, in: whole.path)
    #expect(try Computed(folder.path, step: 60) == Computed(whole.path, step: 60))
  }

  @Test("metrics and events torn at their ends are cut, and no step stands twice")
  func torn() throws {
    let folder = try trainingFolder()
    let running = try Program.lraTrain.start(training, in: folder.path)
    running.wait { metricsLines(folder.path) >= 20 }
    running.send(SIGKILL)
    #expect(try running.wait().exit == -SIGKILL)
    let run = folder.file(try runName(folder.path))
    for name in ["metrics.jsonl", "events.out.tfevents.0.lra"] {
      let path = "\(run)/\(name)"
      let size = try #require(FileManager.default.contents(atPath: path)?.count)
      #expect(truncate(path, off_t(size - 11)) == 0)
    }
    #expect(try Program.lraTrain.run(training, in: folder.path).exit <= 1)
    #expect(try Computed(folder.path, step: 60).steps == Array(1...60))
    let events = try Program.python.run(
      [
        Program.package + "/Tests/InteropTests/read_events.py",
        "\(run)/events.out.tfevents.0.lra",
      ], in: folder.path)
    try #require(events.exit == 0, "\(events.error)")
    let steps = events.output.split(separator: "\n").filter { $0.contains("train/loss") }
      .compactMap { $0.firstMatch(of: #/"step": ([0-9]+)/#).flatMap { Int($0.1) } }
    #expect(steps == Array(1...60))
  }

  @Test(
    "a full disk exits 5, leaves no half checkpoint, and the run goes on when there is space",
    .enabled(if: Capability.mounts, "mounting is not permitted here"))
  func fullDisk() throws {
    let mounted = try SmallDisk(megabytes: 4)
    let disk = mounted.path
    #expect(try Program.lraData.run(trainingData, in: disk).exit == 0)
    // Two checkpoints of this model fit, with the third being written they do not.
    let wide = training + ["--set", "model.num_layers=4"]
    let full = try Program.lraTrain.run(wide, in: disk)
    #expect(full.exit == 5, "\(full.error)")
    #expect(full.error.hasPrefix("error: no space left for "), "\(full.error)")
    let run = disk + "/" + (try runName(disk))
    let names = try FileManager.default.contentsOfDirectory(atPath: run + "/checkpoints")
    #expect(!names.contains { $0.hasSuffix(".partial") })
    for name in names {
      let files = try FileManager.default.contentsOfDirectory(atPath: "\(run)/checkpoints/\(name)")
      #expect(files.sorted() == ["model.safetensors", "optimizer.safetensors", "state.json"])
    }
    try mounted.resize(megabytes: 40)
    #expect(try Program.lraTrain.run(wide, in: disk).exit <= 1)
    let whole = try trainingFolder()
    _ = try Program.lraTrain.run(wide, in: whole.path)
    #expect(try Computed(disk, step: 60) == Computed(whole.path, step: 60))
  }
}
