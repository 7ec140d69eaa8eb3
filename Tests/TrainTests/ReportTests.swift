import Datasets
import Foundation
import Testing

@testable import Train

@Suite("the parts of a report")
struct ReportTests {
  @Test("what is put into markup is escaped, other markup is not")
  func markup() {
    let name = "<b>\"a\" & 'b'</b>\u{1}"
    let inner: Markup = "<i>\(name)</i>"
    let outer: Markup = "<p title=\"\(name)\">\(inner)\(1.5)</p>"
    let safe = "&lt;b&gt;&quot;a&quot; &amp; &#39;b&#39;&lt;/b&gt;\u{FFFD}"
    #expect(outer.text == "<p title=\"\(safe)\"><i>\(safe)</i>1.5</p>")
    #expect(("\(Double.nan) \(2.0) \(1.0 / 3)" as Markup).text == "0 2 0.33")
  }

  @Test(
    "ticks are round, in range and at least two",
    arguments: [
      (0.0, 1.0), (17.3, 37.4), (5, 5), (0.0001, 0.0002), (-3, 1e6),
    ])
  func ticks(least: Double, most: Double) {
    let axis = Axis([least, most]) { $0.short }
    #expect((2...9).contains(axis.ticks.count), "\(axis.ticks)")
    #expect(axis.lower <= least && axis.upper >= most)
    #expect(axis.place(axis.lower) == 0 && axis.place(axis.upper) == 1)
    let places = axis.ticks.map { axis.place($0.value) }
    #expect(places == places.sorted() && places.allSatisfy { (0...1).contains($0) })
  }

  @Test("a logarithmic axis has decades at equal distances")
  func logarithm() {
    let axis = Axis([1, 1000], log: true) { $0.short }
    #expect(abs(axis.place(10) - 1 / 3.0) < 1e-12 && abs(axis.place(100) - 2 / 3.0) < 1e-12)
    let one = Axis([7], log: true) { $0.short }
    #expect(one.lower < 7 && one.upper > 7 && (0...1).contains(one.place(7)))
  }

  @Test("labels that would overlap move apart and stay inside")
  func labels() {
    let places = Plot.apart([10, 11, 12, 99, 100], by: 12, within: 0...100)
    #expect(zip(places, places.dropFirst()).allSatisfy { $1 - $0 >= 12 - 1e-9 })
    #expect(places.last == 100)
  }

  @Test("names of discs at one place all find room, none over another")
  func discs() {
    let labels = (0..<12).map {
      PlotLabel(number: $0, text: "model \($0)", x: 200, y: 150, radius: 10)
    }
    let area = PlotLabel.Box(left: 50, top: 10, right: 480, bottom: 290)
    let text = PlotLabel.placed(labels, in: area).text
    let places = text.matches(of: #/<text class="label c\d" x="([0-9.]+)" y="([0-9.]+)">/#).map {
      (x: Double($0.1) ?? 0, y: Double($0.2) ?? 0)
    }
    #expect(places.count == 12)
    for (number, one) in places.enumerated() {
      for other in places[..<number] {
        #expect(abs(one.y - other.y) >= 12 || abs(one.x - other.x) >= 42)
      }
    }
  }

  @Test("beneath a protocol stands the study of its configuration, else LRA's own table")
  func published() {
    for (name, table) in [
      ("small", "nystromformer"), ("skyformer", "skyformer"), ("released", "lra"), ("paper", "lra"),
    ] {
      #expect(PublishedResults.of(protocol: name).table.name == table)
    }
    let paper = PublishedResults.of(protocol: "paper")
    #expect(abs((paper.averageOfSix("transformer") ?? 0) - 53.66) < 0.006)
    #expect(PublishedResults.of(protocol: "small").averageOfSix("transformer") == nil)
    #expect(paper.value("transformer", "pathx") == nil)
  }

  @Test("the exponents of time and memory are fitted in logarithms")
  func exponents() {
    let cases = [1000, 2000, 4000].map { length in
      Benchmark.Case(
        model: "m", length: length,
        stepsPerS: .init([1e6 / Double(length * length)]), peakBytes: length * 50, loss: 0)
    }
    #expect(abs((Benchmark.exponent(cases) ?? 0) - 2) < 1e-9)
    #expect(abs((Benchmark.memoryExponent(cases) ?? 0) - 1) < 1e-9)
    #expect(Benchmark.exponent([cases[0]]) == nil)
    #expect(abs((Benchmark.paperRatio("local", length: 4096) ?? 0) - 7.4 / 1.4) < 1e-9)
    #expect(Benchmark.paperRatio("fnet", length: 4096) == nil)
  }

