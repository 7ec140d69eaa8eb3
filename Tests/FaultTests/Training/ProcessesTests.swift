import Foundation
import Testing
import ToolRunner

/// A port that nobody uses at this moment.
private func freePort(in folder: String) throws -> String {
  let found = try Program.python(
    "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])",
    in: folder)
  return found.output.trimmingCharacters(in: .whitespacesAndNewlines)
}

/// Starts one process of several.
private func start(
  _ arguments: [String], rank: Int, of world: Int, port: String, in folder: String
) throws -> Program.Running {
  let launch = [
    "RANK=\(rank)", "WORLD_SIZE=\(world)", "MASTER_ADDR=127.0.0.1", "MASTER_PORT=\(port)",
  ]
  return try Program(path: "/usr/bin/env").start(
    launch + [Program.lraTrain.path] + arguments, in: folder)
}

/// Runs all processes to their ends.
private func run(_ arguments: [String], processes world: Int, in folder: String) throws -> [Outcome]
{
  let port = try freePort(in: folder)
  let all = try (0..<world).map {
    try start(arguments, rank: $0, of: world, port: port, in: folder)
  }
  return try all.map { try $0.wait() }
}

@Suite("training on several processes", .serialized)
struct ProcessesTests {
  /// Ten steps with every dropout, clipping and decay; the last batch of an epoch has 9 examples.
  private let options = [
    "--quiet", "--threads", "1", "--precision", "float64", "--set", "train.num_train_steps=10",
    "--set", "eval.eval_frequency=5", "--set", "train.batch_size=32", "--set",
    "data.bucket_batches=2", "--set", "schedule.warmup=2", "--set",
    "optimizer.learning_rate=0.003", "--set", "optimizer.grad_clip_norm=1", "--set",
    "optimizer.weight_decay=0.01",
  ]

  private func folder() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    let made = try Program.lraData.run(
      [
        "gen", "listops", "--len", "64", "--max-depth", "3", "--max-args", "5", "--train", "105",
        "--validation", "34", "--test", "10", "--quiet",
      ], in: folder.path)
    try #require(made.exit == 0, "\(made.error)")
    return folder
  }

  /// Batch norm over all processes; with two examples a step one of three has none.
  private static let batchNorm = [
    "--model", "s4d", "--set", "model.norm_type=batch", "--set", "model.mixer.d_state=8", "--set",
    "train.accumulate=1",
  ]

  @Test(
    "1, 2 and 3 processes give the same losses, accuracies and weights to 1e-10",
    arguments: [[], batchNorm, batchNorm + ["--set", "train.batch_size=2"]])
  func same(own: [String]) throws {
    let folder = try folder()
    let options = options + own
    for world in 1...3 {
      let outcomes = try run(options + ["--out", "w\(world)"], processes: world, in: folder.path)
      for (rank, outcome) in outcomes.enumerated() {
        #expect(outcome.exit == 0, "\(outcome.error)")
        if rank > 0 { #expect(outcome.output + outcome.error == "") }
      }
    }
    let compared = try Program.python(
      """
      import glob, json, numpy, struct
      def lines(world):
        rows = map(json.loads, open(glob.glob(f"w{world}/*/metrics.jsonl")[0]))
        return [(r["split"], r["step"], r["accuracy"], r["loss"]) for r in rows]
      def weights(world):
        data = open(glob.glob(f"w{world}/*/checkpoints/step-00000010/model.safetensors")[0], "rb").read()
        size, = struct.unpack("<Q", data[:8])
        header = json.loads(data[8:8 + size])
        header.pop("__metadata__")
        assert all(tensor["dtype"] == "F64" for tensor in header.values())
        return numpy.frombuffer(data[8 + size:])
      for world in 2, 3:
        assert len(lines(1)) == len(lines(world)) >= 13
        for a, b in zip(lines(1), lines(world)):
          assert a[:3] == b[:3] and abs(a[3] - b[3]) < 1e-10, (a, b)
        print(abs(weights(1) - weights(world)).max())
        assert abs(weights(1) - weights(world)).max() < 1e-10
      """, in: folder.path)
    #expect(compared.exit == 0, "\(compared.error)")
  }

  @Test("a killed process ends the others with a clear error; another number of them goes on")
  func killed() throws {
    let folder = try folder()
    let long = options + ["--set", "train.num_train_steps=4000", "--set", "eval.checkpoint_freq=5"]
    let port = try freePort(in: folder.path)
    let all = try (0..<3).map {
      try start(long, rank: $0, of: 3, port: port, in: folder.path)
    }
    all[0].wait { metricsLines(folder.path) >= 20 }
    all[1].send(SIGKILL)
    for rank in [0, 2] {
      let outcome = try all[rank].wait()
      #expect(outcome.exit == 1)
      #expect(
        outcome.error.hasPrefix("error: another process of this run is gone: "), "\(outcome.error)")
      #expect(
        outcome.error.hasSuffix(
          "see its own message; the same command goes on from the last checkpoint\n"))
    }
    let run = try runName(folder.path)
    let state = try Program.python(
      "import sqlite3; print(*sqlite3.connect('data.sqlite').execute('SELECT state FROM run'))",
      in: folder.path)
    #expect(state.output == "('interrupted',)\n")
    let again = try freePort(in: folder.path)
    let two = try (0..<2).map {
      try start(["resume", run, "--quiet"], rank: $0, of: 2, port: again, in: folder.path)
    }
    let before = metricsLines(folder.path)
    two[0].wait { metricsLines(folder.path) >= before + 10 }
    two[1].send(SIGTERM)  // whichever is asked, all stop at the same step
    let first = try two[0].wait()
    #expect(first.error.contains(" of 4 000 is safe in \(run)\n"), "\(first.error)")
    #expect(try first.exit == 143 && two[1].wait().exit == 143)
  }

  @Test("a launcher's variables that say nothing sensible are an error")
  func variables() throws {
    let folder = try folder()
    let wrong = try start(options, rank: 3, of: 2, port: "1", in: folder.path).wait()
    #expect(wrong.exit == 64)
    #expect(
      wrong.error == """
        error: RANK is 3; it is a number from 0 to 1
        start the processes with torchrun or srun, which set it

        """)
  }
}
