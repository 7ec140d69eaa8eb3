import Foundation
import Testing

@testable import Datasets

@Suite struct PickledBatchTests {
  private func failure(_ bytes: [UInt8]) -> MalformedBytes? {
    do {
      try bytes.withUnsafeBytes { _ = try PickledBatch(parsing: $0) }
      return nil
    } catch {
      return error as? MalformedBytes
    }
  }

  private func pickle(_ text: String) -> [UInt8] { [0x80, 2] + Array(text.utf8) }

  @Test("a batch is read: shape, labels, bytes")
  func sound() throws {
    let batch = TestBatch(5, number: 2)
    for bytes in [batch.pickle(), batch.pythonThree] {
      try bytes.withUnsafeBytes { bytes in
        let read = try PickledBatch(parsing: bytes)
        #expect(read.shape == (5, 3072))
        #expect(read.labels == batch.labels.map(Int.init))
        #expect(read.withData(bytes) { Array($0) } == batch.data)
      }
    }
  }

  @Test(
    "what would run code is refused with its byte, and nothing runs",
    arguments: [
      "cos\nsystem\n(U\u{10}touch /tmp/ownedtR.", "cposix\nsystem\nU\u{1}x\u{85}R.",
      "c__builtin__\neval\n(U\u{1}1tR.", "cbuiltins\nexec\n(tR.",
      "cnumpy.core.multiarray\nfromstring\n(tR.", "csubprocess\nPopen\n(tR.",
      "cnumpy\nload\n(tR.", "c_codecs\ndecode\n(tR.", "c numpy\nndarray\n.",
    ])
  func code(text: String) {
    let failure = failure(pickle(text))
    #expect(failure?.byte == 2)
    #expect(failure?.what.contains("only numpy arrays are read, nothing is run") == true)
  }

  @Test("opcodes that a batch does not use are refused, each by name")
  func opcodes() {
    let used = Set("}])NKMJIUCTBX(tqrhjaesucRb.".utf8).union([0x85, 0x86, 0x87, 0x88, 0x89])
    for code in UInt8.min...UInt8.max where !used.contains(code) {
      let failure = failure([0x80, 2, code, 0, 0, 0, 0])
      #expect(failure?.byte == 2)
      #expect(failure?.what.hasPrefix("opcode 0x") == true, "\(code)")
    }
  }

  @Test(
    "a stack machine without values, marks or memory is refused",
    arguments: [
      "", ".", "K", "q\u{1}", "h\u{1}", "t.", "e.", "R.", "b.", "(.", "}.", "]a.", "Kaa.", "}Kau.",
      "U\u{9}cut", "T\u{FF}", "cnumpy\n", "cnumpy\nndarray\n)R.", "}(KaKbu.", "N.", "]](NNtb.",
      "cnumpy\ndtype\nU\u{2}f4K\u{0}K\u{1}\u{87}R.", "(q\u{1}.", "}(h\u{1}u.", "]q\u{1}h\u{1}aa.",
    ])
  func broken(text: String) { #expect(failure(pickle(text)) != nil) }

  @Test("other protocols and other files are refused")
  func protocols() {
    #expect(failure([0x80, 4, 0x95, 0])?.what == "pickle protocol 4; the archive has protocol 2")
    #expect(failure(Array("(dp0\n.".utf8))?.what == "not a pickle of protocol 2 or 3")
    #expect(failure([])?.byte == 0)
  }

  @Test("endless nesting, stacks, marks, memory and repetition stop at a bound")
  func bounds() {
    let much = 2_000_000
    let head: [UInt8] = [0x80, 2]
    func many(_ byte: Character) -> [UInt8] {
      [UInt8](repeating: byte.asciiValue ?? 0, count: much)
    }
    #expect(failure(head + many(")")) != nil)
    #expect(failure(head + many("(")) != nil)
    #expect(failure(head + many("]")) != nil)
    #expect(failure(head + many("}")) != nil)
    #expect(failure(head + Array(")".utf8) + [UInt8](repeating: 0x85, count: much)) != nil)
    var encode = head + Array("c_codecs\nencode\nq\u{1}X".utf8) + TestBatch.Pickle.number32(1000)
    encode += [UInt8](repeating: 65, count: 1000) + Array("X\u{6}\0\0\0latin1".utf8)
    encode += [0x86] + Array("q\u{2}R".utf8)
    for _ in 0..<2000 { encode += Array("h\u{1}h\u{2}R".utf8) }
    #expect(failure(encode)?.what == "the same text as bytes again and again")
    let claims: [UInt8] = head + Array("T".utf8) + [255, 255, 255, 255]
    #expect(failure(claims)?.what.hasPrefix("a text of 4 294 967 295 bytes is cut") == true)
  }

  @Test("bytes changed at random never crash; what is still read is whole")
  func noise() {
    var random = ReplayableGenerator()
    var read = 0
    for sound in [TestBatch(4, number: 1).pickle(), TestBatch(4, number: 1).pythonThree] {
      for _ in 0..<600 {
        var bytes = sound
        for _ in 0..<Int.random(in: 1...8, using: &random) {
          // Half of the changes fall into the first bytes: most of a batch is pixels.
          let end = Bool.random(using: &random) ? 300 : bytes.count
          bytes[.random(in: 0..<end, using: &random)] = .random(in: 0...255, using: &random)
        }
        if Bool.random(using: &random) {
          bytes.removeLast(.random(in: 0..<bytes.count, using: &random))
        }
        bytes.withUnsafeBytes { bytes in
          if let batch = try? PickledBatch(parsing: bytes) {
            let count = batch.withData(bytes) { $0.count }
            #expect(count == batch.shape.rows * batch.shape.columns)
            read += 1
          }
        }
      }
    }
    #expect(read > 0 && read < 1200)
  }
}