  @Test("the arguments of a recipe give that recipe again")
  func arguments() throws {
    let run = try TinyRun { recipe in
      recipe.optimizer.gradClipNorm = 0.5
      recipe.model.modelType = "linformer"
      recipe.train.randomSeed = 7
      recipe.completeAttention()
    }
    var words = run.recipe.arguments
    #expect(
      words.prefix(8) == [
        "--task", "listops", "--dataset", "tiny", "--model", "linformer", "--recipe", "small",
      ])
    var request = RecipeRequest(task: "listops")
    request.dataset = .init(name: "tiny", maxLength: 48, named: true)
    request.model = "linformer"
    request.seed = 7
    words.removeFirst(10)
    request.settings = words.filter { $0 != "--set" }
    #expect(try request.resolve() == run.recipe)
  }

  @Test("beneath a ListOps accuracy stands the paired test against the first-token rule")
  func pairedTest() throws {
    let run = try TinyRun()
    let table = RunTable(at: run.database)
    for (name, counts) in [("s4", (5.0, 1.0)), ("weak", (10, 50))] {
      try table.write(
        RunRecord(
          name: name, dataset: "listops-2k", contentDigest: [1], recipe: Scoring.mark + "\n",
          recipeSHA256: [1], seed: 0, machine: "elsewhere", state: .finished, path: "\(name).npy"),
        [("accuracy", 0.4), ("only_model", counts.0), ("only_first_token", counts.1)].map {
          MetricRecord(step: 0, split: "test", name: $0.0, value: $0.1)
        })
    }
    let text = Leaderboard(try ReportData(database: run.database, benches: [])).markup([]).text
    #expect(text.contains("<b>40.00</b><br><small>above first token, p = 0.219</small>"))
    #expect(text.contains("<small>not above first token, p = 1.6e-07</small>"), "\(text)")
  }

  @Test("the best model stands first, one without a result last")
  func order() throws {
    let run = try TinyRun()
    let table = RunTable(at: run.database)
    for (name, accuracy) in [("none", nil), ("low", 0.3), ("high", 0.5), ("low too", 0.3)] {
      let metrics = accuracy.map {
        [MetricRecord(step: 0, split: "test", name: "accuracy", value: $0)]
      }
      try table.write(
        RunRecord(
          name: name, dataset: "listops-2k", contentDigest: [1], recipe: Scoring.mark + "\n",
          recipeSHA256: [1], seed: 0, machine: "elsewhere", state: .finished, path: "\(name).npy"),
        metrics ?? [])
    }
    let text = Leaderboard(try ReportData(database: run.database, benches: [])).markup([]).text
    let places = try ["high", "low<", "low too", "none"].map {
      try #require(text.range(of: "<th scope=\"row\">\($0)")?.lowerBound)
    }
    #expect(places == places.sorted())
  }

  @Test("averages need all tasks; a Path-X that never left its plateau counts as 50")
  func averages() throws {
    let run = try TinyRun()
    let table = RunTable(at: run.database)
    let names = [
      ("listops", "listops-2k"), ("text", "text"), ("retrieval", "retrieval"), ("image", "image"),
      ("pathfinder", "pathfinder32-hard"), ("pathx", "pathfinder128-hard"),
    ]
    func page() throws -> String {
      Leaderboard(try ReportData(database: run.database, benches: [])).markup([]).text
    }
    for (number, (task, dataset)) in names.enumerated() {
      var recipe = Recipe()
      recipe.task = task
      recipe.data.dataset = dataset
      let state: RunRecord.State = task == "pathx" ? .plateau : .finished
      for seed in 0..<2 {
        recipe.train.randomSeed = seed
        let name = "\(task)-\(seed)"
        let value = 0.3 + 0.1 * Double(number) + (seed == 0 ? -0.01 : 0.01)
        try table.write(
          RunRecord(
            name: name, dataset: dataset, contentDigest: [1], recipe: recipe.yaml,
            recipeSHA256: [UInt8](recipe.digest), seed: seed, machine: "m", state: state,
            path: "runs/\(name)"),
          [("validation", 0.2), ("test", value)].map {
            MetricRecord(step: 5, split: $0.0, name: "accuracy", value: $0.1)
          })
      }
      let text = try page()
      #expect(text.contains("± 1.41 <small>(2)</small>"))
      #expect(
        text.contains("<b>50.00</b><br><span class=\"published\">58.77</span>") == (number >= 4))
    }
    let text = try page()
    // Five tasks: 30, 40, 50, 60, 70; Path-X, though 80 on the test split, never left its plateau.
    #expect(text.contains("<b>50.00</b></td></tr>"), "\(text)")
    #expect(text.contains("<span class=\"state\">plateau 2/2</span>"))
    #expect(text.contains("<span class=\"published\">37.10</span>"))
  }
}
