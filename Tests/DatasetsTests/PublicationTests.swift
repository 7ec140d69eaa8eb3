import Foundation
import Testing

@testable import Datasets

@Suite struct PublicationTests {
  @Test("the vector of leaf and dataset digests")
  func digestVector() {
    let symbols: [UInt8] = [0x0b, 0x04, 0x0a, 0x02, 0x03, 0x0e, 0x01, 0x0e]
    let leaf = symbols.withUnsafeBufferPointer {
      Array(Digest.leaf(position: 0, label: 4, parts: [$0]))
    }
    #expect(
      Digest.hex(leaf) == "586731611dab490e2acb52111f30987c6d20f0cdac7d93edd8dd1cc76feb97aa")
    let split = Digest.split(name: "train", leaves: [leaf])
    #expect(
      Digest.hex(Digest.dataset(task: "listops", splits: [("train", split)]))
        == "9370bb5e3a56457d5cb9c604e9ef6639d55d14c7ea03a58a47f38175941d8df0")
  }

  @Test("check64 hashes position, label, meta and bytes")
  func check64() {
    let bytes: [UInt8] = [1, 2, 3]
    let text: [UInt8] =
      [7, 0, 0, 0, 0, 0, 0, 0] + [UInt8](repeating: 255, count: 8) + [2, 0, 0, 0]
      + Array("ab".utf8) + bytes
    let expected = Digest.sha256(text).prefix(8).reversed().reduce(UInt64(0)) {
      $0 << 8 | UInt64($1)
    }
    let check = bytes.withUnsafeBufferPointer {
      Digest.check64(position: 7, label: nil, meta: Array("ab".utf8), stored: $0)
    }
    #expect(UInt64(bitPattern: check) == expected)
  }

  @Test("a shard is a NumPy file with a side table beside it")
  func shardFiles() throws {
    let folder = try TemporaryFolder()
    var content = ShardContent(first: 16, capacity: 0)
    for (symbols, label) in [([1, 2, 3], 4), ([9], nil)] as [([UInt8], Int?)] {
      symbols.withUnsafeBufferPointer {
        content.append($0, label: label, meta: label.map { "\($0)\t" })
      }
    }
    let (shard, sideTable) = try content.publish(folder.path + "/a.npy")
    let files = try folder.files()
    let header =
      "\u{93}NUMPY\u{1}\u{0}v\u{0}{'descr': '|u1', 'fortran_order': False, 'shape': (4,), }"
    let npy = Array(files["a.npy"] ?? Data())
    #expect(npy.count == 132)
    #expect(
      Array(npy.prefix(header.unicodeScalars.count))
        == header.unicodeScalars.map { UInt8($0.value) })
    #expect(npy[127] == 10)
    #expect(Array(npy.suffix(4)) == [1, 2, 3, 9])
    #expect(shard.sha256 == Digest.sha256(npy))
    let table = String(decoding: files["a.tsv"] ?? Data(), as: UTF8.self)
    #expect(sideTable.bytes == table.utf8.count)
    #expect(
      table == """
        position\toffset\tlength\tlabel\tcheck64\tmeta
        16\t128\t3\t4\t\(content.rows[0].check64)\t4\\t
        17\t131\t1\t\t\(content.rows[1].check64)\t

        """)
    let rows = try SideTable.rows(of: table, path: "a.tsv", shardID: 3)
    #expect(rows.map(\.label) == [4, nil])
    #expect(rows.map(\.meta) == ["4\t", nil])
    #expect(
      Small.error { try SideTable.rows(of: String(table.dropLast(3)), path: "a.tsv", shardID: 3) }
        != nil)
    // Found by the fuzzer: a backslash that no writer leaves was read as nothing.
    let dangling = table.replacing("4\\t", with: "4\\")
    #expect(
      Small.error { try SideTable.rows(of: dangling, path: "a.tsv", shardID: 3) }?.message
        == "a.tsv:2: the meta text has a backslash that stands for nothing")
  }

  @Test("a failed write leaves nothing behind")
  func failedWrite() throws {
    let folder = try TemporaryFolder()
    let error = Small.error {
      try Publication.publish(folder.path + "/a") { sink in
        try sink.write([1, 2, 3])
        throw DatasetError.diskFull("a")
      }
    }
    #expect(error?.code == .diskFull)
    let files = try folder.files()
    #expect(files.isEmpty)
  }

  @Test("a full disk is exit 5", .enabled(if: FileManager.default.fileExists(atPath: "/dev/full")))
  func fullDisk() {
    let error = DatasetError.system("write", "x", ENOSPC)
    #expect(error.code == .diskFull)
    #expect(error.code.exitCode == 5)
  }

  @Test("a log drops a cut last line when it is opened again")
  func appendLog() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/log"
    try Data("one\ntwo\nthr".utf8).write(to: URL(fileURLWithPath: path))
    do {
      let log = try AppendLog(at: path)
      try log.append("three", durable: true)
    }
    #expect(
      String(decoding: try folder.files()["log"] ?? Data(), as: UTF8.self) == "one\ntwo\nthree\n")
  }

  @Test("results are committed in order; the first failure decides")
  func orderedWork() throws {
    let committed = Guarded<[Int]>([])
    try OrderedWork.run(count: 100, threads: 8) {
      $0
    } commit: { number, _ in
      committed.withLock { $0.append(number) }
    }
    #expect(committed.withLock { $0 } == Array(0..<100))
    committed.withLock { $0 = [] }
    #expect(throws: DatasetError.diskFull("7")) {
      try OrderedWork.run(count: 100, threads: 8) { number in
        if number == 7 { throw DatasetError.diskFull("7") }
        return number
      } commit: { number, _ in
        committed.withLock { $0.append(number) }
      }
    }
    #expect(committed.withLock { $0 } == Array(0..<7))
  }
}
