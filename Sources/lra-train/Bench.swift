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
      medians, on a machine that does nothing else.
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

  private struct Report: Codable {
    var cases: [Benchmark.Case]
    var exponents: [String: Double]
  }

  func run() throws {
    guard steps > 0, batch > 0 else { throw Failure.usage("--steps and --batch are at least 1") }
    let names = models == "all" ? mechanisms.map(\.name) : list(models)
    let sizes = try list(lengths).map(tokens)
    if inProcess { return try measureHere(names, sizes) }
    var cases: [Benchmark.Case] = []
    for name in names {
      for length in sizes {
        let found = try measureApart(name, length)
        cases.append(found)
        if !json { Terminal.out(line(found)) }
      }
    }
    let exponents = Dictionary(grouping: cases, by: \.model).compactMapValues(Benchmark.exponent)
    if json {
      return try JSONOutput.print(
        command: "bench", Report(cases: cases, exponents: exponents))
    }
    for (model, exponent) in exponents.sorted(by: { $0.key < $1.key }) {
      Terminal.out("\(model): time grows as L^\(Format.fraction(exponent, 2))")
    }
  }

  private func list(_ text: String) -> [String] {
    text.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
  }

  private func tokens(_ text: String) throws -> Int {
    let thousands = text.hasSuffix("k")
    guard let number = Int(thousands ? String(text.dropLast()) : text), number > 0,
      number <= 1_000_000
    else { throw Failure.usage("--lengths: \(text) is not a length", next: "write 1024 or 4k") }
    return thousands ? number * 1000 : number
  }

  private func measureHere(_ names: [String], _ sizes: [Int]) throws {
    var request = RecipeRequest(task: "text")
    request.recipe = recipe
    request.model = names[0]
    request.precision = precision
    request.settings = settings + ["data.max_length=\(sizes[0])", "train.batch_size=\(batch)"]
    let resolved = try request.resolve()
    try resolved.check()
    let found = try Benchmark(resolved, steps: steps).run(device: place.start())
    try JSONOutput.print(command: "bench", Report(cases: [found], exponents: [:]))
  }

  /// A case in a process of its own, so that memory and threads of one do not colour another.
  private func measureApart(_ model: String, _ length: Int) throws -> Benchmark.Case {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments =
      [
        "bench", "--in-process", "--json", "--models", model, "--lengths", String(length),
        "--batch", String(batch), "--precision", precision, "--steps", String(steps), "--recipe",
        recipe, "--device", place.device,
      ] + (place.threads.map { ["--threads", String($0)] } ?? [])
      + settings.flatMap { ["--set", $0] }
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    struct Problem: Decodable {
      struct Body: Decodable {
        let exit: Int32
        let code: String
        let message: String
        let next: String?
      }
      let error: Body
    }
    if let problem = try? decoder.decode(Problem.self, from: data).error {
      throw Failure(
        exitCode: problem.exit, codeName: problem.code, problem.message, next: problem.next)
    }
    guard let found = try? decoder.decode(Report.self, from: data).cases.first else {
      throw Failure(
        exitCode: 1, codeName: "failure",
        "\(model) at \(Format.count(length)) ended without a result: out of memory?",
        next: "try a smaller --batch")
    }
    return found
  }

  private func line(_ found: Benchmark.Case) -> String {
    let rate = found.stepsPerS
    let paper = found.paper.map { "  paper \(Format.fraction($0, 1))" } ?? ""
    return Format.pad(found.model, 16) + Format.pad(Format.count(found.length), 7, right: true)
      + "  \(Format.fraction(rate.median, 3)) steps/s "
      + "[\(Format.fraction(rate.min, 3)), \(Format.fraction(rate.max, 3))]  "
      + "\(Format.bytes(found.peakBytes))\(paper)"
  }
}
