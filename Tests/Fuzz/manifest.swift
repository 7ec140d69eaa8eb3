import Foundation

@testable import Datasets

/// Manifests: what is read is written again and read the same.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  expectOurErrors {
    let json = Data(UnsafeRawBufferPointer(start: start, count: count))
    let manifest = try Manifest(json: json, path: "a.json")
    let again = try Manifest(json: Data(manifest.json.utf8), path: "a.json")
    precondition(again == manifest)
    planted(manifest.seed != 0)
  }
  return 0
}
