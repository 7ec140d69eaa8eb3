import Tensors

/// What the forward passes of a training step leave behind besides logits.
///
/// Auxiliary losses and statistics are sums over examples, like the cross entropy: neither the parts that a
/// batch is cut into nor the ranks that share it change what comes of them, but for rounding.
public final class StepEffects {
  private var losses: [Tensor] = []
  private var statistics: [Statistic] = []
  private var isCounting = true

  /// Sums over the examples of a step, and what is done with them at its end.
  private struct Statistic {
    let owner: Parameter
    var sums: Tensor
    let apply: (Tensor) throws -> Void
  }

  /// Nothing yet.
  public init() {}

  /// Adds a loss: a scalar, the sum over the examples of this pass.
  func add(loss: Tensor) { losses.append(loss) }

  /// Adds to the sums that belong to a buffer.
  ///
  /// - Parameter apply: changes the buffer by the sums over the whole step; without gradient.
  func add(statistic sums: Tensor, of owner: Parameter, apply: @escaping (Tensor) throws -> Void)
    throws
  {
    guard isCounting else { return }
    guard let index = statistics.firstIndex(where: { $0.owner === owner }) else {
      statistics.append(Statistic(owner: owner, sums: sums, apply: apply))
      return
    }
    statistics[index].sums = try statistics[index].sums + sums
  }

  /// Runs a part of a model and gives its auxiliary losses apart from the others.
  ///
  /// - Parameter counting: whether its statistics count; they do not when a part is run again.
  func apart<Result>(counting: Bool, _ body: () throws -> Result) throws -> (Result, Tensor?) {
    let (losses, isCounting) = (losses, isCounting)
    (self.losses, self.isCounting) = ([], counting)
    defer { (self.losses, self.isCounting) = (losses, isCounting) }
    let result = try body()
    return (result, try takeAuxiliaryLoss())
  }

  /// The sum of all auxiliary losses since the last call; nil when there are none.
  ///
  /// Training adds it to the cross entropy of the same examples before the backward pass.
  public func takeAuxiliaryLoss() throws -> Tensor? {
    defer { losses = [] }
    guard var sum = losses.first else { return nil }
    for loss in losses.dropFirst() { sum = try sum + loss }
    return sum
  }

  /// Lets buffers follow the statistics of the step, in the order of the layers.
  ///
  /// - Parameter totals: the sums over all ranks of this rank's sums; the same when there is one.
  public func applyStatistics(totals: ([Tensor]) throws -> [Tensor] = { $0 }) throws {
    defer { statistics = [] }
    try withoutGradient {
      for (statistic, total) in zip(statistics, try totals(statistics.map(\.sums))) {
        try statistic.apply(total)
      }
    }
  }
}
