import Testing

@testable import Train

@Suite struct PermutationTests {
  @Test(
    "every value comes exactly once",
    arguments: [0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33, 64, 100, 255, 256, 257, 1000, 4097, 96_000])
  func bijection(count: Int) {
    for epoch in 0..<3 {
      let permutation = Permutation(count: count, seed: 7, stream: epoch)
      #expect((0..<count).map { permutation[$0] }.sorted() == Array(0..<count))
    }
  }

  @Test("it depends on the seed and on the epoch only")
  func keyed() {
    func order(_ seed: Int, _ epoch: Int) -> [Int] {
      let permutation = Permutation(count: 500, seed: seed, stream: epoch)
      return (0..<500).map { permutation[$0] }
    }
    #expect(order(0, 0) == order(0, 0))
    #expect(order(0, 0) != order(0, 1) && order(0, 0) != order(1, 0) && order(0, 1) != order(1, 0))
  }

  @Test("its order is pinned, so that a run can be repeated by later versions")
  func pinned() {
    let permutation = Permutation(count: 96_000, seed: 0, stream: 0)
    #expect((0..<6).map { permutation[$0] } == [73085, 28080, 72266, 70174, 49345, 54578])
  }

  @Test("places and values look unrelated")
  func unrelated() {
    let count = 10_000
    let permutation = Permutation(count: count, seed: 1, stream: 0)
    var fixed = 0
    var neighbours = 0
    var sum = 0.0
    for place in 0..<count {
      let value = permutation[place]
      if value == place { fixed += 1 }
      if place > 0, abs(value - permutation[place - 1]) == 1 { neighbours += 1 }
      sum += (Double(place) / Double(count) - 0.5) * (Double(value) / Double(count) - 0.5)
    }
    #expect(fixed < 10 && neighbours < 12)
    #expect(abs(sum / Double(count) * 12) < 0.05)
  }

  @Test("small counts reach all their orders about equally often")
  func smallCounts() {
    var seen: [[Int]: Int] = [:]
    for seed in 0..<6000 {
      let permutation = Permutation(count: 3, seed: seed, stream: 0)
      seen[(0..<3).map { permutation[$0] }, default: 0] += 1
    }
    #expect(seen.count == 6)
    #expect(seen.values.allSatisfy { (800...1200).contains($0) })
  }
}
