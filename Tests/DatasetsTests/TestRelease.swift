import Foundation

@testable import Datasets

/// A small release: expressions and one Pathfinder tree in the original layout.
enum TestRelease {
  static let folder = "pathfinder32/curv_contour_length_14"

  static let expressions = [
    ("( ( ( ( [MAX 4 ) ( ( ( [MIN 2 ) 3 ) ] ) ) 1 ) ] )", 4), ("( ( ( [SM 7 ) 8 ) ] )", 5),
    ("( ( ( ( ( [MED 3 ) 4 ) 5 ) 9 ) ] )", 4), ("7", 7),
  ]

  static func table(_ expressions: [(String, Int)] = TestRelease.expressions) -> [UInt8] {
    Array(("Source\tTarget\r\n" + expressions.map { "\($0)\t\($1)\r\n" }.joined()).utf8)
  }

  /// A picture that says which image it is.
  static func pixels(_ number: Int, size: Int = 32) -> [UInt8] {
    (0..<(size * size)).map { $0 == number ? 255 : UInt8(($0 / size * 3 + number) & 15) }
  }

  static func png(_ pixels: [UInt8], width: Int, height: Int) throws -> [UInt8] {
    let file = pixels.withUnsafeBufferPointer { pixels in
      PNGEncoder()?.encode(pixels, width: width, height: height) { Array($0) }
    }
    guard let file = file ?? nil else { throw DatasetError.noEncoder() }
    return file
  }

  static func label(_ number: Int) -> Int { number % 3 == 0 ? 1 : 0 }

  static func metadata(_ batch: Int, _ numbers: Range<Int>) -> String {
    numbers.map { "imgs/\(batch) sample_\($0).png \($0) \(label($0)) 1.0 14 4 2 0.5 1 1\n" }
      .joined()
  }

  /// The files of the release; two batches of images.
  static func files(images: Int = 20) throws -> [(name: String, bytes: [UInt8])] {
    var files: [(name: String, bytes: [UInt8])] = []
    for split in ["train", "val", "test"] {
      files.append(("listops-1000/basic_\(split).tsv", table()))
    }
    for batch in 0..<2 {
      let numbers = (batch * images / 2)..<((batch + 1) * images / 2)
      for number in numbers.reversed() {
        let png = try png(pixels(number), width: 32, height: 32)
        files.append(("\(folder)/imgs/\(batch)/sample_\(number).png", png))
      }
      files.append(("\(folder)/metadata/\(batch).npy", Array(metadata(batch, numbers).utf8)))
    }
    return files
  }

  static func write(
    _ files: [(name: String, bytes: [UInt8])], in folder: String, to path: String
  ) throws {
    var archive = TestArchive()
    for (name, bytes) in files { archive.add(folder + name, bytes) }
    try archive.write(path)
  }
}
