@testable import Datasets

/// Images; the checksums of their chunks are made right first, so that changes come through.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  var png = Array(UnsafeRawBufferPointer(start: start, count: count))
  var place = 8
  var hasDeepPixels = false
  while place + 12 <= png.count {
    let length = png[place..<(place + 4)].reduce(0) { $0 << 8 | Int($1) }
    guard length <= png.count - place - 12 else { break }
    let end = place + 8 + length
    let sum = crc(png[(place + 4)..<end])
    for byte in 0..<4 { png[end + byte] = UInt8(truncatingIfNeeded: sum >> (24 - 8 * byte)) }
    if place == 8, length > 8 { hasDeepPixels = png[24] == 16 }
    place = end + 4
  }
  var pixels = [UInt8](repeating: 0, count: 1024)
  png.withUnsafeBufferPointer { png in
    pixels.withUnsafeMutableBufferPointer { pixels in
      if let base = pixels.baseAddress { _ = PNGDecoder.decode(png, size: 32, into: base) }
    }
  }
  planted(hasDeepPixels)
  return 0
}

private func crc(_ bytes: ArraySlice<UInt8>) -> UInt32 {
  var crc = UInt32.max
  for byte in bytes {
    crc ^= UInt32(byte)
    for _ in 0..<8 {
      let half: UInt32 = crc >> 1
      crc = crc & 1 == 1 ? half ^ 0xEDB8_8320 : half
    }
  }
  return ~crc
}
