import Crypto
import Foundation
import Testing

@testable import Datasets

/// A NumPy file made by hand.
func npyFile(
  _ descr: String, shape: String, order: String = "False", version: UInt8 = 1, _ data: [UInt8]
) -> [UInt8] {
  let text = "{'descr': '\(descr)', 'fortran_order': \(order), 'shape': \(shape), }"
  let prefix = version == 1 ? 10 : 12
  let padding = String(repeating: " ", count: 63 - (prefix + text.utf8.count) % 64) + "\n"
  let header = Array((text + padding).utf8)
  let length = [UInt8(header.count & 255), UInt8(header.count >> 8)] + (version > 1 ? [0, 0] : [])
  return [0x93] + Array("NUMPY".utf8) + [version, 0] + length + header + data
}

/// Integers as the elements of an array.
func elements(_ values: [Int], bytes: Int, bigEndian: Bool = false) -> [UInt8] {
  values.flatMap { value in
    let little = (0..<bytes).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    return bigEndian ? little.reversed() : little
  }
}

@Suite struct OwnDataTests {
  private func own(_ task: String = "mine") -> OwnTask {
    var own = OwnTask()
    own.task = task
    return own
  }

  private func parameters(_ store: DatasetStore, _ name: String) throws -> [String: ParameterValue]
  {
    let index = try Index(at: store.path, .read)
    return CanonicalJSON.decode(try index.dataset(named: name).config) ?? [:]
  }

  // MARK: Arrays

  @Test(
    "arrays of every integer type and byte order give the same sequences, padding left out",
    arguments: [
      ("|u1", 1), ("|i1", 2), ("<u2", 3), (">u2", 1), ("<i2", 1), ("<u4", 2), (">i4", 1),
      ("<i8", 3), (">i8", 1), ("<u8", 1),
    ])
  func types(descr: String, version: UInt8) throws {
    let folder = try TemporaryFolder()
    let width = Int(String(descr.dropFirst(2))) ?? 1
    let rows = [[7, 1, 100], [9, 0, 0], [1, 2, 0], [3, 3, 3]]
    let values = elements(rows.flatMap { $0 }, bytes: width, bigEndian: descr.first == ">")
    var arrays = LabelledArrays(own())
    arrays.own.validation = 1
    arrays.own.test = 1
    let tokens = try folder.write(
      "tokens.npy", npyFile(descr, shape: "(4, 3)", version: UInt8(version), values))
    let labels = try folder.write(
      "labels.npy", npyFile("<i8", shape: "(4,)", elements([0, 1, 2, 1], bytes: 8)))
    let result = try folder.store.convert(arrays, from: [labels, tokens])
    #expect(result.generation.splits.map(\.count) == [2, 1, 1])
    var found: [Int: (symbols: [Int], label: Int32)] = [:]
    for split in ["train", "validation", "test"] {
      let reader = try folder.store.open(dataset: "mine", split: split)
      #expect(reader.symbols == .numbers)
      for position in 0..<reader.count {
        let row = reader.meta(at: position)?.filter(\.isNumber) ?? ""
        let symbols = try reader.withSymbols(at: position) { $0.map { Int($0) + 1 } }
        found[Int(row) ?? -1] = (symbols, reader.labels[position])
      }
    }
    #expect((0..<4).map { found[$0]?.symbols } == rows.map { $0.filter { $0 > 0 } })
    #expect((0..<4).map { found[$0]?.label } == [0, 1, 2, 1])
    let parameters = try parameters(folder.store, "mine")
    #expect(parameters["num_classes"] == .integer(3))
    #expect(parameters["vocabulary_size"] == .integer(101))
    #expect(parameters["max_length"] == .integer(3))
    let again = try folder.store.convert(arrays, from: [labels, tokens])
    #expect(again.generation.state == .complete)
    #expect(try folder.store.verify().foundDamage == false)
  }

