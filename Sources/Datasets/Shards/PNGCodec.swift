import CPNG

/// Writes grey images as PNG; keeps its working memory from one image to the next.
///
/// For one thread at a time.
public final class PNGEncoder {
  private let encoder: OpaquePointer
  private var output: [UInt8] = []

  /// An encoder; nil without memory.
  public init?() {
    guard let encoder = lra_png_encoder_new() else { return nil }
    self.encoder = encoder
  }

  deinit { lra_png_encoder_free(encoder) }

  /// Gives the file of an image to a body.
  ///
  /// - Parameters:
  ///   - pixels: width * height grey values, row by row.
  ///   - width: 1...32768; the height too.
  /// - Returns: nil when the image cannot be encoded.
  public func encode<Result>(
    _ pixels: UnsafeBufferPointer<UInt8>, width: Int, height: Int,
    _ body: (UnsafeBufferPointer<UInt8>) throws -> Result
  ) rethrows -> Result? {
    guard let base = pixels.baseAddress, width > 0, height > 0, width <= 1 << 15,
      height <= 1 << 15, pixels.count == width * height
    else { return nil }
    let bound = lra_png_bound(UInt32(width), UInt32(height))
    if output.count < bound { output = [UInt8](repeating: 0, count: bound) }
    return try output.withUnsafeMutableBufferPointer { output in
      let bytes = lra_png_encode(
        encoder, base, UInt32(width), UInt32(height), output.baseAddress, output.count)
      guard bytes > 0 else { return nil }
      return try body(UnsafeBufferPointer(rebasing: output[..<bytes]))
    }
  }
}

/// Reads the PNGs of our shards.
enum PNGDecoder {
  /// Decodes a grey 8-bit image of a known size.
  ///
  /// - Returns: false for anything else.
  static func decode(
    _ file: UnsafeBufferPointer<UInt8>, size: Int, into pixels: UnsafeMutablePointer<UInt8>
  ) -> Bool {
    guard let base = file.baseAddress else { return false }
    return lra_png_decode(base, file.count, UInt32(size), UInt32(size), pixels) == 0
  }
}
