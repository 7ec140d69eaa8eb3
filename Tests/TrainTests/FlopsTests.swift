import Attention
import Tensors
import Testing

@testable import Train

@Suite("counted operations", .serialized)
struct FlopsTests {
  @Test(
    "a Transformer's forward pass and training step count what the closed form says",
    arguments: Recipe.TrainPart.Precision.allCases, [false, true])
  func transformer(precision: Recipe.TrainPart.Precision, causal: Bool) throws {
    _ = try Engine.start(threads: 2)
    var recipe = Recipe()
    recipe.train.precision = precision
    recipe.train.batchSize = 3
    recipe.data.maxLength = 37
    (recipe.model.embDim, recipe.model.qkvDim, recipe.model.mlpDim) = (24, 32, 40)
    (recipe.model.numHeads, recipe.model.numLayers) = (4, 2)
    recipe.model.causal = causal
    recipe.model.attentionDropoutRate = 0
    let runner = try ModelRunner(recipe, device: .cpu)
    let updater = try Updater(runner)
    let batch = Batch.drawn(1, recipe)
    let forward = try Engine.countingOperations {
      try withoutGradient {
        _ = try runner.measured(batch, examples: 0..<3, step: 0, training: false)
      }
    }
    let step = try Engine.countingOperations { _ = try updater.update(batch) }

    let (b, l, d, e, m, c) = (3, 37, 24, 32, 40, 10)
    // The library's path, float64's, computes the pairs that causality leaves out too.
    let pairs = causal && precision != .float64 ? l * (l + 1) / 2 : l * l
    let projections = 2 * b * l * d * 3 * e + 2 * b * l * e * d
    let attention = 2 * 2 * b * pairs * e
    let mlp = 2 * 2 * b * l * d * m
    let pooling = 2 * b * l * d
    let head = 2 * b * d * m + 2 * b * m * c
    let expected = 2 * (projections + attention + mlp) + pooling + head
    #expect(forward == Double(expected))
    // Every product has two gradients, but for the weights of the mean.
    #expect(step == Double(3 * expected - pooling))
  }

  @Test("products, convolutions and Fourier transforms have their own formulas")
  func operations() throws {
    _ = try Engine.start(threads: 2)
    let a = try Tensor.full([2, 3, 4], 1)
    let b = try Tensor.full([2, 4, 5], 1)
    #expect(try Engine.countingOperations { _ = try a.matmul(b) } == 2 * 2 * 3 * 4 * 5)
    let complex = try Engine.countingOperations { _ = try Tensor.full([2, 8, 4], 1).fourier2() }
    // 5 N log2 N for each of two transforms of N = 32 numbers, or half of it for real ones.
    #expect(complex == 2 * 5 * 32 * 5 || complex == 5 * 32 * 5, "\(complex)")
    let sums = try Engine.countingOperations { _ = try (a + a).softmax(-1).sum() }
    #expect(sums == 0)
  }

  @Test("a count ends with an error in the work, and one at a time is open")
  func errors() throws {
    _ = try Engine.start(threads: 2)
    let a = try Tensor.full([2, 3], 1)
    #expect(throws: TensorError.self) {
      try Engine.countingOperations { _ = try a.matmul(a) }
    }
    #expect(throws: TensorError.self) {
      try Engine.countingOperations { _ = try Engine.countingOperations {} }
    }
    let after = try Engine.countingOperations { _ = try a.matmul(a.transposed(0, 1)) }
    #expect(after == 2 * 2 * 3 * 2)
  }
}
