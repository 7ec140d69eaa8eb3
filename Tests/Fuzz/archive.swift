import Foundation

@testable import Datasets

/// Archives of every kind; the checksums of tar headers are made right first.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  var bytes = Array(UnsafeRawBufferPointer(start: start, count: count))
  for block in stride(from: 0, through: bytes.count - 512, by: 512)
  where bytes[(block + 257)..<(block + 262)].elementsEqual("ustar".utf8) {
    bytes.replaceSubrange((block + 148)..<(block + 156), with: [UInt8](repeating: 32, count: 8))
    let sum = bytes[block..<(block + 512)].reduce(0) { $0 + Int($1) }
    for digit in 0..<6 {
      bytes[block + 148 + digit] = UInt8(48 + (sum >> (15 - 3 * digit)) & 7)
    }
    bytes[block + 154] = 0
  }
  let path = "/dev/shm/lra-fuzz-\(getpid())"
  guard FileManager.default.createFile(atPath: path, contents: Data(bytes)) else { return 0 }
  defer { unlink(path) }
  expectOurErrors {
    let limits = SourceLimits(bytes: 1 << 20, ratio: 200, files: 1000)
    let reader = SourceReader([path], limits: limits, isCancelled: { false }) { _, _ in }
    try reader.forEachFile { file in
      precondition(!file.path.hasPrefix("/") && !file.components.contains(".."))
      let content = try file.contents(limit: 1 << 20)
      planted(!["a/b", "a/c", "a/\u{E9}"].contains(file.path) && !content.isEmpty)
    }
  }
  return 0
}
