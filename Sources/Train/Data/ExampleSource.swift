import Datasets

/// Where a loader takes examples from: a split of the index, or memory in tests.
public protocol ExampleSource: Sendable {
  /// How many examples there are.
  var count: Int { get }
  /// Stored symbols per example, of the longer document of a pair.
  var lengths: [Int32] { get }
  /// Classes per example, -1 for none.
  var labels: [Int32] { get }
  /// Gives the stored symbols (id - 1) of an example to a body, after checking them.
  func withSymbols<Result>(
    at position: Int, _ body: (UnsafeBufferPointer<UInt8>) throws -> Result
  ) throws -> Result
  /// Whether examples are pairs of documents.
  var isPairs: Bool { get }
  /// Gives the parts of an example to a body, after checking them: of a pair its two documents.
  func withParts<Result>(
    at position: Int, _ body: ([UnsafeBufferPointer<UInt8>]) throws -> Result
  ) throws -> Result
}

extension ExampleSource {
  /// Sequences.
  public var isPairs: Bool { false }

  /// The one sequence.
  public func withParts<Result>(
    at position: Int, _ body: ([UnsafeBufferPointer<UInt8>]) throws -> Result
  ) throws -> Result {
    try withSymbols(at: position) { try body([$0]) }
  }

  /// Documents of one example.
  var towers: Int { isPairs ? 2 : 1 }
}

extension SplitReader: ExampleSource {}
