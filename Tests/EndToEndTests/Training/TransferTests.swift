import Foundation
import Testing
import ToolRunner

@Suite("transfer to longer sequences", .serialized)
struct TransferTests {
  /// Prints the names of tensors that differ between two runs' checkpoints by more than a step moves them.
  private let compare = """
    import glob, json, numpy, struct, sys
    def tensors(run):
        data = open(glob.glob(run + "/checkpoints/step-*/model.safetensors")[0], "rb").read()
        size = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8:8 + size])
        return {name: numpy.frombuffer(data[8 + size:][slice(*at["data_offsets"])], "<f4")
                for name, at in header.items() if name != "__metadata__"}
    a, b = tensors(sys.argv[1]), tensors(sys.argv[2])
    assert a.keys() == b.keys()
    print(*sorted(name for name in a
                  if a[name].shape != b[name].shape or abs(a[name] - b[name]).max() > 1e-20))
    """

  private func images(_ folder: TemporaryFolder) throws {
    for length in ["1k", "16k"] {
      let made = try folder.data(
        "gen", "pathfinder", "--len", length, "--train", "4", "--validation", "2", "--test", "2",
        "--quiet")
      try #require(made.exit == 0, "\(made.error)")
    }
  }

  private func train(_ folder: TemporaryFolder, _ task: String, _ more: [String]) throws -> String {
    // A rate so small that hardly a weight moves: what differs afterwards was not taken over.
    let outcome = try Program.lraTrain.run(
      [
        "--task", task, "--model", "linear", "--json", "--quiet", "--set",
        "train.num_train_steps=1", "--set", "train.batch_size=2", "--set", "train.accumulate=1",
        "--set", "optimizer.learning_rate=1e-30",
      ] + more, in: folder.path)
    let json = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
    return try #require(json?["run"] as? String, "\(outcome.output) \(outcome.error)")
  }

  @Test(
    "Path-X begins with Pathfinder-32's weights, all but a table of positions",
    arguments: [("learned", "embed.position.weight"), ("rotary", "")])
  func pathx(position: String, begunAnew: String) throws {
    let folder = try TemporaryFolder()
    try images(folder)
    let words = ["--set", "model.position=\(position)", "--recipe", "small"]
    let short = try train(folder, "pathfinder", words)
    let long = try train(
      folder, "pathx", words + ["--seed", "1", "--set", "train.initial=\(short)"])
    let compared = try Program.python.run(["-c", compare, short, long], in: folder.path)
    #expect(compared.output == "\(begunAnew)\n", "\(compared.error)")
    let log = try String(contentsOfFile: "\(folder.path)/\(long)/log.txt", encoding: .utf8)
    #expect(
      log.contains("begins with \(short) but for embed.position.weight") == !begunAnew.isEmpty)
  }
}
