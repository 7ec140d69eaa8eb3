import Testing

@testable import Train

@Suite("the verdict of a reproduction")
struct ReproductionRowTests {
  private func facts(_ change: (inout ReproductionRow.Facts) -> Void = { _ in })
    -> ReproductionRow.Facts
  {
    var facts = ReproductionRow.Facts(
      value: .init(
        task: "listops", model: "transformer", percent: 37.1, source: "a paper", certainty: .read),
      dataset: "listops-2k", usualDataset: "listops-2k",
      steps: .init(ours: 5000, published: 5000), testExamples: .init(ours: 2000, published: 1984),
      seeds: 3)
    change(&facts)
    return facts
  }

  private func runs(_ tests: Double?..., state: SweepRun.State = .finished) -> [ReproductionRow.Run]
  {
    tests.enumerated().map { seed, test in
      .init(seed: seed, state: test == nil ? .waiting : state, test: test, run: "runs/\(seed)")
    }
  }

  @Test("a difference whose interval includes 0 agrees, another one differs by it")
  func agreement() {
    let near = ReproductionRow(facts(), runs(0.37, 0.372, 0.374))
    #expect(near.difference?.agrees == true)
    #expect(near.verdict == "agrees: difference +0.1 [-3.1, +3.3]", "\(near.verdict)")
    #expect(near.ours?.seeds == 3 && near.published == 0.371)
    let far = ReproductionRow(facts(), runs(0.198, 0.2, 0.202))
    #expect(far.difference?.agrees == false)
    #expect(far.verdict == "differs by -17.1 [-20.0, -14.2]", "\(far.verdict)")
  }

  @Test("deviation between seeds widens the interval until what differs agrees")
  func deviation() {
    let steady = ReproductionRow(facts(), runs(0.31, 0.31, 0.31))
    let shaky = ReproductionRow(facts(), runs(0.26, 0.31, 0.36))
    #expect(steady.ours?.mean == shaky.ours?.mean)
    #expect(steady.difference?.agrees == false && shaky.difference?.agrees == true)
    let wide = "; an interval this wide says little"
    #expect(shaky.verdict.hasSuffix(wide), "\(shaky.verdict)")
    let lower = ReproductionRow(facts(), runs(0.12, 0.13, 0.16))
    #expect(lower.difference.map { $0.ci95[1] - $0.ci95[0] > 0.1 } == true)
    #expect(!lower.verdict.contains(wide), "\(lower.verdict)")
  }

  @Test("more published runs make the interval narrower when seeds deviate")
  func publishedRuns() throws {
    let one = ReproductionRow(facts(), runs(0.36, 0.37, 0.38))
    let three = ReproductionRow(facts { $0.publishedRuns = 3 }, runs(0.36, 0.37, 0.38))
    let (wide, narrow) = (try #require(one.difference).ci95, try #require(three.difference).ci95)
    #expect(wide[1] - wide[0] > narrow[1] - narrow[0] + 0.01)
  }

  @Test("whatever limits the comparison stands in the verdict")
  func notes() {
    let short = facts {
      $0.steps.ours = 12
      $0.testExamples.ours = 40
      $0.dataset = "listops-64"
      $0.overrides = ["train.batch_size=8"]
      $0.value.certainty = .memory
    }
    let row = ReproductionRow(short, runs(0.4, nil, nil))
    #expect(
      row.verdict == "agrees: difference +2.9 [-10.9, +18.4]; an interval this wide says little; "
        + "12 of 5 000 steps; 40 of 1 984 test examples; dataset listops-64; overridden: train.batch_size=8; 1 of 3 seeds; one seed: the "
        + "intervals do not cover seeds; the published value is from memory, unverified",
      "\(row.verdict)")
    let longer = ReproductionRow(facts { $0.steps.ours = 9000 }, runs(0.37, 0.371, 0.372))
    #expect(longer.verdict.hasSuffix("; 9 000 steps, published 5 000"), "\(longer.verdict)")
  }

  @Test("runs on the plateau count and are named, as are those that diverged or failed")
  func states() {
    var own = runs(0.17, 0.17, 0.37)
    own[0].state = .plateau
    own[1].state = .plateau
    let stuck = ReproductionRow(facts(), own)
    #expect(stuck.ours?.seeds == 3 && abs((stuck.ours?.mean ?? 0) - 0.71 / 3) < 1e-12)
    #expect(stuck.verdict.hasSuffix("; 2 of 3 runs stayed on the plateau"), "\(stuck.verdict)")
    own[2] = .init(seed: 2, state: .diverged, test: nil, run: "runs/2")
    let lost = ReproductionRow(facts(), own)
    #expect(
      lost.verdict.hasSuffix(
        "; 2 of 3 seeds; 2 of 3 runs stayed on the plateau; 1 of 3 runs diverged"),
      "\(lost.verdict)")
  }

  @Test("without a result there is no verdict but the reason")
  func notRun() {
    let waiting = ReproductionRow(facts(), runs(nil, nil, nil))
    #expect(waiting.verdict == "not run: 3 of 3 runs unfinished")
    var own = runs(nil, nil, nil)
    own[0].state = .failed
    #expect(
      ReproductionRow(facts(), own).verdict
        == "not run: 2 of 3 runs unfinished, 1 of 3 runs failed")
    let none = facts {
      $0.testExamples.ours = nil
      $0.reason = "no dataset text in data.sqlite"
    }
    let row = ReproductionRow(none, [])
    #expect(row.verdict == "not run: no dataset text in data.sqlite")
    #expect(row.ours == nil && row.difference == nil)
  }
}
