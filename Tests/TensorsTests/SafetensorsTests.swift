import Foundation
import Tensors
import Testing

@Suite struct SafetensorsTests {
  private func inTemporaryFile<Result>(_ data: Data, _ body: (String) throws -> Result) throws
    -> Result
  {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID()).safetensors")
    try data.write(to: url)
    defer { try? FileManager.default.removeItem(at: url) }
    return try body(url.path)
  }

  private func file(_ header: String, _ bytes: Int) -> Data {
    var data = Data()
    withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { data.append(contentsOf: $0) }
    return data + Data(header.utf8) + Data(count: bytes)
  }

  @Test("what is written is read back bit for bit")
  func roundTrip() throws {
    let values = fill([3, 4], 0.7, 0.1).map(Float.init)
    let data = try Safetensors.encoded([("a.weight", .from(values, [3, 4])), ("b", .full([], 7))])
    #expect(data.count % 4 == 0)
    try inTemporaryFile(data) { path in
      let tensors = try Safetensors.read(path)
      #expect(try tensors["a.weight"]?.floats() == values)
      #expect(tensors["a.weight"]?.shape == [3, 4])
      #expect(try tensors["b"]?.item() == 7)
    }
  }

  @Test(
    "a header that lies is refused before anything is allocated",
    arguments: [
      (#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,8]}}"#, 8),
      (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 12),
      (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#, 12),
      (#"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}}"#, 8),
      (#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,-4]}}"#, 8),
      (#"{"a":{"dtype":"F99","shape":[2],"data_offsets":[0,8]}}"#, 8),
      (
        #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[9000000000000000000,-9000000000000000000]}}"#,
        8
      ),
      ("not json", 0), ("[]", 0),
    ])
  func hostile(header: String, bytes: Int) throws {
    _ = try inTemporaryFile(file(header, bytes)) { path in
      #expect { try Safetensors.read(path) } throws: {
        ($0 as? TensorError)?.code == .malformedFile
      }
    }
  }

  @Test("a file cut anywhere is refused")
  func cut() throws {
    let data = try Safetensors.encoded([("a", .full([5], 1))])
    for count in 0..<data.count {
      _ = try inTemporaryFile(data.prefix(count)) { path in
        #expect { try Safetensors.read(path) } throws: {
          ($0 as? TensorError)?.code == .malformedFile
        }
      }
    }
  }
}
