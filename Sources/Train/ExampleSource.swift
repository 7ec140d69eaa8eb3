import Datasets

/// Where a loader takes examples from: a split of the index, or memory in tests.
public protocol ExampleSource: Sendable {
  /// How many examples there are.
  var count: Int { get }
  /// Stored symbols per example.
  var lengths: [Int32] { get }
  /// Classes per example, -1 for none.
  var labels: [Int32] { get }
  /// Gives the stored symbols (id - 1) of an example to a body, after checking them.
  func withSymbols<Result>(
    at position: Int, _ body: (UnsafeBufferPointer<UInt8>) throws -> Result
  ) throws -> Result
}

extension SplitReader: ExampleSource {}
