import Tokenizers

/// Values of ListOps expressions, from their stored symbols (id - 1).
///
/// MIN, MAX; MED is the median, the mean of the two middle values rounded down for an even count; SM is
/// the sum modulo 10. All values are 0...9. One pass from left to right, without recursion.
public struct ListOpsEvaluation: Sendable {
  /// The most arguments that a list may have: what six bits count.
  public static let maxArgs = 63

  /// An open list: what its arguments so far amount to.
  ///
  /// Minimum, maximum and median follow from the counts without keeping the values.
  private struct Frame {
    var symbol: UInt8 = 0
    /// How many arguments have which value, in six bits per value.
    var counts: UInt64 = 0
    /// The sum of the arguments; above 32 bits, their number.
    var tally: UInt64 = 0

    @inline(__always) mutating func add(_ value: UInt64) {
      counts &+= 1 &<< (6 &* value)
      tally &+= value | 1 << 32
    }

    var arguments: UInt64 { tally >> 32 }
  }

  private var frames: [Frame] = []

  /// An evaluation that keeps its memory for the next expression.
  public init() {}

  /// The value of an expression, 0...9.
  ///
  /// - Returns: nil when the symbols are not one whole expression, or a list has more than 63 arguments.
  public mutating func value(of symbols: UnsafeBufferPointer<UInt8>) -> Int? {
    // A list has at least two symbols, so no more can be open in a whole expression.
    let capacity = symbols.count / 2 + 1
    if frames.count < capacity { frames = [Frame](repeating: Frame(), count: capacity) }
    return frames.withUnsafeMutableBufferPointer { frames in
      var list = Frame()  // the current one; the outermost has no operator
      var open = 0
      for symbol in symbols {
        if symbol < ListOpsVocabulary.minimum {
          list.add(UInt64(symbol))
        } else if symbol < ListOpsVocabulary.close {
          guard open < frames.count else { return nil }
          frames[open] = list
          open &+= 1
          list = Frame(symbol: symbol)
        } else {
          guard symbol == ListOpsVocabulary.close, open > 0,
            1...UInt64(ListOpsEvaluation.maxArgs) ~= list.arguments
          else { return nil }
          let value = ListOpsEvaluation.value(of: list)
          open &-= 1
          list = frames[open]
          list.add(value)
        }
      }
      return open == 0 && list.arguments == 1 ? Int(truncatingIfNeeded: list.tally & 15) : nil
    }
  }

  @inline(__always)
  private static func value(of list: Frame) -> UInt64 {
    switch list.symbol {
    case ListOpsVocabulary.minimum: UInt64(list.counts.trailingZeroBitCount) / 6
    case ListOpsVocabulary.maximum: UInt64(63 &- list.counts.leadingZeroBitCount) / 6
    case ListOpsVocabulary.median: median(of: list)
    default: (list.tally & 0xFFFF_FFFF) % 10
    }
  }

  private static func median(of list: Frame) -> UInt64 {
    // Six bits per value: how many arguments are not greater. All are at most 63, so nothing carries.
    let notGreater = list.counts &* 0x0041_0410_4104_1041
    /// The element at an index of the sorted arguments.
    func element(_ index: UInt64) -> UInt64 {
      var value: UInt64 = 0
      while notGreater &>> (6 &* value) & 63 <= index { value &+= 1 }
      return value
    }
    let count = list.arguments
    let lower = element((count &- 1) / 2)
    return count % 2 == 1 ? lower : (lower &+ element(count / 2)) / 2
  }
}
