import Crypto
import Foundation

/// The predictions of a model on a split: a NumPy file of real numbers [examples, classes].
public struct LogitsFile: Sendable {
  /// How many examples.
  public let rows: Int
  /// How many classes.
  public let columns: Int
  /// Row by row; all are finite.
  public let values: [Double]
  /// SHA-256 of the file, 32 bytes.
  public let sha256: [UInt8]

  private static let greatest = 1 << 32

  /// Reads a file.
  ///
  /// - Parameters:
  ///   - path: float32 or float64 in C order, two dimensions.
  ///   - rows: how many examples the split has.
  ///   - classes: how many classes the task has.
  /// - Throws: `usage` when there is no such file, `malformedInput` for another type or shape and for
  ///   a value that is not finite.
  public init(_ path: String, rows: Int, classes: Int) throws {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), !isFolder.boolValue
    else { throw DatasetError.noPredictions(path) }
    let size = (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0
    guard size <= LogitsFile.greatest,
      let data = try? Data(contentsOf: URL(fileURLWithPath: path))
    else { throw DatasetError.badPredictions(path, "the file cannot be read, or is too large") }
    do {
      let header = try LogitsFile.header(data)
      guard header.shape.count == 2 else {
        throw MalformedBytes(
          0, "an array of \(header.shape.count) dimensions; logits have 2, [examples, classes]")
      }
      guard header.shape[0] == rows else {
        throw MalformedBytes(
          0, "\(header.shape[0].grouped) rows; the split has \(rows.grouped) examples")
      }
      guard header.shape[1] == classes else {
        throw MalformedBytes(
          0, "\(header.shape[1].grouped) columns; the task has \(classes.grouped) classes")
      }
      values = try LogitsFile.values(data, header)
    } catch let error as MalformedBytes {
      throw DatasetError.badPredictions(path, error.what)
    }
    self.rows = rows
    columns = classes
    sha256 = Array(SHA256.hash(data: data))
  }

  private static func header(_ data: Data) throws -> NpyArray {
    try data.withUnsafeBytes { bytes in
      guard bytes.count >= 12 else { throw MalformedBytes(0, "not a NumPy file: too short") }
      let count = try NpyArray.headerBytes(UnsafeRawBufferPointer(rebasing: bytes[..<12]))
      guard bytes.count >= count else { throw MalformedBytes(0, "cut in its header") }
      return try NpyArray(
        UnsafeRawBufferPointer(rebasing: bytes[..<count]), fileBytes: bytes.count, reals: .only)
    }
  }

  private static func values(_ data: Data, _ header: NpyArray) throws -> [Double] {
    let width = header.element.bytes
    return try data.withUnsafeBytes { bytes in
      try (0..<header.count).map { number in
        var bits: UInt64 = 0
        for byte in 0..<width {
          let from = header.isBigEndian ? width - 1 - byte : byte
          bits |= UInt64(bytes[header.start + number * width + from]) << UInt64(8 * byte)
        }
        let value =
          width == 8
          ? Double(bitPattern: bits) : Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits)))
        guard value.isFinite else {
          let (row, column) = number.quotientAndRemainder(dividingBy: header.shape[1])
          throw MalformedBytes(0, "row \(row.grouped), column \(column) is \(value), not a number")
        }
        return value
      }
    }
  }
}
