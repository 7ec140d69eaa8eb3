import Crypto
import Datasets
import Foundation
import Tensors
import Testing

@testable import Train

@Suite("damaged and foreign checkpoints", .serialized)
struct CheckpointTests {
  /// A finished run, and the folder of its last checkpoint.
  private func finished() throws -> (TinyRun, String) {
    let run = try TinyRun { $0.train.numTrainSteps = 4 }
    try run.train()
    return (run, try run.runFolder().checkpointPath(step: 4))
  }

  @Test(
    "a flipped byte in a tensor file is refused with its name",
    arguments: ["model.safetensors", "optimizer.safetensors"], [3, 60, -5])
  func flipped(file: String, place: Int) throws {
    let (run, path) = try finished()
    let url = URL(fileURLWithPath: "\(path)/\(file)")
    var bytes = try Data(contentsOf: url)
    bytes[place < 0 ? bytes.count + place : place] ^= 16
    try bytes.write(to: url)
    let error = #expect(throws: TrainError.self) { try run.trainer() }
    #expect(error?.code.exitCode == 4)
    #expect(error?.message == "\(path)/\(file) does not match its checksum")
    #expect(error?.next == "remove the run's folder and train again")
    let evaluated = #expect(throws: TrainError.self) {
      try Run(run.runFolder().path).checkpoint("last")
    }
    #expect(evaluated == error)
  }

  @Test("a damaged last checkpoint names the earlier one to go on from")
  func earlier() throws {
    let (run, path) = try finished()
    let earlier = try run.runFolder().checkpointPath(step: 2)
    try FileManager.default.createDirectory(atPath: earlier, withIntermediateDirectories: false)
    #expect(truncate("\(path)/model.safetensors", 100) == 0)
    let error = #expect(throws: TrainError.self) { try run.trainer() }
    #expect(error?.next == "remove \(path) to go on from \(earlier)")
  }

  @Test("a state that is missing, cut, changed or of another step is malformed")
  func state() throws {
    let (run, path) = try finished()
    let url = URL(fileURLWithPath: "\(path)/state.json")
    let good = try String(contentsOf: url, encoding: .utf8)
    #expect(good.contains("\"step\" : 4"))
    let bad = [
      "", String(good.dropLast(20)), "[]", good.replacing("\"step\" : 4", with: "\"step\" : 5"),
      good.replacing("\"files\"", with: "\"fils\""),
    ]
    for text in bad {
      try text.write(to: url, atomically: true, encoding: .utf8)
      let error = #expect(throws: TrainError.self) { try run.trainer() }
      #expect(error?.code.exitCode == 65)
      #expect(
        error?.message == "\(path) is not a checkpoint: state.json is not the state of step 4")
    }
    // What still reads as a state is refused by its own checksum.
    for (old, new) in [
      ("\"position\" : 4", "\"position\" : 5"), ("\"loss\" : ", "\"loss\" : 1"),
    ] {
      #expect(good.contains(old))
      try good.replacing(old, with: new).write(to: url, atomically: true, encoding: .utf8)
      let error = #expect(throws: TrainError.self) { try run.trainer() }
      #expect(error?.code.exitCode == 4)
      #expect(error?.message == "\(path)/state.json does not match its checksum")
    }
    try FileManager.default.removeItem(at: url)
    let error = #expect(throws: TrainError.self) { try run.trainer() }
    #expect(error?.message == "\(path) is not a checkpoint: state.json is missing")
  }

  @Test("tensors that are missing, too many or of another shape are refused, digests being right")
  func tensors() throws {
    let (run, path) = try finished()
    let whole = try Safetensors.read("\(path)/model.safetensors").sorted { $0.key < $1.key }
      .map { (name: $0.key, tensor: $0.value) }
    let file = "\(path)/model.safetensors"
    let extra = try Tensor.zeros([3])
    let cases: [([(name: String, tensor: Tensor)], String)] = [
      (
        whole.filter { $0.name != "blocks.0.attn.q.bias" },
        "\(file) has no tensor blocks.0.attn.q.bias"
      ),
      (
        whole + [(name: "blocks.9.x", tensor: extra)],
        "\(file) holds tensor blocks.9.x, which this model does not have"
      ),
      (
        whole.map { $0.name == "head.out.bias" ? (name: $0.name, tensor: extra) : $0 },
        "\(file): tensor head.out.bias has shape [3], expected [10]"
      ),
    ]
    for (tensors, words) in cases {
      try replace("model.safetensors", in: path, Safetensors.encoded(tensors))
      let error = #expect(throws: TensorError.self) { try run.trainer() }
      #expect(error?.code == .malformedFile)
      #expect(error?.message == words)
    }
    try replace("model.safetensors", in: path, Safetensors.encoded(whole))
    #expect(throws: Never.self) { try run.trainer() }
  }

  @Test("the run is not touched by a checkpoint that cannot be read")
  func untouched() throws {
    let (run, path) = try finished()
    let before = try Data(contentsOf: URL(fileURLWithPath: run.runFolder().metricsPath))
    #expect(truncate("\(path)/optimizer.safetensors", 10) == 0)
    #expect(throws: TrainError.self) { try run.trainer() }
    #expect(try Data(contentsOf: URL(fileURLWithPath: run.runFolder().metricsPath)) == before)
    #expect(try run.runFolder().checkpointSteps().last == 4)
  }

  /// Puts other bytes under a file's name, with their digest in the state.
  private func replace(_ file: String, in path: String, _ data: Data) throws {
    let state = URL(fileURLWithPath: "\(path)/state.json")
    let object = try JSONSerialization.jsonObject(with: Data(contentsOf: state))
    var json = try #require(object as? [String: Any])
    var files = try #require(json["files"] as? [String: Any])
    files[file] = [
      "bytes": data.count, "sha256": Digest.hex(Array(SHA256.hash(data: data))),
    ]
    json["files"] = files
    json["sha256"] = nil  // as in early checkpoints
    try JSONSerialization.data(withJSONObject: json).write(to: state)
    try data.write(to: URL(fileURLWithPath: "\(path)/\(file)"))
  }
}
