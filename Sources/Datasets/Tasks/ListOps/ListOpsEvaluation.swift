import Tokenizers

/// Values of ListOps expressions, from their stored symbols (id - 1).
///
/// MIN, MAX; MED is the median, the mean of the two middle values rounded down for an even count; SM is
/// the sum modulo 10. All values are 0...9. One pass from left to right, without recursion.
public struct ListOpsEvaluation: Sendable {
  /// The most arguments that a list may have: what six bits count.
  public static let maxArgs = 63

  private var lists: [ListOpsList] = []

  /// An evaluation that keeps its memory for the next expression.
  public init() {}

  /// The value of an expression, 0...9.
  ///
  /// - Returns: nil when the symbols are not one whole expression, or a list has more than 63 arguments.
  public mutating func value(of symbols: UnsafeBufferPointer<UInt8>) -> Int? {
    // A list has at least two symbols, so no more can be open in a whole expression.
    let capacity = symbols.count / 2 + 1
    if lists.count < capacity {
      lists = [ListOpsList](repeating: ListOpsList(), count: capacity)
    }
    return lists.withUnsafeMutableBufferPointer { lists in
      var list = ListOpsList()  // the current one; the outermost has no operator
      var open = 0
      for symbol in symbols {
        if symbol < ListOpsVocabulary.minimum {
          list.add(UInt64(symbol))
        } else if symbol < ListOpsVocabulary.close {
          guard open < lists.count else { return nil }
          lists[open] = list
          open &+= 1
          list = ListOpsList(symbol: symbol)
        } else {
          guard symbol == ListOpsVocabulary.close, open > 0,
            1...UInt64(ListOpsEvaluation.maxArgs) ~= list.arguments
          else { return nil }
          let value = list.value
          open &-= 1
          list = lists[open]
          list.add(value)
        }
      }
      return open == 0 && list.arguments == 1 ? list.only : nil
    }
  }
}

/// An open list: what its arguments so far amount to.
///
/// Minimum, maximum and median follow from the counts without keeping the values.
struct ListOpsList {
  /// The stored symbol of the operator; 0 for the outermost level, which has none.
  var symbol: UInt8 = 0
  /// How many arguments have which value, in six bits per value.
  private var counts: UInt64 = 0
  /// The sum of the arguments; above 32 bits, their number.
  private var tally: UInt64 = 0

  @inline(__always) init(symbol: UInt8 = 0) { self.symbol = symbol }

  var arguments: UInt64 { tally >> 32 }

  /// The only argument of the outermost level.
  var only: Int { Int(truncatingIfNeeded: tally & 15) }

  @inline(__always) mutating func add(_ value: UInt64) {
    counts &+= 1 &<< (6 &* value)
    tally &+= value | 1 << 32
  }

  /// The value of the list, which has 1...63 arguments.
  @inline(__always) var value: UInt64 {
    switch symbol {
    case ListOpsVocabulary.minimum: UInt64(counts.trailingZeroBitCount) / 6
    case ListOpsVocabulary.maximum: UInt64(63 &- counts.leadingZeroBitCount) / 6
    case ListOpsVocabulary.median: median
    default: UInt64(UInt32(truncatingIfNeeded: tally) % 10)
    }
  }

  private var median: UInt64 {
    // Six bits per value: how many arguments are not greater. All are at most 63, so nothing carries.
    let notGreater = counts &* 0x0041_0410_4104_1041
    /// The element at an index of the sorted arguments.
    func element(_ index: UInt64) -> UInt64 {
      var value: UInt64 = 0
      while notGreater &>> (6 &* value) & 63 <= index { value &+= 1 }
      return value
    }
    let lower = element((arguments &- 1) / 2)
    return arguments % 2 == 1 ? lower : (lower &+ element(arguments / 2)) / 2
  }
}