  @Test("splits come from the files' names; validation is then taken from train")
  func namedSplits() throws {
    let folder = try TemporaryFolder()
    var paths: [String] = []
    for (name, count) in [("train", 40), ("test", 10)] {
      let values = (0..<(count * 2)).map { $0 % 200 + 1 }
      paths.append(
        try folder.write(
          "\(name)_x.npy",
          npyFile("<u2", shape: "(\(count), 2)", elements(values, bytes: 2))))
      paths.append(
        try folder.write(
          "\(name)_y.npy",
          npyFile("|u1", shape: "(\(count),)", [UInt8](repeating: 1, count: count))))
    }
    let result = try folder.store.convert(LabelledArrays(own()), from: paths)
    #expect(result.generation.splits.map(\.count) == [36, 4, 10])
    let digests = (0..<40).map { Array(SHA256.hash(data: Array("\($0)".utf8))) }
    let smallest = (0..<40).sorted { digests[$0].lexicographicallyPrecedes(digests[$1]) }.prefix(4)
    let validation = try folder.store.open(dataset: "mine", split: "validation")
    #expect((0..<4).map { validation.meta(at: $0) } == smallest.sorted().map { "{\"row\":\($0)}" })
    var taken = own("other")
    taken.test = 3
    let error = Small.error { try folder.store.convert(LabelledArrays(taken), from: paths) }
    #expect(error?.code == .usage)
  }

  @Test("raw bytes are symbols of their own, zero too")
  func raw() throws {
    let folder = try TemporaryFolder()
    var arrays = LabelledArrays(own())
    arrays.raw = true
    let values = (0..<40).map { UInt8($0 * 13 & 255) }
    let result = try folder.store.convert(
      arrays,
      from: [
        folder.write("x.npy", npyFile("|u1", shape: "(20, 2)", values)),
        folder.write("y.npy", npyFile("|u1", shape: "(20,)", [UInt8](repeating: 0, count: 20))),
      ])
    #expect(result.generation.tokens == 40)
    #expect(try parameters(folder.store, "mine")["vocabulary_size"] == .integer(257))
  }

