import Foundation
import Testing
import ToolRunner

/// A small training with dropout, evaluations and a checkpoint after every second step.
let training = [
  "--quiet", "--threads", "2", "--set", "train.num_train_steps=60", "--set",
  "eval.eval_frequency=15", "--set", "eval.checkpoint_freq=2", "--set", "train.batch_size=8",
  "--set", "data.bucket_batches=4", "--set", "schedule.warmup=10", "--set",
  "optimizer.learning_rate=0.003",
]

/// A folder with a dataset to train on.
func trainingFolder() throws -> TemporaryFolder {
  let folder = try TemporaryFolder()
  let made = try Program.lraData.run(trainingData, in: folder.path)
  try #require(made.exit == 0, "\(made.error)")
  return folder
}

let trainingData = [
  "gen", "listops", "--len", "128", "--train", "200", "--validation", "40", "--test", "40",
  "--quiet",
]

/// The only run in a folder.
func runName(_ folder: String) throws -> String { try #require(runThere(folder)) }

/// The run in a folder, nil before there is one.
func runThere(_ folder: String) -> String? {
  let runs = try? FileManager.default.contentsOfDirectory(atPath: folder + "/runs")
  return runs?.first.map { "runs/" + $0 }
}

/// What a run computed: the lines of metrics without times, the tensors of its last step.
struct Computed: Equatable {
  let metrics: [String]
  let model: Data
  let optimizer: Data

  init(_ folder: String, step: Int) throws {
    let run = folder + "/" + (try runName(folder))
    metrics = try String(contentsOfFile: run + "/metrics.jsonl", encoding: .utf8)
      .split(separator: "\n").map { String($0).replacing(#/"seconds".*/#, with: "") }
    let checkpoint = run + "/checkpoints/step-" + String(format: "%08d", step)
    let read = { (name: String) in
      try Data(contentsOf: URL(fileURLWithPath: "\(checkpoint)/\(name).safetensors"))
    }
    model = try read("model")
    optimizer = try read("optimizer")
  }

  /// The steps that were trained.
  var steps: [Int] {
    metrics.compactMap { line in
      line.contains(#""split": "train""#)
        ? line.firstMatch(of: #/"step": ([0-9]+)/#).flatMap { Int($0.1) } : nil
    }
  }
}

/// How many lines of metrics a folder's run has; 0 before it exists.
func metricsLines(_ folder: String) -> Int {
  guard let run = runThere(folder),
    let bytes = FileManager.default.contents(atPath: "\(folder)/\(run)/metrics.jsonl")
  else { return 0 }
  return bytes.count { $0 == UInt8(ascii: "\n") }
}
