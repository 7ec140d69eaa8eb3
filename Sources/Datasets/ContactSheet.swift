import Foundation

/// Images of a dataset side by side, the label above each.
public struct ContactSheet: Sendable {
  /// How many images it shows.
  public let count: Int
  private let width: Int
  private let height: Int
  private var pixels: [UInt8]

  private static let gap = 6
  /// The grey of the page: images are black.
  private static let page: UInt8 = 96

  /// Draws a sheet.
  ///
  /// Small images are magnified; masks stand to the right of their images.
  /// - Parameters:
  ///   - reader: a split of images.
  ///   - positions: 1...10 000 of its positions.
  /// - Throws: `usage` when the examples are no images or too many; `checksumMismatch`.
  public init(_ reader: SplitReader, positions: Range<Int>) throws {
    guard let size = reader.symbols.imageSize else {
      throw DatasetError.invalidParameter("\(reader.dataset) has no images: --png cannot show it")
    }
    let zoom = max(1, 96 / size)
    let cellWidth = size * zoom * (reader.hasMasks ? 2 : 1) + ContactSheet.gap
    let cellHeight = size * zoom + ContactSheet.gap + Digits.height + 3
    let columns = max(1, min(positions.count, 1000 / cellWidth))
    let rows = (positions.count + columns - 1) / columns
    guard (1...10_000).contains(positions.count), rows * cellHeight < 32_000 else {
      throw DatasetError.invalidParameter(
        "--count is \(positions.count), too many for one sheet of \(reader.dataset)")
    }
    count = positions.count
    width = columns * cellWidth + ContactSheet.gap
    height = rows * cellHeight + ContactSheet.gap
    pixels = [UInt8](repeating: ContactSheet.page, count: width * height)
    for (number, position) in positions.enumerated() {
      let left = ContactSheet.gap + number % columns * cellWidth
      let top = ContactSheet.gap + number / columns * cellHeight
      let label = reader.labels[position]
      write(label < 0 ? "-" : String(label), left, top)
      try reader.withParts(at: position) { parts in
        for (index, part) in parts.prefix(reader.hasMasks ? 2 : 1).enumerated() {
          draw(part, size, zoom, left + index * size * zoom, top + Digits.height + 3)
        }
      }
    }
  }

  private mutating func draw(
    _ image: UnsafeBufferPointer<UInt8>, _ size: Int, _ zoom: Int, _ left: Int, _ top: Int
  ) {
    for y in 0..<(size * zoom) {
      for x in 0..<(size * zoom) {
        pixels[(top + y) * width + left + x] = image[y / zoom * size + x / zoom]
      }
    }
  }

  private mutating func write(_ text: String, _ left: Int, _ top: Int) {
    for (number, character) in text.utf8.enumerated() {
      for (y, row) in Digits.rows(character).enumerated() {
        for x in 0..<Digits.width where row >> (Digits.width - 1 - x) & 1 == 1 {
          pixels[(top + y) * width + left + number * (Digits.width + 1) + x] = 255
        }
      }
    }
  }

  /// Writes the sheet as a PNG; an earlier sheet is replaced, another file is not.
  ///
  /// - Throws: `diskFull`, `failure`, `configurationDiffers`.
  public func publish(_ path: String) throws {
    guard access(path, F_OK) != 0 || WrittenFile.isSheet(path) else {
      throw DatasetError.fileInTheWay(path, dataset: nil)
    }
    let file = try png()
    try Publication.publish(path) { try $0.write(file) }
  }

  /// The sheet as a PNG.
  ///
  /// - Throws: `failure` when libpng refuses.
  public func png() throws -> [UInt8] {
    let file = pixels.withUnsafeBufferPointer { pixels in
      PNGEncoder()?.encode(pixels, width: width, height: height) { Array($0) }
    }
    guard let file = file ?? nil else { throw DatasetError.noEncoder() }
    return file
  }
}

/// Digits of 5 x 7 pixels.
private enum Digits {
  static let width = 5
  static let height = 7

  /// From the top; the highest of five bits is the left pixel.
  static func rows(_ character: UInt8) -> [UInt8] {
    switch character {
    case UInt8(ascii: "0"): [14, 17, 19, 21, 25, 17, 14]
    case UInt8(ascii: "1"): [4, 12, 4, 4, 4, 4, 14]
    case UInt8(ascii: "2"): [14, 17, 1, 2, 4, 8, 31]
    case UInt8(ascii: "3"): [31, 2, 4, 2, 1, 17, 14]
    case UInt8(ascii: "4"): [2, 6, 10, 18, 31, 2, 2]
    case UInt8(ascii: "5"): [31, 16, 30, 1, 1, 17, 14]
    case UInt8(ascii: "6"): [6, 8, 16, 30, 17, 17, 14]
    case UInt8(ascii: "7"): [31, 1, 2, 4, 8, 8, 8]
    case UInt8(ascii: "8"): [14, 17, 17, 14, 17, 17, 14]
    case UInt8(ascii: "9"): [14, 17, 17, 15, 1, 2, 12]
    default: [0, 0, 0, 31, 0, 0, 0]
    }
  }
}