  @Test(
    "values that are no tokens, padding in the middle and wrong labels are refused with row and column"
  )
  func badValues() throws {
    let folder = try TemporaryFolder()
    let labels = try folder.write("y.npy", npyFile("|u1", shape: "(2,)", [0, 1]))
    func message(_ values: [Int], _ raw: Bool = false) throws -> String? {
      var arrays = LabelledArrays(own())
      arrays.raw = raw
      let path = try folder.write(
        "x.npy", npyFile("<i4", shape: "(2, 3)", elements(values, bytes: 4)))
      let error = Small.error { try folder.store.convert(arrays, from: [path, labels]) }
      #expect(error?.code == .malformedInput)
      return error?.message.replacing(path + ": ", with: "")
    }
    #expect(
      try message([1, 2, 3, 4, 257, 5]) == "byte 144: row 1, column 1 is 257; 0...256 allowed")
    #expect(try message([1, -2, 3, 4, 5, 5]) == "byte 132: row 0, column 1 is -2; 0...256 allowed")
    #expect(
      try message([1, 2, 3, 4, 0, 5]) == "byte 148: row 1, column 2 is a token behind padding (0)")
    #expect(try message([0, 0, 0, 4, 0, 5]) == "byte 136: row 0 is padding (0) only")
    #expect(
      try message([1, 2, 3, 4, 5, 256], true) == "byte 148: row 1, column 2 is 256; 0...255 allowed"
    )
    let tokens = try folder.write("x.npy", npyFile("|u1", shape: "(3, 1)", [1, 1, 1]))
    let count = Small.error {
      try folder.store.convert(LabelledArrays(own()), from: [tokens, labels])
    }
    #expect(count?.message.hasSuffix("3 sequences, but 2 labels") == true)
    let alone = Small.error { try folder.store.convert(LabelledArrays(own()), from: [tokens]) }
    #expect(alone?.message == "\(tokens) holds no labels")
    #expect(!FileManager.default.fileExists(atPath: folder.store.path))
  }

  // MARK: Text

  @Test("lines of label and text, CRLF and LF, with or without a last line end")
  func lines() throws {
    let folder = try TemporaryFolder()
    let text = "\u{FEFF}2\tone\r\n0\ttwo \"quoted\" caf\u{E9}\n1\tthree\\n\n0\tfour"
    let path = try folder.write("lines.tsv", Array(text.utf8))
    var own = own("films")
    own.validation = 1
    own.test = 0
    _ = try folder.store.convert(LabelledText(own), from: [path])
    var texts: [String: Int32] = [:]
    for split in ["train", "validation"] {
      let reader = try folder.store.open(dataset: "films", split: split)
      #expect(reader.symbols == .bytes)
      for position in 0..<reader.count {
        let text = try reader.withSymbols(at: position) { String(decoding: $0, as: UTF8.self) }
        texts[text] = reader.labels[position]
      }
    }
    #expect(texts == ["one": 2, "two \"quoted\" caf\u{E9}": 0, "three\\n": 1, "four": 0])
    #expect(try parameters(folder.store, "films")["num_classes"] == .integer(3))
    #expect(try parameters(folder.store, "films")["max_length"] == .integer(18))
  }

  @Test("a header gives the columns and the splits")
  func header() throws {
    let folder = try TemporaryFolder()
    let words = ["train", "dev", "test"]
    let lines = (0..<30).map { "text \($0)\t\(words[$0 % 3])\t\($0 % 2)" }
    let path = try folder.write(
      "all.tsv", Array("text\tsplit\tlabel\n\(lines.joined(separator: "\n"))\n".utf8))
    let result = try folder.store.convert(LabelledText(own()), from: [path])
    #expect(result.generation.splits.map(\.count) == [10, 10, 10])
    let reader = try folder.store.open(dataset: "mine", split: "validation")
    #expect(reader.meta(at: 0) == "{\"line\":3}")
  }

  @Test(
    "what is wrong with a line is said with line and column",
    arguments: [
      ("0\tone\nno tab\n", ":2:7: expected 2 tab-separated fields, found 1"),
      ("0\tone\n1\ttwo\tthree\n", ":2:6: expected 2 tab-separated fields, found 3"),
      ("0\tone\n-1\ttwo\n", ":2:1: the label is \"-1\"; an integer from 0 to 65535 expected"),
      ("99999\tone\n", ":1:1: the label is \"99999\"; an integer from 0 to 65535 expected"),
      ("0\t\n", ":1:3: the text is empty"),
      ("0\ta\0b\n", ":1:4: a zero byte, which no text has; save the file as UTF-8"),
      (
        "label\tidea\n",
        ":1:7: column \"idea\" is unknown or there twice; label, text and split allowed"
      ),
      (
        "label\ttext\tlabel\n",
        ":1:1: column \"label\" is unknown or there twice; label, text and split allowed"
      ),
      ("label\tsplit\n", ":1:12: there is no column text"),
      (
        "label\ttext\tsplit\n0\tone\tall\n",
        ":2:7: the split is \"all\"; train, validation or test expected"
      ),
    ])
  func badLines(text: String, expected: String) throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("a.tsv", Array(text.utf8))
    let error = Small.error { try folder.store.convert(LabelledText(own()), from: [path]) }
    #expect(error?.message == path + expected)
    #expect(error?.code == .malformedInput)
    #expect(!FileManager.default.fileExists(atPath: folder.store.path))
  }

  @Test("names of LRA's tasks and names that are no names are refused; so are empty trainings")
  func names() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("a.tsv", Array("0\tone\n1\ttwo\n".utf8))
    for task in TaskDescription.benchmark.map(\.name) + [
      "", "Mine", "a b", "../x", String(repeating: "x", count: 41),
    ] {
      let error = Small.error { try folder.store.convert(LabelledText(own(task)), from: [path]) }
      #expect(error?.code == .usage)
    }
    var all = own()
    all.validation = 1
    all.test = 1
    #expect(
      Small.error { try folder.store.convert(LabelledText(all), from: [path]) }?.code == .usage)
    all.validation = .max
    #expect(
      Small.error { try folder.store.convert(LabelledText(all), from: [path]) }?.code == .usage)
  }
}
