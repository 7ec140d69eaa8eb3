/// The header of a one-dimensional uint8 NumPy file, version 1.0, padded to 128 bytes.
enum NpyHeader {
  static let bytes = 128

  static func header(count: Int) -> [UInt8] {
    var text = "{'descr': '|u1', 'fortran_order': False, 'shape': (\(count),), }"
    // 10 bytes stand before the text; the last byte is a line end.
    text += String(repeating: " ", count: bytes - 10 - text.utf8.count - 1) + "\n"
    let length = UInt16(bytes - 10)
    return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(length & 255), UInt8(length >> 8)]
      + Array(text.utf8)
  }
}
