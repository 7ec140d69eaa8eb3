@testable import Datasets

/// Batches of the Python CIFAR-10 archive.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let bytes = UnsafeRawBufferPointer(start: start, count: count)
  expectOurErrors {
    let batch = try PickledBatch(parsing: bytes)
    let found = batch.withData(bytes) { $0.count }
    precondition(found == batch.shape.rows * batch.shape.columns)
    planted(batch.labels.contains { $0 > 2 })
  }
  return 0
}
