import CTorch
import Foundation

/// The safetensors format: a length, a JSON header, then the tensors' bytes without holes.
///
/// Format: https://github.com/huggingface/safetensors. Read and written little-endian, row-major.
public enum Safetensors {
  private struct Entry {
    var name: String
    var dtype: String
    var shape: [Int]
    var begin: Int
    var end: Int
  }

  private static let types: [String: (type: ElementType, bytes: Int)] = [
    "F32": (.float32, 4), "F64": (.float64, 8), "BF16": (.bfloat16, 2), "I64": (.int64, 8),
    "I32": (.int32, 4), "U8": (.uint8, 1), "BOOL": (.bool, 1),
  ]

  /// The largest header that is read, in bytes; the reference implementation's limit.
  private static let maxHeaderBytes = 100_000_000

  /// The bytes of a file with these tensors, in the given order: float64 as it is, the rest as
  /// float32.
  ///
  /// - Parameter metadata: strings kept in the header under `__metadata__`.
  public static func encoded(
    _ tensors: [(name: String, tensor: Tensor)], metadata: [String: String] = [:]
  ) throws -> Data {
    var header: [String: Any] = metadata.isEmpty ? [:] : ["__metadata__": metadata]
    var offset = 0
    for (name, tensor) in tensors {
      let wide = tensor.elementType == .float64
      let bytes = tensor.count * (wide ? 8 : 4)
      header[name] = [
        "dtype": wide ? "F64" : "F32", "shape": tensor.shape,
        "data_offsets": [offset, offset + bytes],
      ]
      offset += bytes
    }
    var json = try JSONSerialization.data(
      withJSONObject: header, options: [.sortedKeys, .withoutEscapingSlashes])
    json.append(contentsOf: [UInt8](repeating: 0x20, count: (8 - json.count % 8) % 8))
    var data = Data(capacity: 8 + json.count + offset)
    withUnsafeBytes(of: UInt64(json.count).littleEndian) { data.append(contentsOf: $0) }
    data.append(json)
    for (_, tensor) in tensors {
      if tensor.elementType == .float64 {
        try tensor.doubles().withUnsafeBytes { data.append(contentsOf: $0) }
      } else {
        try tensor.floats().withUnsafeBytes { data.append(contentsOf: $0) }
      }
    }
    return data
  }

  /// The tensors of a file, on the CPU, by name.
  ///
  /// - Throws: `TensorError` with code `malformedFile`: a header that lies about sizes, holes,
  ///   overlaps, unknown types. Nothing is allocated before the sizes agree with the file.
  public static func read(_ path: String) throws -> [String: Tensor] {
    guard let data = try? Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped)
    else {
      throw TensorError(.malformedFile, "\(path) cannot be read", path: path)
    }
    let (entries, start) = try entries(of: data, path)
    var tensors: [String: Tensor] = [:]
    try data.withUnsafeBytes { bytes in
      for entry in entries {
        guard let type = types[entry.dtype]?.type else { continue }
        let part = UnsafeRawBufferPointer(
          rebasing: bytes[(start + entry.begin)..<(start + entry.end)])
        tensors[entry.name] = try Tensor.bytes(part, entry.shape, type)
      }
    }
    return tensors
  }

  private static func entries(of data: Data, _ path: String) throws -> ([Entry], start: Int) {
    guard data.count >= 8 else { throw TensorError.malformed(path, "\(data.count) bytes") }
    let length = data.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard length <= maxHeaderBytes, Int(length) <= data.count - 8 else {
      throw TensorError.malformed(
        path, "the header claims \(length) bytes, the file has \(data.count)")
    }
    let start = 8 + Int(length)
    guard
      let header = try? JSONSerialization.jsonObject(with: data[8..<start]) as? [String: Any]
    else { throw TensorError.malformed(path, "the header is not a JSON object") }
    var entries: [Entry] = []
    for (name, value) in header where name != "__metadata__" {
      entries.append(try entry(name, value, path))
    }
    entries.sort { ($0.begin, $0.end) < ($1.begin, $1.end) }
    var end = 0
    for entry in entries {
      guard entry.begin == end else {
        throw TensorError.malformed(
          path, "tensor \(entry.name) starts at \(entry.begin), not at \(end)")
      }
      end = entry.end
    }
    guard end == data.count - start else {
      throw TensorError.malformed(path, "\(data.count - start) bytes of tensors, expected \(end)")
    }
    return (entries, start)
  }

  private static func entry(_ name: String, _ value: Any, _ path: String) throws -> Entry {
    guard let fields = value as? [String: Any], let dtype = fields["dtype"] as? String,
      let shape = fields["shape"] as? [Int], let offsets = fields["data_offsets"] as? [Int],
      offsets.count == 2
    else { throw TensorError.malformed(path, "tensor \(name) is not described") }
    guard let bytes = types[dtype]?.bytes else {
      throw TensorError.malformed(path, "tensor \(name) has the unknown type \(dtype)")
    }
    var size = bytes
    for extent in shape {
      let (product, overflow) = size.multipliedReportingOverflow(by: extent)
      guard extent >= 0, !overflow else {
        throw TensorError.malformed(path, "tensor \(name) has the impossible shape \(shape)")
      }
      size = product
    }
    guard offsets[0] >= 0, offsets[1] >= offsets[0], offsets[1] - offsets[0] == size else {
      throw TensorError.malformed(path, "tensor \(name) of \(size) bytes lies at \(offsets)")
    }
    return Entry(name: name, dtype: dtype, shape: shape, begin: offsets[0], end: offsets[1])
  }
}

extension Safetensors {
  /// Copies one tensor of a file into a tensor of the same shape.
  public static func copy(
    _ name: String, of tensors: [String: Tensor], to target: Tensor, _ path: String
  ) throws {
    guard let source = tensors[name] else { throw TensorError.missingTensor(name, path) }
    guard source.shape == target.shape else {
      throw TensorError.shape(name, expected: target.shape, found: source.shape, path)
    }
    try target.copy(from: source)
  }

  /// Refuses a file with tensors that nobody asked for.
  public static func expectOnly(
    _ names: [String], in tensors: [String: Tensor], _ path: String
  ) throws {
    if let extra = Set(tensors.keys).subtracting(names).min() {
      throw TensorError.unexpectedTensor(extra, path)
    }
  }
}
