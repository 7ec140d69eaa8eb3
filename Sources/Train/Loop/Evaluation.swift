import Tensors

/// What a model gives on a split.
public struct Evaluation: Sendable, Equatable {
  /// Right predictions of all.
  public var accuracy: Accuracy
  /// Mean cross entropy, in nats.
  public var loss: Double
}

extension ProcessGroup {
  /// This process's share of every batch.
  var share: Loader.Share { Loader.Share(rank: rank, world: world) }
}
