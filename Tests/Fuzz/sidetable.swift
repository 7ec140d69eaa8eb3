@testable import Datasets

/// Side tables of shards: what is read is written again and read the same.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let text = String(decoding: UnsafeRawBufferPointer(start: start, count: count), as: UTF8.self)
  expectOurErrors {
    let rows = try SideTable.rows(of: text, path: "a.tsv", shardID: 1)
    let lines = rows.map { row in
      SideTable.line(
        position: row.position, offset: row.offset, length: row.length, label: row.label,
        check64: row.check64, meta: row.meta)
    }
    let again = ([SideTable.header] + lines).joined(separator: "\n") + "\n"
    let reread = try SideTable.rows(of: again, path: "a.tsv", shardID: 1)
    precondition(reread == rows)
    planted(rows.contains { ($0.label ?? 0) > 9 })
  }
  return 0
}
