@testable import Datasets

/// Expressions of the released ListOps files.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let message = expectOurErrors {
    var expressions = ReleasedListOps()
    let rows = try expressions.rows(
      of: sourceFile(UnsafeRawBufferPointer(start: start, count: count), path: "basic_val.tsv"))
    precondition(rows.allSatisfy { (0...9).contains($0.label ?? -1) && $0.count > 0 })
  }
  planted(message?.contains("the expression has the value") == true)
  return 0
}
