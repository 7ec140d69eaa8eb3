import Foundation
import Testing
import ToolRunner

@Suite("lra-train bench", .serialized)
struct BenchTests {
  private let tiny = [
    "bench", "--batch", "1", "--steps", "2", "--recipe", "small", "--precision", "float32",
    "--threads", "2",
  ]

  @Test("every case has speed, memory and the paper's figure; exponents are fitted over lengths")
  func cases() throws {
    let folder = try TemporaryFolder()
    let outcome = try Program.lraTrain.run(
      tiny + ["--models", "transformer,fnet", "--lengths", "40,1k", "--json", "--quiet"],
      in: folder.path)
    #expect(outcome.exit == 0 && outcome.error == "", "\(outcome.error)")
    let json = try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    #expect(
      Set(json.keys) == [
        "schema", "command", "cases", "exponents", "memory_exponents", "failures", "machine",
        "batch", "precision", "recipe",
      ])
    let cases = try #require(json["cases"] as? [[String: Any]])
    #expect(cases.map { $0["model"] as? String } == ["transformer", "transformer", "fnet", "fnet"])
    #expect(cases.map { $0["length"] as? Int } == [40, 1000, 40, 1000])
    for found in cases {
      let speed = try #require(found["steps_per_s"] as? [String: Double])
      let (least, middle, most) = (speed["min"] ?? 0, speed["median"] ?? 0, speed["max"] ?? 0)
      #expect(0 < least && least <= middle && middle <= most)
      #expect(found["peak_bytes"] as? Int ?? 0 > 100_000)
      let (step, forward) = (found["flops"] as? Double ?? 0, found["forward_flops"] as? Double ?? 0)
      #expect(forward > 100_000 && step > 2 * forward && step <= 3 * forward, "\(step) \(forward)")
      #expect((1...3).contains(found["measured"] as? Int ?? 0))
      let load = try #require(found["other_load"] as? Double)
      #expect((0...1).contains(load) && (load <= 0.1 || found["disturbed"] as? Bool == true))
    }
    #expect(cases.map { $0["paper"] as? Double } == [nil, 8.1, nil, nil])
    #expect(cases.allSatisfy { $0.keys.contains("paper") })
    let exponents = try #require(json["exponents"] as? [String: Double])
    #expect(Set(exponents.keys) == ["transformer", "fnet"])
  }

  @Test("a case that cannot be measured is named, the others are measured, and the exit code is 1")
  func failure() throws {
    // A million tokens want a matrix of 8 TB, which no machine gives.
    let folder = try TemporaryFolder()
    let outcome = try Program.lraTrain.run(
      tiny + ["--models", "synthesizer", "--lengths", "40,1000000"], in: folder.path)
    #expect(outcome.exit == 1)
    #expect(outcome.output.hasPrefix("synthesizer "), "\(outcome.output)")
    #expect(outcome.error.hasPrefix("synthesizer at 1 000 000: "), "\(outcome.error)")
    let unknown = try Program.lraTrain.run(
      tiny + ["--models", "fnett", "--lengths", "40"], in: folder.path)
    #expect(unknown.exit == 64 && unknown.error.hasPrefix("error: model fnett is unknown"))
  }
}
