@testable import Datasets

/// Headers and elements of NumPy arrays.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let bytes = UnsafeRawBufferPointer(start: start, count: count)
  expectOurErrors {
    let header = try NpyArray(bytes, fileBytes: count)
    precondition(header.start + header.count * header.element.bytes == count)
  }
  for raw in [false, true] {
    let message = expectOurErrors {
      var arrays = TokenArrays(raw: raw)
      try arrays.add(sourceFile(bytes, path: "x.npy"))
      precondition(arrays.greatestID <= 256)
    }
    planted(message?.hasSuffix("is a token behind padding (0)") == true)
  }
  return 0
}
