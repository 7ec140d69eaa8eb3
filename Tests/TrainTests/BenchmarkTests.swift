import Tensors
import Testing

@testable import Train

@Suite(.serialized) struct BenchmarkTests {
  private func benchmark() throws -> Benchmark {
    var request = RecipeRequest(task: "text")
    (request.recipe, request.model) = ("small", "linear")
    request.settings = ["data.max_length=32", "train.batch_size=2", "train.accumulate=1"]
    return try Benchmark(request.resolve(), steps: 1, warmup: 1)
  }

  /// The loss after every round of so many steps.
  private func losses(
    rounds: [Int], ready: (Int, Double) -> Void = { _, _ in }
  ) throws -> [Double] {
    var left = rounds[...]
    var found: [Double] = []
    try benchmark().pace(
      device: .cpu, ready: ready, next: { left.popFirst() },
      done: { loss, peak in
        found.append(loss)
        #expect(peak >= 0)
      })
    return found
  }

  @Test("steps that are asked for one round after the other are the steps of one long round")
  func rounds() throws {
    let apart = try losses(rounds: [1, 2, 3])
    #expect(apart.count == 3 && Set(apart).count == 3)
    #expect(try losses(rounds: [6]) == [apart[2]])
    #expect(try losses(rounds: []).isEmpty)
  }

  @Test("a measurement and a paced run tell the same sizes")
  func sizes() throws {
    let found = try benchmark().run(device: .cpu)
    _ = try losses(rounds: []) { parameters, flops in
      #expect(parameters == found.parameters && flops == found.flops)
    }
  }
}
