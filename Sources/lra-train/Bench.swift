import ArgumentParser
import Attention
import Console
import Foundation
import Train

/// `lra-train bench`: steps per second and peak memory by length, each case in its own process.
struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure training steps per second and peak memory at several lengths.",
    discussion: """
      Byte-level text, as in the paper's efficiency table; every row has the full length. Quote \
      medians, on a machine that does nothing else: a case that other work disturbed is measured \
      again, up to three times, and marked if it stays so. Operations (flop) are counted as they run, \
      forward and backward: matrix products, convolutions, Fourier transforms and attention, a \
      multiplication with its addition as two; elementwise work is left out. lra-train report --bench shows the JSON.
      """)

  @OptionGroup var place: DeviceOptions
  @Flag(help: "Print one JSON object instead of text.") var json = false
  @Flag(help: "Print no progress.") var quiet = false
  @Option(help: "Lengths in tokens, comma separated; k is 1000.") var lengths = "1k,2k,3k,4k"
  @Option(help: "Models, comma separated, or all.") var models = "all"
  @Option(help: "Rows of a batch.") var batch = 4
  @Option(help: "float32 or bfloat16.") var precision = "bfloat16"
  @Option(help: "Steps that count, after two that do not.") var steps = 10
  @Option(help: "A protocol (released, small, ...) or a YAML file.") var recipe = "released"
  @Option(
    name: .customLong("set"), parsing: .singleValue, help: "Override a recipe key (repeatable).")
  var settings: [String] = []
  @Flag(name: .customLong("in-process"), help: .hidden) var inProcess = false

  struct Output: Codable {
    struct Failed: Codable {
      var model: String
      var length: Int
      var message: String
    }
    var cases: [Benchmark.Case]
    var exponents: [String: Double] = [:]
    var memoryExponents: [String: Double] = [:]
    var failures: [Failed] = []
    var machine = ""
    var batch = 0
    var precision = ""
    var recipe = ""
  }

  func run() throws {
    guard steps > 0, batch > 0 else { throw Failure.usage("--steps and --batch are at least 1") }
    let names = models == "all" ? mechanisms.map(\.name) : list(models)
    let sizes = try list(lengths).map(tokens)
    guard !names.isEmpty, !sizes.isEmpty else {
      throw Failure.usage("--models and --lengths name at least one each")
    }
    if inProcess { return try measureHere(names, sizes) }
    let found = try measureAll(names, sizes)
    if json {
      try JSONOutput.print(command: "bench", found)
    } else {
      for (model, exponent) in found.exponents.sorted(by: { $0.key < $1.key }) {
        let memory = found.memoryExponents[model].map {
          ", memory as L^\(Format.fraction($0, 2))"
        }
        Terminal.out("\(model): time grows as L^\(Format.fraction(exponent, 2))\(memory ?? "")")
      }
      if !quiet {
        Terminal.err("Next: lra-train bench --json > bench.json, then report --bench bench.json")
      }
    }
    if !found.failures.isEmpty { throw ExitStatus(1) }
  }

  private func measureAll(_ names: [String], _ sizes: [Int]) throws -> Output {
    let progress = ProgressLine(quiet: quiet)
    var found = Output(cases: [], batch: batch, precision: precision, recipe: recipe)
    for name in names {
      for length in sizes {
        progress.show {
          "\(found.cases.count)/\(names.count * sizes.count)  \(name)  \(Format.count(length))"
        }
        do {
          let one = try measured(name, length)
          found.machine = one.machine
          found.cases += one.cases
          let reference = found.cases.first { $0.model == "transformer" && $0.length == length }
          progress.clear()
          if !json { for found in one.cases { Terminal.out(line(found, reference)) } }
        } catch let failure as Failure where failure.exitCode == 1 {
          progress.clear()
          found.failures.append(.init(model: name, length: length, message: failure.message))
          Terminal.err("\(name) at \(Format.count(length)): \(failure.message)")
        }
      }
    }
    let byModel = Dictionary(grouping: found.cases, by: \.model)
    found.exponents = byModel.compactMapValues(Benchmark.exponent)
    found.memoryExponents = byModel.compactMapValues(Benchmark.memoryExponent)
    return found
  }

  private func tokens(_ text: String) throws -> Int {
    let thousands = text.hasSuffix("k")
    guard let number = Int(thousands ? String(text.dropLast()) : text), number > 0,
      number <= 1_000_000
    else { throw Failure.usage("--lengths: \(text) is not a length", next: "write 1024 or 4k") }
    return thousands ? number * 1000 : number
  }

  private func measureHere(_ names: [String], _ sizes: [Int]) throws {
    // A parent that was killed leaves nothing behind; there is nothing to save.
    let interruption = Interruption(onSignal: { _ in _exit(143) })
    defer { withExtendedLifetime(interruption) {} }
    interruption.endWithParent()
    var request = RecipeRequest(task: "text")
    request.recipe = recipe
    request.model = names[0]
    request.precision = precision
    request.settings =
      ["train.accumulate=1"] + settings
      + ["data.max_length=\(sizes[0])", "train.batch_size=\(batch)"]
    let resolved = try request.resolve(note: Terminal.err)
    try resolved.check()
    let device = try place.start()
    let found = try Benchmark(resolved, steps: steps).run(device: device)
    try JSONOutput.print(
      command: "bench", Output(cases: [found], machine: Machine(device: device).description))
  }

  /// A case in processes of its own until none disturbs it, three at most; the least disturbed counts.
  private func measured(_ model: String, _ length: Int) throws -> Output {
    var best = try measureApart(model, length)
    var count = 1
    while best.cases.first?.disturbed == true, count < 3 {
      let again = try measureApart(model, length)
      count += 1
      let (old, new) = (best.cases.first, again.cases.first)
      let isBetter =
        new?.disturbed == false || (new?.otherLoad ?? 1) < (old?.otherLoad ?? 1)
      if isBetter { best = again }
    }
    for index in best.cases.indices { best.cases[index].measured = count }
    return best
  }

  private func measureApart(_ model: String, _ length: Int) throws -> Output {
    let child = try ChildRun(
      [
        "bench", "--in-process", "--json", "--models", model, "--lengths", String(length),
        "--batch", String(batch), "--precision", precision, "--steps", String(steps), "--recipe",
        recipe, "--device", place.device,
      ] + (place.threads.map { ["--threads", String($0)] } ?? [])
        + settings.flatMap { ["--set", $0] }, quiet: false)
    let data = child.wait()
    if let problem = ChildRun.problem(in: data) {
      throw Failure(
        exitCode: problem.exit, codeName: problem.code, problem.message, next: problem.next)
    }
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    guard let found = try? decoder.decode(Output.self, from: data), !found.cases.isEmpty else {
      throw Failure(
        exitCode: 1, codeName: "failure", "it ended without a result: out of memory?",
        next: "try a smaller --batch")
    }
    return found
  }

  private func line(_ found: Benchmark.Case, _ reference: Benchmark.Case?) -> String {
    let rate = found.stepsPerS
    func right(_ text: String, _ width: Int) -> String { Format.pad(text, width, right: true) }
    var text =
      Format.pad(found.model, 23) + right(Format.count(found.length), 7)
      + right(Format.fraction(rate.median, 3), 9) + " steps/s "
      + right("[\(Format.fraction(rate.min, 3)), \(Format.fraction(rate.max, 3))]", 18)
      + right(Format.bytes(found.peakBytes), 9)
    if let forward = found.forwardPerS {
      text += "  forward " + right(Format.fraction(forward.median, 2), 6) + "/s"
    }
    if let flops = found.flops {
      text += right(Format.short(flops), 8) + " flop/step"
    }
    if let reference {
      text += "  ×\(Format.fraction(rate.median / reference.stepsPerS.median, 2))"
      if let paper = Benchmark.paperRatio(found.model, length: found.length) {
        text += " (paper ×\(Format.fraction(paper, 2)))"
      }
    } else if let paper = found.paper {
      text += "  paper \(Format.fraction(paper, 1))"
    }
    return text + (found.disturbed == true ? "  disturbed" : "")
  }
}
