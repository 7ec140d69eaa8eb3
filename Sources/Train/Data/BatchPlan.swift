/// Which examples belong to the batch of a step: a pure function of (seed, epoch, position).
///
/// The order of an epoch is a keyed permutation of [0, count). Each pool of `bucketBatches`
/// consecutive batches is sorted by length, cut into batches, and the batches are permuted by key:
/// batches hold examples of about equal length, and short and long ones come mixed. The last batch
/// that is cut from an epoch may be short. No state is kept: any step can be asked for.
public struct BatchPlan: Sendable {
  /// A place in the order: the epoch, and the batch's number within it, both from 0.
  public struct Place: Sendable, Equatable {
    /// The epoch.
    public let epoch: Int
    /// The batch within the epoch.
    public let position: Int
  }

  /// Examples per batch over all ranks.
  public let batchSize: Int
  /// Batches in an epoch.
  public let batchesPerEpoch: Int

  private let seed: Int
  private let bucketBatches: Int
  private let lengths: [Int32]

  /// Makes the plan of a training split.
  ///
  /// - Parameters:
  ///   - lengths: the stored length of each example, of the longer document of a pair; at least one.
  ///   - batchSize: examples per batch over all ranks, at least 1.
  ///   - bucketBatches: batches per pool, at least 1; 1 makes batches of random examples, which are
  ///     sorted within the batch so that its parts (`accumulate`) hold examples of about equal length.
  public init(lengths: [Int32], batchSize: Int, bucketBatches: Int, seed: Int) throws {
    precondition(batchSize > 0 && bucketBatches > 0, "a batch and a pool have at least one member")
    guard !lengths.isEmpty else { throw TrainError.emptySplit }
    self.lengths = lengths
    self.batchSize = batchSize
    self.bucketBatches = bucketBatches
    self.seed = seed
    batchesPerEpoch = (lengths.count + batchSize - 1) / batchSize
  }

  /// Where a step, counted from 1, stands in the order.
  public func place(ofStep step: Int) -> Place {
    precondition(step >= 1, "steps are counted from 1, not \(step)")
    return Place(
      epoch: (step - 1) / batchesPerEpoch, position: (step - 1) % batchesPerEpoch)
  }

  /// The examples of a step, shortest first.
  ///
  /// O(pool log pool); a reader that goes forward uses `Cursor`, which sorts a pool only once.
  public func positions(ofStep step: Int) -> [Int] {
    var cursor = Cursor(self)
    return cursor.positions(ofStep: step)
  }

  /// Reads a plan in order; keeps the last pool.
  struct Cursor: Sendable {
    private let plan: BatchPlan
    private var current: (epoch: Int, pool: Int, order: [Int], batches: [Int])?

    init(_ plan: BatchPlan) { self.plan = plan }

    /// The examples of a step, shortest first.
    mutating func positions(ofStep step: Int) -> [Int] {
      let place = plan.place(ofStep: step)
      let pool = place.position / plan.bucketBatches
      let loaded: (epoch: Int, pool: Int, order: [Int], batches: [Int])
      if let current, current.epoch == place.epoch, current.pool == pool {
        loaded = current
      } else {
        let (order, batches) = plan.pool(pool, epoch: place.epoch)
        loaded = (place.epoch, pool, order, batches)
        current = loaded
      }
      let start = loaded.batches[place.position % plan.bucketBatches] * plan.batchSize
      return Array(loaded.order[start..<min(start + plan.batchSize, loaded.order.count)])
    }
  }

  /// The examples of a pool by length, and the order of its batches.
  private func pool(_ pool: Int, epoch: Int) -> (order: [Int], batches: [Int]) {
    let permutation = Permutation(count: lengths.count, seed: seed, stream: epoch)
    let start = pool * bucketBatches * batchSize
    let end = min(start + bucketBatches * batchSize, lengths.count)
    var order = (start..<end).map { permutation[$0] }
    // Ties keep the permuted order, so that equal lengths stay shuffled.
    let ranked = order.enumerated().sorted {
      (lengths[$0.element], $0.offset) < (lengths[$1.element], $1.offset)
    }
    order = ranked.map(\.element)
    let count = (order.count + batchSize - 1) / batchSize
    let shuffled = Permutation(count: count, seed: seed, stream: epoch, pool)
    return (order, (0..<count).map { shuffled[$0] })
  }
}

/// The order of an evaluation: a split or a sample of it, sorted by length, in fixed batches.
///
/// A sample is a keyed permutation's beginning, since splits may be sorted by class; it depends on the numbers of
/// examples alone, so that all runs on a dataset are measured on the same.
///
/// `Batch.positions` says where each prediction belongs.
public struct EvaluationPlan: Sendable {
  /// Batches.
  public let batchCount: Int
  /// Examples.
  public let count: Int

  private let order: [Int]
  private let batchSize: Int

  /// Makes the plan of an evaluation of `limit` examples, all when nil.
  public init(lengths: [Int32], batchSize: Int, limit: Int? = nil) {
    precondition(batchSize > 0, "a batch has at least one example")
    let chosen = EvaluationPlan.sample(limit, of: lengths.count)
    count = chosen.count
    order = chosen.sorted { (lengths[$0], $0) < (lengths[$1], $1) }
    self.batchSize = batchSize
    batchCount = (count + batchSize - 1) / batchSize
  }

  /// The positions that are evaluated, in order: `limit` of `count`, all when nil.
  public static func sample(_ limit: Int?, of count: Int) -> [Int] {
    guard let limit, limit < count else { return Array(0..<count) }
    let order = Permutation(count: count, seed: 0, stream: 0x4556_414C)  // "EVAL"
    return (0..<limit).map { order[$0] }.sorted()
  }

  /// The examples of a batch, counted from 1, shortest first.
  public func positions(ofBatch number: Int) -> [Int] {
    let start = (number - 1) * batchSize
    return Array(order[start..<min(start + batchSize, count)])
  }
}
