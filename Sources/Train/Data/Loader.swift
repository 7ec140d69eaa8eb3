import Datasets

/// Streams batches of a split from a background thread.
///
/// At most `prefetch` batches wait, so memory is bounded by `memoryBound` bytes whatever the
/// split's size. Errors of the reader, such as a checksum mismatch, are thrown by `next`.
public final class Loader: Sendable {
  /// A share of the work among several processes.
  public struct Share: Sendable, Equatable {
    /// This process, 0 ..< world.
    public let rank: Int
    /// All processes, at least 1.
    public let world: Int

    /// The whole work, of one process.
    public static let whole = Share(rank: 0, world: 1)

    /// Makes a share: examples e of each batch with e mod world = rank.
    public init(rank: Int, world: Int) {
      precondition(world > 0 && (0..<world).contains(rank), "rank \(rank) of \(world) is no share")
      self.rank = rank
      self.world = world
    }

    func examples(of positions: [Int]) -> [Int] {
      world == 1
        ? positions : stride(from: rank, to: positions.count, by: world).map { positions[$0] }
    }
  }

  /// Upper bound of the memory that batches take, in bytes: those that wait, the one being made and
  /// the one in use.
  public let memoryBound: Int

  private let prefetcher: Prefetcher<Batch>

  /// Streams the training batches of a recipe, from a step on, without end.
  ///
  /// - Parameters:
  ///   - firstStep: counted from 1; a resumed run gives the step after its checkpoint.
  /// - Throws: `usage` when the split is empty.
  public init(
    training source: some ExampleSource, _ recipe: Recipe, share: Share = .whole, firstStep: Int = 1
  ) throws {
    let plan = try BatchPlan(
      lengths: source.lengths, batchSize: recipe.train.batchSize,
      bucketBatches: recipe.data.bucketBatches, seed: recipe.train.randomSeed)
    let (maxLength, filled) = (recipe.data.maxLength, recipe.data.isFilled)
    var cursor = BatchPlan.Cursor(plan)
    var step = firstStep
    memoryBound = Loader.bound(source, recipe.train.batchSize, recipe, share)
    prefetcher = Prefetcher(depth: recipe.data.prefetch, name: "lra-loader") {
      defer { step += 1 }
      let positions = cursor.positions(ofStep: step)
      return try Batch(
        step, of: share.examples(of: positions), from: source, maxLength: maxLength,
        filled: filled, globalCount: positions.count)
    }
  }

  /// Streams the examples of an evaluation once, sorted by length.
  ///
  /// - Parameters:
  ///   - batchSize: examples per batch over all ranks; nil takes the recipe's.
  ///   - limit: only so many examples of the split, see `EvaluationPlan`; nil for all.
  public init(
    evaluating source: some ExampleSource, _ recipe: Recipe, batchSize: Int? = nil,
    limit: Int? = nil, share: Share = .whole
  ) {
    let size = batchSize ?? recipe.train.batchSize
    let plan = EvaluationPlan(lengths: source.lengths, batchSize: size, limit: limit)
    let (maxLength, filled) = (recipe.data.maxLength, recipe.data.isFilled)
    var number = 1
    memoryBound = Loader.bound(source, size, recipe, share)
    prefetcher = Prefetcher(depth: recipe.data.prefetch, name: "lra-evaluation") {
      guard number <= plan.batchCount else { return nil }
      defer { number += 1 }
      let positions = plan.positions(ofBatch: number)
      return try Batch(
        number, of: share.examples(of: positions), from: source, maxLength: maxLength,
        filled: filled, globalCount: positions.count)
    }
  }

  deinit { prefetcher.stop() }

  /// Seconds for which `next` had to wait for data.
  public var waitedSeconds: Double { prefetcher.waitedSeconds }

  /// The next batch; nil at the end of an evaluation and after `stop`.
  ///
  /// - Throws: what the source threw when it read the batch.
  public func next() throws -> Batch? { try prefetcher.next() }

  /// Ends the background thread.
  public func stop() { prefetcher.stop() }

  private static func bound(
    _ source: some ExampleSource, _ batchSize: Int, _ recipe: Recipe, _ share: Share
  ) -> Int {
    let most = recipe.data.maxLength
    let longest = recipe.data.isFilled ? most : min(Int(source.lengths.max() ?? 1), most)
    let rows = (min(batchSize, source.count) + share.world - 1) / share.world
    return (recipe.data.prefetch + 2) * rows * source.towers * (longest * 4 + 16)
  }
}

extension Recipe.DataPart {
  /// Whether rows are filled up to `maxLength`.
  var isFilled: Bool { padding == .maxLength }
}
