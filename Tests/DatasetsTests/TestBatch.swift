import Foundation

@testable import Datasets

/// Batches of CIFAR-10 in both layouts of its archives, with pictures that follow from the numbers.
struct TestBatch {
  var labels: [UInt8]
  /// Planes of red, green and blue, image after image.
  var data: [UInt8]

  /// - Parameter number: the batch, for content of its own.
  init(_ count: Int, number: Int) {
    labels = (0..<count).map { UInt8(($0 * 7 + number) % 10) }
    data = []
    for image in 0..<count {
      for place in 0..<3072 {
        data.append(UInt8(truncatingIfNeeded: place * (image + 3) + number * 41 + place / 1024 * 9))
      }
    }
  }

  /// As in the binary archive.
  var records: [UInt8] {
    labels.enumerated().flatMap { [$1] + data[($0 * 3072)..<(($0 + 1) * 3072)] }
  }

  /// Pieces of a pickle.
  struct Pickle {
    private(set) var bytes: [UInt8] = [0x80, 2]
    private var memo: UInt8 = 0

    mutating func code(_ bytes: [UInt8]) { self.bytes += bytes }
    mutating func code(_ text: String) { bytes += Array(text.utf8) }
    /// Remembers the top of the stack.
    mutating func remember() {
      memo += 1
      bytes += [UInt8(ascii: "q"), memo]
    }
    mutating func string(_ text: String) {
      bytes += [UInt8(ascii: "U"), UInt8(text.utf8.count)] + Array(text.utf8)
      remember()
    }
    mutating func number16(_ value: Int) {
      bytes += [UInt8(ascii: "M"), UInt8(value & 255), UInt8(value >> 8)]
    }
    static func number32(_ value: Int) -> [UInt8] {
      (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }
  }

  /// As Python 2 wrote the archive: protocol 2, byte strings.
  ///
  /// - Parameters:
  ///   - function: instead of numpy's.
  ///   - order: whether the array says that it is in Fortran order.
  func pickle(
    function: String = "cnumpy.core.multiarray\n_reconstruct\n", isFortran: Bool = false
  ) -> [UInt8] {
    var pickle = Pickle()
    pickle.code("}")
    pickle.remember()
    pickle.code("(")
    pickle.string("batch_label")
    pickle.string("training batch 1 of 5")
    pickle.string("labels")
    pickle.code("]")
    pickle.remember()
    pickle.code("(")
    for label in labels { pickle.code([UInt8(ascii: "K"), label]) }
    pickle.code("e")
    pickle.string("data")
    pickle.code(function)
    pickle.remember()
    pickle.code("cnumpy\nndarray\n")
    pickle.remember()
    pickle.code([UInt8(ascii: "K"), 0, 0x85])
    pickle.string("b")
    pickle.code([0x87])
    pickle.code("R")
    pickle.remember()
    pickle.code([UInt8(ascii: "("), UInt8(ascii: "K"), 1])
    pickle.number16(labels.count)
    pickle.number16(3072)
    pickle.code([0x86])
    pickle.code("cnumpy\ndtype\n")
    pickle.string("u1")
    pickle.code([UInt8(ascii: "K"), 0, UInt8(ascii: "K"), 1, 0x87])
    pickle.code("R")
    pickle.remember()
    pickle.code([UInt8(ascii: "("), UInt8(ascii: "K"), 3])
    pickle.string("|")
    pickle.code("NNNJ")
    pickle.code([255, 255, 255, 255])
    pickle.code("J")
    pickle.code([255, 255, 255, 255, UInt8(ascii: "K"), 0])
    pickle.code("tb")
    pickle.code([isFortran ? 0x88 : 0x89, UInt8(ascii: "T")])
    pickle.code(Pickle.number32(data.count))
    pickle.code(data)
    pickle.code("tbu.")
    return pickle.bytes
  }

  /// As Python 3 writes protocol 2: bytes are text that `_codecs.encode` turns back.
  var pythonThree: [UInt8] {
    func text(_ text: String) -> [UInt8] {
      [UInt8(ascii: "X")] + Pickle.number32(text.utf8.count) + Array(text.utf8)
    }
    func encoded(_ bytes: [UInt8]) -> [UInt8] {
      let characters = String(String.UnicodeScalarView(bytes.map { UnicodeScalar($0) }))
      return Array("c_codecs\nencode\n".utf8) + text(characters) + text("latin1") + [0x86]
        + Array("R".utf8)
    }
    var pickle = Pickle()
    pickle.code("}(")
    pickle.code(encoded(Array("data".utf8)))
    pickle.code("cnumpy._core.multiarray\n_reconstruct\ncnumpy\nndarray\n")
    pickle.code([UInt8(ascii: "K"), 0, 0x85])
    pickle.code(encoded(Array("b".utf8)))
    pickle.code([0x87])
    pickle.code("R(K")
    pickle.code([1])
    pickle.number16(labels.count)
    pickle.number16(3072)
    pickle.code([0x86])
    pickle.code("cnumpy\ndtype\n")
    pickle.code(text("u1"))
    pickle.code([0x89, 0x88, 0x87])
    pickle.code("R(K")
    pickle.code([3])
    pickle.code(text("|"))
    pickle.code("NNNJ")
    pickle.code([255, 255, 255, 255])
    pickle.code("J")
    pickle.code([255, 255, 255, 255, UInt8(ascii: "K"), 0])
    pickle.code("tb")
    pickle.code([0x89])
    pickle.code(encoded(data))
    pickle.code("tb")
    pickle.code(encoded(Array("labels".utf8)))
    pickle.code("](")
    for label in labels { pickle.code([UInt8(ascii: "K"), label]) }
    pickle.code("eu.")
    return pickle.bytes
  }

  /// The six batches of an archive, the second half in another order than their numbers.
  static func all(_ count: Int = 20) -> [(name: String, batch: TestBatch)] {
    [1, 2, 3, 5, 4].map { ("data_batch_\($0)", TestBatch(count, number: $0)) }
      + [("test_batch", TestBatch(count, number: 0))]
  }
}
