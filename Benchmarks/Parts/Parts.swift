import ArgumentParser
import Datasets
import Foundation
import Tensors
import Train

/// Our side of `Benchmarks/`: training steps when they are asked for, or one part of a step alone.
@main
struct Parts: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Time training steps or one part of them.",
    subcommands: [Step.self, Attend.self, Load.self, Tier.self])
}

/// The tier of kernels in use.
struct Tier: ParsableCommand {
  func run() throws {
    _ = try Engine.start(threads: 1)
    print(Engine.kernelTier)
  }
}

/// Training steps of a model, as many as each line of the standard input says.
struct Step: ParsableCommand {
  @Argument(help: "The model.") var model: String
  @Option(help: "L, in tokens.") var length = 1024
  @Option(help: "Examples.") var batch = 32
  @Option(help: "float32 or bfloat16.") var precision = "float32"
  @Option(help: "A protocol or a YAML file.") var recipe = "small"
  @Option(name: .customLong("set"), parsing: .singleValue, help: "Override a recipe key.")
  var settings: [String] = []
  @Option(help: "Threads.") var threads = 1

  func run() throws {
    let device = try Engine.start(threads: threads)
    var request = RecipeRequest(task: "text")
    (request.recipe, request.model, request.precision) = (recipe, model, precision)
    request.settings =
      ["train.accumulate=1"] + settings
      + ["data.max_length=\(length)", "train.batch_size=\(batch)"]
    let resolved = try request.resolve()
    try resolved.check()
    var begin = ContinuousClock.now
    try Benchmark(resolved, steps: 1).pace(
      device: device,
      ready: { parameters, flops in say("{\"parameters\": \(parameters), \"flops\": \(flops)}") },
      next: {
        let steps = readLine().flatMap { Int($0) }
        begin = .now
        return steps
      },
      done: { loss, peak in
        say(
          "{\"seconds\": \(milliseconds(.now - begin) / 1000), \"loss\": \(loss), "
            + "\"peak_mb\": \(Double(peak) / 1_048_576)}")
      })
  }

  private func say(_ line: String) {
    print(line)
    fflush(nil)
  }
}

/// Attention over a batch, forward and backward.
struct Attend: ParsableCommand {
  /// Who attends to whom.
  enum Pattern: String, ExpressibleByArgument, CaseIterable {
    /// Softmax over all pairs.
    case softmax
    /// Softmax within blocks of 64 tokens and their two neighbours.
    case window
    /// Features elu(x) + 1.
    case linear
  }

  @Argument(help: "softmax, window or linear.") var pattern: Pattern
  @Option(help: "L, in tokens.") var length = 4096
  @Option(help: "Examples.") var batch = 1
  @Option(help: "Heads.") var heads = 4
  @Option(help: "E, the width of a head.") var width = 64
  @Option(help: "float32 or bfloat16.") var precision = "float32"
  @Option(help: "Dropout of the probabilities.") var dropout = 0.0
  @Option(help: "Threads.") var threads = 1
  @Option(help: "Passes that count, after two that do not.") var repeats = 9

  func run() throws {
    _ = try Engine.start(threads: threads)
    let shape = [batch, length, 3, heads, width]
    let type: ElementType = precision == "bfloat16" ? .bfloat16 : .float32
    let numbers = (0..<shape.reduce(1, *)).map { Float(sin(Double($0) * 0.7)) }
    let qkv = try Tensor.from(numbers, shape).to(type).detached()
    let slope = try Tensor.from(
      Array(numbers[..<(batch * length * heads * width)]), [batch, length, heads, width])
    let examples = try Tensor.from((0..<batch).map(Int64.init), [batch])
    try qkv.requireGradient()
    let plan = pattern == .window ? windows() : nil
    var times: [(forward: Double, backward: Double)] = []
    for _ in 0..<(repeats + 2) {
      let start = ContinuousClock.now
      let attended =
        try pattern == .linear
        ? qkv.widened().featureAttention(
          .elu, lengths: nil, causal: false, denominator: .plus(1e-6))
        : qkv.attention(
          plan: plan, scale: 1 / Double(width).squareRoot(), dropout: dropout, examples: examples)
      let middle = ContinuousClock.now
      try (attended * slope.to(attended.elementType)).sum().backward()
      times.append((milliseconds(middle - start), milliseconds(.now - middle)))
      qkv.clearGradient()
    }
    let counted = times.dropFirst(2)
    print(
      "{\"forward_ms\": \(median(counted.map(\.forward))), "
        + "\"backward_ms\": \(median(counted.map(\.backward)))}")
  }

  private func windows() -> AttentionPlan {
    var builder = AttentionPlan.Builder()
    for first in stride(from: 0, to: length, by: 64) {
      builder.add(
        queries: first..<min(first + 64, length),
        keys: max(0, first - 64)..<min(first + 128, length))
    }
    builder.endPlan()
    return AttentionPlan(builder)
  }
}

/// Batches of a split in the order of training, as a run reads them.
struct Load: ParsableCommand {
  @Argument(help: "The database.") var database: String
  @Option(help: "Examples of a batch.") var batch = 32
  @Option(help: "Batches.") var batches = 2000

  func run() throws {
    let choice = try DatasetChoice.choose(from: database, task: nil, dataset: nil)
    var request = RecipeRequest(task: choice.task)
    request.dataset = choice.dataset
    request.settings = ["train.batch_size=\(batch)"]
    let recipe = try request.resolve()
    let split = try DatasetStore(at: database).open(dataset: recipe.data.dataset, split: "train")
    let loader = try Loader(training: split, recipe)
    var tokens = 0
    let start = ContinuousClock.now
    for _ in 0..<batches {
      guard let found = try loader.next() else { break }
      tokens += found.lengths.reduce(0) { $0 + Int($1) }
    }
    let seconds = milliseconds(.now - start) / 1000
    print("{\"tokens_per_s\": \(Double(tokens) / seconds), \"seconds\": \(seconds)}")
  }
}

private func milliseconds(_ duration: Duration) -> Double {
  Double(duration.components.seconds) * 1e3 + Double(duration.components.attoseconds) * 1e-15
}

private func median(_ numbers: [Double]) -> Double {
  let sorted = numbers.sorted()
  return sorted[sorted.count / 2]
}
