import Datasets
import Foundation

@testable import Train

/// Examples in memory: example p holds its position's bytes, so that a test can tell them apart.
struct MemorySource: ExampleSource {
  var lengths: [Int32]
  var labels: [Int32]
  var damaged: Int?
  var count: Int { lengths.count }

  init(count: Int, damaged: Int? = nil, longest: Int = 90) {
    lengths = (0..<count).map { Int32(($0 * 7919 + 13) % longest + 1) }
    labels = (0..<count).map { Int32($0 % 10) }
    self.damaged = damaged
  }

  static func symbol(_ position: Int, _ column: Int) -> UInt8 {
    UInt8(truncatingIfNeeded: position &* 31 &+ column &* 17)
  }

  func withSymbols<Result>(
    at position: Int, _ body: (UnsafeBufferPointer<UInt8>) throws -> Result
  ) throws -> Result {
    if position == damaged {
      throw DatasetError(.checksumMismatch, "example \(position) is damaged", position: position)
    }
    let symbols = (0..<Int(lengths[position])).map { MemorySource.symbol(position, $0) }
    return try symbols.withUnsafeBufferPointer(body)
  }
}

/// A folder of a test's own, removed at its end.
struct TemporaryFolder: ~Copyable {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "lra-train-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { path + "/" + name }
}
