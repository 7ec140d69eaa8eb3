@testable import Datasets

/// Pairs of documents, as of a member of an archive.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let bytes = UnsafeRawBufferPointer(start: start, count: count)
  expectOurErrors {
    var documents = DocumentPool(memoryLimit: 1 << 20)
    var reader = AANReader(.test, sourceFile(bytes, path: "new_aan_pairs.test.tsv", location: nil))
    let pairs = try reader.read(into: &documents)
    for pair in pairs {
      precondition((0..<documents.count).contains(pair.document1))
      precondition((0..<documents.count).contains(pair.document2))
    }
    planted(pairs.count > 3)
  }
  return 0
}
