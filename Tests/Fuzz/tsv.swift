@testable import Datasets

/// Tables of a user's own texts.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  expectOurErrors {
    var table = LabelledTable()
    try table.add(sourceFile(UnsafeRawBufferPointer(start: start, count: count), path: "a.tsv"))
    let rows = table.examples.rows.values.joined()
    precondition(rows.reduce(0) { $0 + $1.count } == table.symbols.count)
    planted(rows.contains { ($0.label ?? 0) > 9 })
  }
  return 0
}
