import Tokenizers

/// Values of ListOps expressions, from their stored symbols (id - 1).
///
/// MIN, MAX; MED is the median, the mean of the two middle values rounded down for an even count; SM is
/// the sum modulo 10. All values are 0...9. One pass from left to right, without recursion.
public struct ListOpsEvaluation: Sendable {
  private var values: [UInt8] = []  // values whose operator is still open
  private var operators: [(symbol: UInt8, first: Int)] = []
  private var histogram = [Int](repeating: 0, count: 10)

  /// An evaluation that keeps its memory for the next expression.
  public init() {}

  /// The value of an expression, 0...9.
  ///
  /// - Returns: nil when the symbols are not one whole expression.
  public mutating func value(of symbols: UnsafeBufferPointer<UInt8>) -> Int? {
    values.removeAll(keepingCapacity: true)
    operators.removeAll(keepingCapacity: true)
    for symbol in symbols {
      if symbol < 10 {
        values.append(symbol)
      } else if symbol < ListOpsVocabulary.close {
        operators.append((symbol, values.count))
      } else {
        guard symbol == ListOpsVocabulary.close, let open = operators.popLast(),
          values.count > open.first
        else { return nil }
        let result = apply(open.symbol, from: open.first)
        values.removeLast(values.count - open.first)
        values.append(result)
      }
    }
    guard operators.isEmpty, values.count == 1 else { return nil }
    return Int(values[0])
  }

  /// The result of an operator on the values from an index on; there is at least one.
  private mutating func apply(_ symbol: UInt8, from first: Int) -> UInt8 {
    switch symbol {
    case ListOpsVocabulary.minimum:
      var least = values[first]
      for index in (first + 1)..<values.count { least = min(least, values[index]) }
      return least
    case ListOpsVocabulary.maximum:
      var greatest = values[first]
      for index in (first + 1)..<values.count { greatest = max(greatest, values[index]) }
      return greatest
    case ListOpsVocabulary.median:
      return median(from: first)
    default:
      var sum = 0
      for index in first..<values.count { sum &+= Int(values[index]) }
      return UInt8(truncatingIfNeeded: sum % 10)
    }
  }

  private mutating func median(from first: Int) -> UInt8 {
    for value in 0..<10 { histogram[value] = 0 }
    for index in first..<values.count { histogram[Int(values[index])] &+= 1 }
    let count = values.count - first
    // The middle elements of the sorted values, by index; the same one for an odd count.
    let lower = (count - 1) / 2
    let upper = count / 2
    var seen = 0
    var low = -1
    for value in 0..<10 {
      seen += histogram[value]
      if low < 0 && seen > lower { low = value }
      if seen > upper { return UInt8((low + value) / 2) }
    }
    return 0
  }
}
