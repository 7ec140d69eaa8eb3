import Tokenizers

/// How an expression is built.
public struct ListOpsShape: Sendable, Equatable {
  /// The deepest level; the root has depth 1, and a digit stands one below its operator.
  public private(set) var depth = 0
  /// The most arguments of one operator; 0 for a single digit.
  public private(set) var maxArguments = 0

  /// The shape of stored symbols (id - 1).
  public init(_ symbols: UnsafeBufferPointer<UInt8>) {
    var arguments: [Int] = [0]
    for symbol in symbols {
      if symbol == ListOpsVocabulary.close {
        if arguments.count > 1 { maxArguments = max(maxArguments, arguments.removeLast()) }
      } else {
        arguments[arguments.count - 1] += 1
        depth = max(depth, arguments.count)
        if symbol >= ListOpsVocabulary.minimum { arguments.append(0) }
      }
    }
  }
}
