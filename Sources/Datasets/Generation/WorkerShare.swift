/// One of several workers that make a dataset together, each in a database of its own.
///
/// Shards are numbered over all splits in order; worker i of n makes the numbers that leave i - 1 when
/// divided by n. Striding, not ranges: every worker gets its part of every split and of the short last
/// shards; a share can be split in two again (1/2 is 1/4 and 3/4); and the numbers that a database holds
/// tell whose share it is, so `merge` can name the worker that is missing.
public struct WorkerShare: Sendable, Equatable, CustomStringConvertible {
  /// Which of the workers, from 1.
  public let number: Int
  /// How many workers there are.
  public let count: Int

  /// The one worker that makes everything.
  public static let all = WorkerShare(remainder: 0, count: 1)

  /// A share; nil unless 1 <= number <= count.
  public init?(number: Int, of count: Int) {
    guard number >= 1, number <= count else { return nil }
    self.init(remainder: number - 1, count: count)
  }

  private init(remainder: Int, count: Int) {
    number = remainder + 1
    self.count = count
  }

  /// As it is typed: `2/4`.
  public var description: String { "\(number)/\(count)" }

  /// Whether this worker makes a shard.
  ///
  /// - Parameter shard: its number over all splits, from 0.
  func makes(_ shard: Int) -> Bool { shard % count == number - 1 }

  /// Shares that together hold some shards.
  ///
  /// - Parameters:
  ///   - shards: the numbers that are to be made.
  ///   - held: what each database has; the strides between its numbers tell how many workers there were.
  ///   - total: how many shards there are.
  static func making(_ shards: [Int], beside held: [[Int]], total: Int) -> [WorkerShare] {
    var stride = 0
    for numbers in held {
      for (one, next) in zip(numbers, numbers.dropFirst()) { stride = gcd(stride, next - one) }
    }
    // No stride to be seen: a share of a single shard each.
    let count = stride >= 2 ? stride : max(1, total)
    return Set(shards.map { $0 % count }).sorted().map { WorkerShare(remainder: $0, count: count) }
  }

  private static func gcd(_ one: Int, _ other: Int) -> Int {
    other == 0 ? one : gcd(other, one % other)
  }
}
